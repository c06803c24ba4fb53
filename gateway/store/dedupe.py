"""Who was here before: keys kept as long as the journal, each an HMAC under the tenant's index key.

Nothing can be guessed from a key after its message is shredded, and a key never says whose it is to another tenant.
"""

from enum import StrEnum

from sqlalchemy import Connection

from gateway.store.database import add_row, insert_new, row_by, rows_by
from gateway.store.tables import dedupe, duplicate


class KeyKind(StrEnum):
    """What the HMAC was made from."""

    SEALED = "sealed"  # (sender, SHA-256 of the sealed part): stage 1
    REMOTE_ID = "remote-id"  # (account, melding-id): stage 1, only with the same body
    REPORT_ID = "report-id"  # bekymringsmelding-id: stage 2
    CLIENT_ID = "client-message-id"  # (sender, klientMeldingId): stage 2
    CONTENT = "content"  # SHA-256 of the report's JSON: stage 2
    PDF = "pdf"  # SHA-256 of the report's PDF: never a duplicate for it, only a warning


def claim(conn: Connection, tenant: str, kind: KeyKind, key: str, message_id: str) -> str:
    """Take the key for this message, or say whose it is already. Two at once: the database decides."""
    values = {"tenant": tenant, "kind": kind.value, "key": key, "message_id": message_id}
    if insert_new(conn, dedupe, values, ["tenant", "kind", "key"]):
        return message_id
    return find(conn, tenant, kind, key) or message_id


def find(conn: Connection, tenant: str, kind: KeyKind, key: str) -> str | None:
    """Whose key it is."""
    row = row_by(conn, dedupe, tenant=tenant, kind=kind.value, key=key)
    return None if row is None else str(row.message_id)


def link(conn: Connection, tenant: str, message_id: str, first_id: str) -> None:
    """Say that one message is a duplicate of another."""
    add_row(conn, duplicate, message_id=message_id, tenant=tenant, first_id=first_id)


def first_of(conn: Connection, message_id: str) -> str:
    """The first of a line of duplicates: links never point at a duplicate."""
    row = row_by(conn, duplicate, message_id=message_id)
    return message_id if row is None else str(row.first_id)


def duplicates_of(conn: Connection, first_id: str) -> list[str]:
    """Every duplicate of a message."""
    return [row.message_id for row in rows_by(conn, duplicate, first_id=first_id)]
