"""Where case systems want to be rung: a row for each office of a client, so that an office's bell needs no other's row."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

from sqlalchemy import Connection, and_, bindparam, select

from gateway.store.database import add_row
from gateway.store.tables import client, client_tenant, webhook


@dataclass(frozen=True, slots=True)
class StoredWebhook:
    """One client's address for one office's messages, with the secret it verifies us by, sealed under its key."""

    client_id: str
    tenant: str
    url: str
    kek_id: str
    wrapped: bytes
    secret: bytes


def put(conn: Connection, client_id: str, hooks: Sequence[StoredWebhook]) -> None:
    """Set a client's webhook, in place of an earlier one: the same address, for each of its offices."""
    remove(conn, client_id)
    for hook in hooks:
        add_row(conn, webhook, **asdict(hook))


def remove(conn: Connection, client_id: str) -> list[str]:
    """Forget it. The offices that it was set for; none when there was none."""
    gone = webhook.delete().where(webhook.c.client_id == client_id).returning(webhook.c.tenant)
    return sorted(conn.execute(gone).scalars())


def find(conn: Connection, client_id: str) -> StoredWebhook | None:
    """A client's webhook; where it has several offices, that of the first."""
    query = select(webhook).where(webhook.c.client_id == client_id).order_by(webhook.c.tenant).limit(1)
    row = conn.execute(query).one_or_none()
    return None if row is None else _stored(row)


def of_tenant(conn: Connection, tenant: str) -> list[StoredWebhook]:
    """The webhooks of every active client that may see this office's messages."""
    return [_stored(row) for row in conn.execute(_OF_TENANT, {"tenant": tenant})]


_ALLOWED: Final = and_(client_tenant.c.client_id == webhook.c.client_id, client_tenant.c.tenant == webhook.c.tenant)
_OF_TENANT: Final = (
    select(webhook)
    .join(client_tenant, _ALLOWED)
    .join(client, client.c.id == webhook.c.client_id)
    .where(webhook.c.tenant == bindparam("tenant"), client.c.revoked_at.is_(None))
    .order_by(webhook.c.client_id)
)


def _stored(row: object) -> StoredWebhook:
    names = ("client_id", "tenant", "url", "kek_id", "wrapped", "secret")
    return StoredWebhook(**{name: getattr(row, name) for name in names})
