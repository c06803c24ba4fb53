"""Shredding: the row with a message's data key goes, and with it all that can be read of its content.

The journal, statuses, confirmations and receipts stay: they hold no content, and what is committed there under the salt
says nothing once the salt is gone with the key.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, select

from gateway.domain.lifecycle import FINAL, State
from gateway.domain.message_type import Lane
from gateway.domain.retention import Age
from gateway.store.database import locked_state, remove_rows, rows_by
from gateway.store.tables import confirmation, document, duplicate, message_state, payload, payload_key


@dataclass(frozen=True, slots=True)
class Kept:
    """A message whose content is still there."""

    message_id: str
    tenant: str
    type: str
    age: Age


def ended(conn: Connection, before: int, after: str, limit: int) -> list[Kept]:
    """Messages that ended before a time and still have their content, by id, from after an id on."""
    query = (
        _kept()
        .where(
            message_state.c.state.in_([state.value for state in FINAL]),
            message_state.c.since < before,
            message_state.c.message_id > after,
        )
        .order_by(message_state.c.message_id)
        .limit(limit)
    )
    return [_read(row) for row in conn.execute(query)]


def kept(conn: Connection, message_id: str) -> Kept | None:
    """One message, its state locked; None when it is unknown or shredded."""
    locked_state(conn, message_id)
    row = conn.execute(_kept().where(message_state.c.message_id == message_id)).one_or_none()
    return _read(row) if row is not None else None


def shred(conn: Connection, message_id: str) -> Sequence[str]:
    """Remove key, records and document names; returns the files to remove once this is committed."""
    files = [row.file for row in rows_by(conn, payload, message_id=message_id) if row.file is not None]
    for table in (payload_key, payload, document):
        remove_rows(conn, table, message_id=message_id)
    return files


def _kept() -> Any:
    """A duplicate counts as confirmed when the message it repeats is."""
    confirmed_at = (
        select(func.min(confirmation.c.at))
        .where(
            (confirmation.c.message_id == message_state.c.message_id)
            | confirmation.c.message_id.in_(
                select(duplicate.c.first_id).where(duplicate.c.message_id == message_state.c.message_id)
            )
        )
        .scalar_subquery()
    )
    return select(
        message_state.c.message_id,
        message_state.c.tenant,
        message_state.c.type,
        message_state.c.state,
        message_state.c.lane,
        message_state.c.since,
        confirmed_at.label("confirmed_at"),
    ).join(payload_key, payload_key.c.message_id == message_state.c.message_id)


def _read(row: Row[Any]) -> Kept:
    age = Age(State(row.state), Lane(row.lane), row.since, row.confirmed_at)
    return Kept(row.message_id, row.tenant, row.type, age)
