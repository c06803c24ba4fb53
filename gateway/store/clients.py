"""API clients in the store: who they are, for whom they speak, what they may do. Passwords are digests only."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from gateway.store import journal
from gateway.store.database import add_row, row_by, rows_by
from gateway.store.tables import client, client_password, client_tenant


def add(conn: Connection, values: dict[str, Any], tenants: Sequence[str], *, actor: str) -> None:
    """Register a client."""
    add_row(conn, client, tenant="*", **values)
    for tenant in tenants:
        add_row(conn, client_tenant, client_id=values["id"], tenant=tenant)
    _note(conn, journal.CLIENT_ADDED, values["id"], values["created_at"], actor)


def set_password(
    conn: Connection, client_id: str, salt: bytes, digest: bytes, *, at: int, old_until: int, actor: str
) -> bool:
    """A new password; the old ones end at ``old_until``. False when there is no such client."""
    if find(conn, client_id) is None:
        return False
    conn.execute(
        client_password.update()
        .where(client_password.c.client_id == client_id, client_password.c.valid_until.is_(None))
        .values(valid_until=old_until)
    )
    add_row(conn, client_password, tenant="*", client_id=client_id, salt=salt, digest=digest, valid_until=None)
    _note(conn, journal.CLIENT_ROTATED, client_id, at, actor)
    return True


def revoke(conn: Connection, client_id: str, *, at: int, actor: str) -> bool:
    """It may do nothing from its next request on. False when there is no such client."""
    done = conn.execute(client.update().where(client.c.id == client_id).values(revoked_at=at))
    if done.rowcount != 1:
        return False
    _note(conn, journal.CLIENT_REVOKED, client_id, at, actor)
    return True


def find(conn: Connection, client_id: str) -> Row[Any] | None:
    """One client."""
    return row_by(conn, client, id=client_id)


def find_by_certificate(conn: Connection, fingerprint: str) -> Row[Any] | None:
    """The client that registered this certificate."""
    return row_by(conn, client, certificate=fingerprint)


def passwords(conn: Connection, client_id: str, now: int) -> list[tuple[bytes, bytes]]:
    """Salt and digest of each password that is valid now."""
    rows = rows_by(conn, client_password, client_id=client_id)
    return [(row.salt, row.digest) for row in rows if row.valid_until is None or row.valid_until > now]


def tenants(conn: Connection, client_id: str) -> list[str]:
    """Whose messages it may see."""
    return sorted(row.tenant for row in rows_by(conn, client_tenant, client_id=client_id))


def every(conn: Connection) -> list[Row[Any]]:
    """All clients."""
    return list(conn.execute(select(client).order_by(client.c.created_at, client.c.id)))


def _note(conn: Connection, event: str, client_id: str, at: int, actor: str) -> None:
    journal.write(conn, journal.Entry(event, "*", at, actor, refs={"client": client_id}))
