"""The portal's list of reports as an operator exports it: CSV, read line by line, of which ids, times and words are kept.

Whatever else stands in its columns is never looked at. A value that cannot be an id, a time or a status word is none:
lists are made by people, and a name may stand where an id belongs.
"""

import csv
import hashlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final

from gateway import limits
from gateway.config import Reconcile
from gateway.domain.deadlines import OSLO
from gateway.domain.identifiers import is_shown_id
from gateway.errors import MalformedRequestError, TooLargeError

_SEPARATORS: Final = ";\t,"
_TOO_LARGE: Final = "the list is larger than that of any day"
_WORD: Final = re.compile(r"[A-Za-z_]{1,40}")


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of the list: its number, and what could be read of it."""

    line: int
    report_id: str | None
    melding_id: str | None
    at: datetime | None
    status: str | None

    @property
    def ids(self) -> tuple[str, ...]:
        """By which it may be here, the better one first."""
        return tuple(one for one in (self.report_id, self.melding_id) if one is not None)


@dataclass(frozen=True, slots=True)
class PortalList:
    """A whole list, and the SHA-256 of its file."""

    rows: tuple[Listed, ...]
    digest: bytes


def read_list(file: Path, columns: Reconcile) -> PortalList:
    """Read a list. Raises MalformedRequestError, TooLargeError."""
    try:
        with file.open("rb") as source:
            if source.seek(0, io.SEEK_END) > limits.PORTAL_LIST_BYTES_MAX:
                raise TooLargeError(_TOO_LARGE)
            source.seek(0)
            digest = hashlib.file_digest(source, "sha256").digest()
            source.seek(0)
            return PortalList(tuple(_rows(source, columns)), digest)
    except OSError as error:
        detail = f"the list cannot be read: {error.strerror}"
        raise MalformedRequestError(detail) from None


def _rows(source: BinaryIO, columns: Reconcile) -> Iterator[Listed]:
    encoding = "utf-8-sig" if columns.encoding == "utf-8" else columns.encoding
    text = io.TextIOWrapper(source, encoding=encoding, newline="")
    try:
        head = text.readline()
        separator = columns.separator or _most_frequent(head)
        places = _places(next(csv.reader([head], delimiter=separator), []), columns)
        reader = csv.reader(text, delimiter=separator, strict=True)
        for count, cells in enumerate(reader, start=1):
            if count > limits.PORTAL_LIST_ROWS_MAX:
                raise TooLargeError(_TOO_LARGE)
            if any(cell.strip() for cell in cells):
                yield _listed(reader.line_num + 1, cells, places, columns)
    except (UnicodeDecodeError, csv.Error):
        detail = f"the list is no CSV in {columns.encoding}, or a line of it is broken"
        raise MalformedRequestError(detail) from None
    finally:
        text.detach()


def _most_frequent(head: str) -> str:
    return max(_SEPARATORS, key=head.count)


def _places(head: list[str], columns: Reconcile) -> dict[str, int]:
    """Where our columns stand. At least one of the ids must be there, or nothing could be found again."""
    names = [name.strip().casefold() for name in head]
    wanted = {"report_id": columns.report_id, "melding_id": columns.melding_id}
    wanted |= {"time": columns.time, "status": columns.status}
    places = {ours: names.index(name.casefold()) for ours, name in wanted.items() if name.casefold() in names}
    if not places.keys() & {"report_id", "melding_id"}:
        detail = f"the first line names no column {columns.report_id} or {columns.melding_id}; see [reconcile]"
        raise MalformedRequestError(detail)
    return places


def _listed(line: int, cells: list[str], places: dict[str, int], columns: Reconcile) -> Listed:
    def cell(name: str) -> str:
        place = places.get(name, len(cells))
        return cells[place].strip() if place < len(cells) else ""

    ids = [cell(name).lower() for name in ("report_id", "melding_id")]
    report_id, melding_id = (one if is_shown_id(one) else None for one in ids)
    status = cell("status") if _WORD.fullmatch(cell("status")) else None
    return Listed(line, report_id, melding_id, _moment(cell("time"), columns.time_format), status)


def _moment(text: str, time_format: str) -> datetime | None:
    try:
        moment = datetime.strptime(text, time_format) if time_format else datetime.fromisoformat(text)  # noqa: DTZ007  below
        return (moment if moment.tzinfo else moment.replace(tzinfo=OSLO)).astimezone(OSLO)
    except (ValueError, OverflowError):
        return None
