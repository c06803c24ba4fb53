"""Requests that came before: the same key with the same content is the same message.

Keys are scoped by client and tenant (requirement S50) and stand here as HMACs, so that nothing can be read from them.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, select

from gateway.errors import ConflictError, StoreError
from gateway.store.database import insert_new
from gateway.store.tables import idempotency


def claim(conn: Connection, tenant: str, client: str, keys: Sequence[str], content: str, message_id: str) -> str:
    """Take all keys for this message, or say whose they are. Two at once: the database decides.

    Raises ConflictError ``idempotency-conflict`` when a key came with other content.
    """
    owner = next((found for key in keys if (found := _find(conn, tenant, client, key, content))), message_id)
    for key in keys:
        values = {"tenant": tenant, "client": client, "key": key, "content": content, "message_id": owner}
        insert_new(conn, idempotency, values, ["tenant", "client", "key"])
        if _find(conn, tenant, client, key, content) != owner:
            message = "the same request came twice at once"  # once more, and it finds the other one
            raise StoreError(message)
    return owner


def _find(conn: Connection, tenant: str, client: str, key: str, content: str) -> str | None:
    query = select(idempotency.c.message_id, idempotency.c.content).where(
        idempotency.c.tenant == tenant, idempotency.c.client == client, idempotency.c.key == key
    )
    row = conn.execute(query).one_or_none()
    if row is None:
        return None
    if row.content != content:
        detail = "this Idempotency-Key or meldingId came with other content; use a new one for a new message"
        raise ConflictError(detail, code="idempotency-conflict")
    return str(row.message_id)
