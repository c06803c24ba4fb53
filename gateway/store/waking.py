"""Work that waits for one thing is due when that thing is back, whatever its back-off says."""

from sqlalchemy import Connection, and_, select

from gateway.store.database import note_work, now_us
from gateway.store.outbox import ENDED, queue_of
from gateway.store.tables import attempt, queue_item


def wake(conn: Connection, code: str) -> int:
    """Make due what last ended with this code and waits in no lease and for no person. Returns how much."""
    now = now_us(conn)
    ended = select(attempt.c.id).where(
        attempt.c.message_id == queue_item.c.message_id,
        attempt.c.effect == queue_item.c.effect,
        attempt.c.generation == queue_item.c.generation,
        attempt.c.number == queue_item.c.attempt,
        attempt.c.phase == ENDED,
        attempt.c.code == code,
    )
    waiting = and_(queue_item.c.run_at > now, queue_item.c.lease_owner.is_(None), queue_item.c.parked.is_(None))
    woken = conn.execute(
        queue_item.update()
        .where(waiting, ended.exists())
        .values(run_at=now)
        .returning(queue_item.c.lane, queue_item.c.partner)
    ).all()
    for row in woken:
        note_work(conn, queue_of(row.lane, row.partner))
    return len(woken)
