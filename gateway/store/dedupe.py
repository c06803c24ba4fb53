"""Who was here before: keys kept as long as the journal, each an HMAC under the tenant's index key.

Nothing can be guessed from a key after its message is shredded, and a key never says whose it is to another tenant.
"""

from enum import StrEnum

from sqlalchemy import Connection, select

from gateway.store.database import add_row, insert_new
from gateway.store.tables import dedupe, duplicate


class KeyKind(StrEnum):
    """What the HMAC was made from."""

    SEALED = "sealed"  # (sender, SHA-256 of the sealed part): stage 1
    REMOTE_ID = "remote-id"  # (account, melding-id): stage 1, only with the same body
    REPORT_ID = "report-id"  # bekymringsmelding-id: stage 2
    CLIENT_ID = "client-message-id"  # (sender, klientMeldingId): stage 2
    CONTENT = "content"  # SHA-256 of the report's JSON: stage 2


def claim(conn: Connection, tenant: str, kind: KeyKind, key: str, message_id: str) -> str:
    """Take the key for this message, or say whose it is already. Two at once: the database decides."""
    values = {"tenant": tenant, "kind": kind.value, "key": key, "message_id": message_id}
    insert_new(conn, dedupe, values, ["tenant", "kind", "key"])
    owner = find(conn, tenant, kind, key)
    return owner or message_id


def find(conn: Connection, tenant: str, kind: KeyKind, key: str) -> str | None:
    """Whose key it is."""
    query = select(dedupe.c.message_id).where(
        dedupe.c.tenant == tenant, dedupe.c.kind == kind.value, dedupe.c.key == key
    )
    return conn.execute(query).scalar_one_or_none()


def link(conn: Connection, tenant: str, message_id: str, first_id: str) -> None:
    """Say that one message is a duplicate of another."""
    add_row(conn, duplicate, message_id=message_id, tenant=tenant, first_id=first_id)


def first_of(conn: Connection, message_id: str) -> str:
    """The first of a line of duplicates: links never point at a duplicate."""
    query = select(duplicate.c.first_id).where(duplicate.c.message_id == message_id)
    return conn.execute(query).scalar_one_or_none() or message_id


def duplicates_of(conn: Connection, first_id: str) -> list[str]:
    """Every duplicate of a message."""
    query = select(duplicate.c.message_id).where(duplicate.c.first_id == first_id).order_by(duplicate.c.message_id)
    return [row.message_id for row in conn.execute(query)]
