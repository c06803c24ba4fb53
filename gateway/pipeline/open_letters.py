"""A case with a letter that was not delivered is not closed: who tells that it ends hears of its letters."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row

from gateway.errors import ConflictError, UnknownMessageTypeError
from gateway.pipeline.environment import Environment
from gateway.store import journal, letters
from gateway.store.database import row_by
from gateway.store.tables import confirmation


@dataclass(frozen=True, slots=True)
class OpenLetter:
    """A letter that is neither delivered nor withdrawn."""

    id: str
    type: str
    state: str


def open_letters(env: Environment, conn: Connection, row: Row[Any], reference: str | None) -> tuple[OpenLetter, ...]:
    """Letters of the case of a message, oldest first.

    Of one case is what was sent under the ``reference`` told now, under that of the message's confirmation or under the
    message's own, what answers it, and itself.
    """
    confirmed = row_by(conn, confirmation, message_id=row.id)
    given = env.vault.mac(row.tenant, "reference", reference.encode()) if reference else None
    references = (given, row.case_reference, confirmed.reference_mac if confirmed is not None else None)
    ids = (row.id, row.remote_id)
    return tuple(
        OpenLetter(one.id, one.type, one.state)
        for one in letters.under_way(conn, row.tenant, list(filter(None, references)), list(filter(None, ids)))
        if _is_letter(env, one)
    )


def _is_letter(env: Environment, row: Row[Any]) -> bool:
    """To a person, or of a type that becomes a letter. What registers and other offices get holds no case open."""
    if row.person is not None:
        return True
    try:
        return env.types.type(row.type).letter is not None
    except UnknownMessageTypeError:
        return False


def tell_of_letters(
    env: Environment, conn: Connection, row: Row[Any], actor: str, count: int, *, acknowledged: bool
) -> None:
    """An entry, and so a line of the feed: a case ends while letters of it are open."""
    code = "acknowledged" if acknowledged else None
    refs: dict[str, str | int] = {"listed": count}
    entry = journal.Entry(journal.LETTERS_OPEN, row.tenant, env.now(), actor, message_id=row.id, code=code, refs=refs)
    journal.write(conn, entry)


def letters_are_open(found: tuple[OpenLetter, ...]) -> ConflictError:
    """What a case system hears that closes the case: which they are, and what to do."""
    shown = ", ".join(one.id for one in found[:5])
    detail = (
        f"{len(found)} letters of this case are not delivered ({shown}): see to them, "
        "or tell it again with acknowledged true"
    )
    return ConflictError(detail, code="letters-open")
