"""How each partner stands, stored so that a restart forgets nothing; and which of its parcels are under way."""

from sqlalchemy import Connection, func, select

from gateway.domain.flow import Flow
from gateway.store import alarms
from gateway.store.alarms import AlarmCode
from gateway.store.database import insert_new, now_us
from gateway.store.row_security import execute_for_all
from gateway.store.tables import partner, queue_item

_EVERYBODY = "*"


def ensure(conn: Connection, name: str, window: int) -> None:
    """A row for a partner that has none."""
    insert_new(conn, partner, {"name": name, "window": window}, ["name"])


def names(conn: Connection) -> frozenset[str]:
    """Every partner that ever had a road here."""
    return frozenset(conn.execute(select(partner.c.name)).scalars())


def touch(conn: Connection, name: str) -> None:
    """Write the partner's row as it is: a trial of whether anything can be written."""
    conn.execute(partner.update().where(partner.c.name == name).values(window=partner.c.window))


def find(conn: Connection, name: str) -> Flow:
    """Where the partner stands; its row is there since its adapter was opened."""
    row = conn.execute(select(partner).where(partner.c.name == name)).one()
    return Flow(row.window, row.failures, row.probes, row.down_until, row.reason)


def lock(conn: Connection, name: str, window: int) -> Flow:
    """As ``find``, locked until the transaction ends; a partner without a row gets one with this window."""
    ensure(conn, name, window)
    conn.execute(select(partner.c.name).where(partner.c.name == name).with_for_update())
    return find(conn, name)


def under_way(conn: Connection, name: str) -> int:
    """How many effects towards it are in work, in whichever process."""
    query = select(func.count()).where(queue_item.c.partner == name, queue_item.c.lease_owner.is_not(None))
    return int(conn.execute(query).scalar_one())


def save(conn: Connection, name: str, before: Flow, after: Flow, at: int) -> None:
    """Store where it stands now. Going down rings; coming up closes the alarm and wakes what waited for it."""
    if after == before:
        return
    conn.execute(
        partner.update()
        .where(partner.c.name == name)
        .values(
            window=after.window,
            failures=after.failures,
            probes=after.probes,
            down_until=after.down_until,
            reason=after.reason,
        )
    )
    if after.is_down and not before.is_down:
        alarms.ring(conn, tenant=_EVERYBODY, code=AlarmCode.PARTNER_DOWN, subject=name, at=at)
    elif before.is_down and not after.is_down:
        code = AlarmCode.PARTNER_DOWN
        alarms.close(conn, tenant=_EVERYBODY, code=code, subject=name, at=at, actor="gateway")
        _wake(conn, name)


def _wake(conn: Connection, name: str) -> None:
    """Every office's: the one whose attempt found the partner well is not the only one that waits for it."""
    now = now_us(conn)
    execute_for_all(
        conn,
        queue_item.update()
        .where(
            queue_item.c.partner == name,
            queue_item.c.lease_owner.is_(None),
            queue_item.c.parked.is_(None),
            queue_item.c.run_at > now,
        )
        .values(run_at=now),
    )
