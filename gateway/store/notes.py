"""What people wrote to people about a message: sealed texts, kept as long as its data key."""

from typing import Any

from sqlalchemy import Connection, Row, select

from gateway.store.database import add_row
from gateway.store.tables import note


def add(conn: Connection, *, tenant: str, message_id: str, at: int, actor: str, kind: str, sealed: bytes) -> None:
    """Append a text; ``kind`` is the event it explains."""
    add_row(conn, note, tenant=tenant, message_id=message_id, at=at, actor=actor, kind=kind, sealed=sealed)


def of_message(conn: Connection, message_id: str) -> list[Row[Any]]:
    """Every text of a message, oldest first."""
    return list(conn.execute(select(note).where(note.c.message_id == message_id).order_by(note.c.id)))
