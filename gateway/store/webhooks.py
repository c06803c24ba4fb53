"""Where case systems want to be rung."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, bindparam, select

from gateway.store.database import add_row
from gateway.store.tables import client, client_tenant, webhook


@dataclass(frozen=True, slots=True)
class StoredWebhook:
    """One client's address, with the secret it verifies us by, sealed."""

    client_id: str
    tenant: str
    url: str
    kek_id: str
    wrapped: bytes
    secret: bytes


def put(conn: Connection, hook: StoredWebhook) -> None:
    """Set a client's webhook, in place of an earlier one."""
    remove(conn, hook.client_id)
    add_row(
        conn,
        webhook,
        client_id=hook.client_id,
        tenant=hook.tenant,
        url=hook.url,
        kek_id=hook.kek_id,
        wrapped=hook.wrapped,
        secret=hook.secret,
    )


def remove(conn: Connection, client_id: str) -> bool:
    """Forget it. False when there was none."""
    return conn.execute(webhook.delete().where(webhook.c.client_id == client_id)).rowcount == 1


def find(conn: Connection, client_id: str) -> StoredWebhook | None:
    """A client's webhook."""
    row = conn.execute(select(webhook).where(webhook.c.client_id == client_id)).one_or_none()
    return None if row is None else _stored(row)


def of_tenant(conn: Connection, tenant: str) -> list[StoredWebhook]:
    """The webhooks of every active client that may see this office's messages."""
    return [_stored(row) for row in conn.execute(_OF_TENANT, {"tenant": tenant})]


_OF_TENANT: Final = (
    select(webhook)
    .join(client_tenant, client_tenant.c.client_id == webhook.c.client_id)
    .join(client, client.c.id == webhook.c.client_id)
    .where(client_tenant.c.tenant == bindparam("tenant"), client.c.revoked_at.is_(None))
    .order_by(webhook.c.client_id)
)


def _stored(row: object) -> StoredWebhook:
    names = ("client_id", "tenant", "url", "kek_id", "wrapped", "secret")
    return StoredWebhook(**{name: getattr(row, name) for name in names})
