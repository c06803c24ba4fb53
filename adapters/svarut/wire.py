"""SvarUt's answers as objects (OpenAPI of REST version 2). All readers raise DocumentError for what they cannot read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NoReturn
from uuid import UUID

from adapters.svarut.forsendelse import DIGEST
from adapters.svarut.settings import NAME
from gateway.spi import DocumentError, Json


@dataclass(frozen=True, slots=True)
class Told:
    """How far a letter has come: SvarUt's word for it, and since when (aware)."""

    id: str
    status: str
    since: datetime


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document at SvarUt. ``digest``: what we said of it, if we did."""

    name: str = field(repr=False)
    digest: str | None = field(repr=False)


def read_id(answer: Json) -> str:
    """The id of a letter that was taken."""
    return _uuid(answer.get("id"))


def read_ids(answer: Json) -> Sequence[str]:
    """The ids of the letters that an external reference has."""
    return [_uuid(one) for one in _list(answer.get("forsendelseIds"))]


def read_statuses(answer: Json) -> Sequence[Told]:
    """The letters that were asked about."""
    return [_told(_object(one)) for one in _list(answer.get("statuser"))]


def read_documents(answer: Json) -> Sequence[StoredDocument]:
    """A letter's documents."""
    return [_document(_object(one)) for one in _list(answer.get("dokumenter"))]


def _document(row: Mapping[str, Any]) -> StoredDocument:
    extra = [_object(one) for one in _list(row.get("ekstraMetadata") or [])]
    digests = [str(one.get("value")).lower() for one in extra if one.get("key") == DIGEST]
    return StoredDocument(_text(row.get("filnavn")), digests[0] if len(digests) == 1 else None)


def _told(row: Mapping[str, Any]) -> Told:
    try:
        since = datetime.fromisoformat(_text(row.get("sisteStatusEndring")))
        at = since.astimezone(UTC) if since.tzinfo is not None else None
    except (ValueError, OverflowError):
        at = None
    if at is None:
        _unreadable()
    return Told(_uuid(row.get("id")), _text(row.get("status")), at)


def _uuid(value: object) -> str:
    try:
        return str(UUID(_text(value)))
    except ValueError:
        _unreadable()


def _text(value: object) -> str:
    if not isinstance(value, str):
        _unreadable()
    return value


def _list(value: object) -> Sequence[object]:
    if not isinstance(value, list):
        _unreadable()
    return value


def _object(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        _unreadable()
    return value


def _unreadable() -> NoReturn:
    message = f"{NAME}: an answer that nobody can read"
    raise DocumentError(message) from None
