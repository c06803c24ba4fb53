"""Finds what rests too long: lapsed claims and leases, alarms due, clocks that ring, entries without a number.

It never changes what a message owes; it only gives back, rings and repairs. Each sweep is one unit of work per kind,
safe to run in every process at once.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, bindparam, func, select

from gateway import limits
from gateway.crashpoints import Point
from gateway.domain.lifecycle import FINAL, REST_LIMITS, Event, State
from gateway.domain.message_type import Lane
from gateway.observability import metrics
from gateway.pipeline.backoff import backoff_s
from gateway.pipeline.case_events import reread_clocks
from gateway.pipeline.environment import Environment
from gateway.pipeline.rounds import every
from gateway.pipeline.steady import running_s
from gateway.pipeline.worker import Incarnation, give_up, poisonous
from gateway.store import alarms, incarnations, journal, outbox, unit_of_work
from gateway.store.alarms import AlarmCode
from gateway.store.database import change_rows, locked_state, now_us
from gateway.store.tables import clock, log_state, message, message_state, queue_item

_SECOND: Final = 1_000_000
_BATCH: Final = 200


@dataclass(slots=True)
class Memory:
    """What the last sweep saw: the store's clock beside the one nobody sets, and lives whose lock nobody held."""

    wall: int
    running: float
    unlocked: frozenset[str] = frozenset()


async def run_sweeper(env: Environment, incarnation: Incarnation, stop: asyncio.Event) -> None:
    """Sweep until told to stop. A store that cannot be used now is swept later."""
    memory: Memory | None = None

    async def sweep_once() -> None:
        nonlocal memory
        memory = memory or await remember(env)
        await sweep(env, incarnation, memory)

    await every(env.settings.engine.sweep_s, stop, env.log, sweep_once)


async def remember(env: Environment) -> Memory:
    """A memory to begin with."""
    return Memory(await env.store.read(now_us), running_s())


async def sweep(env: Environment, incarnation: Incarnation, memory: Memory | None = None) -> None:
    """One round."""
    memory = memory or await remember(env)
    await _notice_jump(env, memory)
    incarnation.steady.renew()
    owner, working, lease_s = incarnation.id, set(incarnation.working), env.settings.engine.lease_s
    if working:
        await env.store.write(lambda conn: outbox.extend(conn, owner, working, lease_s), Point.SWEEP)
    dead = await _dead(env, memory)
    await env.store.write(lambda conn: _free_leases(env, conn, dead, memory.wall), Point.SWEEP)
    await env.store.write(lambda conn: _lapse_claims(env, conn, memory.wall), Point.SWEEP)
    await env.store.write(lambda conn: _ring_rests(env, conn), Point.SWEEP)
    await env.store.write(lambda conn: _ring_clocks(env, conn), Point.SWEEP)
    store = env.giving_way().store  # of what follows, nothing is urgent
    while await store.write(journal.number_pending, Point.NUMBER):
        pass
    if env.heads is not None:
        await env.heads.publish(store, env.now())
    await store.read(_measure)


async def _dead(env: Environment, memory: Memory) -> frozenset[str]:
    """Lives whose lock was gone at the last sweep and is gone now."""
    before, memory.unlocked = memory.unlocked, await env.store.read(incarnations.unlocked)
    return before & memory.unlocked


def take_up_orphans(env: Environment, conn: Connection, *, owner: str) -> int:
    """At start on SQLite, where one process alone may run: all other leases are dead. Returns how many were freed.

    On PostgreSQL others may live: there only time and locks tell.
    """
    alone = conn.dialect.name == "sqlite"
    return _judge_freed(env, conn, outbox.free(conn, (), everyone_but=owner if alone else None))


def _free_leases(env: Environment, conn: Connection, dead: frozenset[str], wall: int) -> int:
    freed = _judge_freed(env, conn, outbox.free(conn, dead, now=wall))
    if dead:
        incarnations.end(conn, dead)
    return freed


def _judge_freed(env: Environment, conn: Connection, freed: list[Row[Any]]) -> int:
    """A first death: due now. After more: back-off. Too many while alone: poison."""
    now = env.now()
    for row in freed:
        if poisonous(row.lane, row.deaths):
            give_up(conn, row.id, row.tenant, row.message_id, "killed-worker", now)
        elif row.deaths:
            outbox.delay(conn, row.id, backoff_s(env, row.deaths))
        else:
            outbox.delay(conn, row.id, 0)
    return len(freed)


def _lapse_claims(env: Environment, conn: Connection, wall: int) -> int:
    """A claim whose time is over is given back; the case system may confirm all the same.

    ``wall`` is the store's time as this sweep believes it: a clock that was just set ends no claim.
    """
    now = env.now()
    lapsed = conn.execute(
        select(message_state.c.message_id)
        .where(message_state.c.state == State.OFFERED.value, message_state.c.claim_until < wall)
        .limit(_BATCH)
        .with_for_update(skip_locked=True)
    ).all()
    for row in lapsed:
        unit_of_work.move(conn, row.message_id, unit_of_work.Happening(Event.CLAIM_LAPSED, "gateway", now))
    return len(lapsed)


def _ring_rests(env: Environment, conn: Connection) -> int:
    """Raise the alarm level of what has rested past its next limit."""
    now = env.now()
    rung = 0
    for state, defaults in REST_LIMITS.items():
        configured = env.settings.rest_limits_s.get(state.value)
        levels = list(configured) if configured else [limit.total_seconds() for limit in defaults]
        for level, limit_s in enumerate(levels, start=1):
            resting = {"state": state.value, "level": level, "before": now - int(limit_s * _SECOND)}
            due = conn.execute(_RESTING, resting).all()
            for row in due:
                code, subject = AlarmCode.RESTS_TOO_LONG, row.message_id
                alarms.ring(conn, tenant=row.tenant, code=code, subject=subject, at=now, level=level)
                change_rows(conn, message_state, {"message_id": row.message_id}, alarm_level=level)
            rung += len(due)
    return rung


_RESTING: Final = (
    select(message_state.c.message_id, message_state.c.tenant)
    .where(
        message_state.c.state == bindparam("state"),
        message_state.c.alarm_level < bindparam("level"),
        message_state.c.since <= bindparam("before"),
    )
    .order_by(message_state.c.since)
    .limit(_BATCH)
    .with_for_update(skip_locked=True)
)


def _ring_clocks(env: Environment, conn: Connection) -> int:
    """Statutory clocks ring at their levels and stay open: only what the law names stops them."""
    now = env.now()
    query = select(clock.c.message_id, clock.c.clock_id).where(clock.c.next_ring <= now).order_by(clock.c.next_ring)
    due = conn.execute(query.limit(_BATCH)).all()
    return sum(_ring_clock(env, conn, row.message_id, row.clock_id, now) for row in due)


def _ring_clock(env: Environment, conn: Connection, message_id: str, clock_id: str, now: int) -> bool:
    """Under the message's lock, because its clocks are read anew: an event of the case may come at the same time."""
    locked_state(conn, message_id)
    same = and_(clock.c.message_id == message_id, clock.c.clock_id == clock_id)
    row = conn.execute(select(clock).where(same, clock.c.next_ring <= now)).one_or_none()
    if row is None:
        return False
    level = row.rung + 1
    conn.execute(clock.update().where(same).values(rung=level, next_ring=None))  # it rang: what is owed is the others'
    rule = env.rules.get(clock_id)
    if rule is None or not rule.expires:  # a period that runs out is only read again
        code = AlarmCode(rule.alarm) if rule is not None else AlarmCode.CLOCK_RINGS
        subject = f"{message_id}/{clock_id}" if code is AlarmCode.CLOCK_RINGS else message_id
        alarms.ring(conn, tenant=row.tenant, code=code, subject=subject, at=now, level=level)
    reread_clocks(env, conn, conn.execute(select(message).where(message.c.id == message_id)).one())
    return True


async def _notice_jump(env: Environment, memory: Memory) -> None:
    """A clock that was set moves run and lease times by the same; statutory clocks stay (decisions 3.12).

    The clock is the store's, as for every lease. How long the question took is no jump.
    """
    asked = running_s()
    wall = await env.store.read(now_us)
    answered = running_s()
    seen, passed = memory.wall, answered - memory.running
    jump = (wall - seen) - int(passed * _SECOND)
    memory.wall, memory.running = wall, answered
    if abs(jump) < (limits.CLOCK_JUMP_S + answered - asked) * _SECOND:
        return
    if await env.store.write(lambda conn: make_good(env, conn, seen, jump), Point.SWEEP):
        env.log.warning("clock.jumped", delay_s=jump / _SECOND)


def make_good(env: Environment, conn: Connection, seen: int, jump: int) -> bool:
    """Shift what hangs on the clock, once for all processes: whoever locks the row first does it, the others see it.

    ``seen`` is what the clock said when it was last right. Returns whether it was us.
    """
    made = conn.execute(select(log_state.c.shifted_at, log_state.c.shifted_by).with_for_update()).one()
    tolerance = int(limits.CLOCK_JUMP_S * _SECOND)
    if made.shifted_at >= seen + jump - tolerance and abs(made.shifted_by - jump) < tolerance:
        return False
    conn.execute(
        queue_item.update().values(run_at=queue_item.c.run_at + jump, lease_until=queue_item.c.lease_until + jump)
    )
    conn.execute(
        message_state.update()
        .where(message_state.c.claim_until.is_not(None))
        .values(claim_until=message_state.c.claim_until + jump)
    )
    now = env.now()
    conn.execute(log_state.update().values(shifted_at=now_us(conn), shifted_by=jump))
    refs: dict[str, str | int] = {"seconds": round(jump / _SECOND)}
    journal.write(conn, journal.Entry(journal.CLOCK_JUMPED, "*", now, "gateway", refs=refs))
    alarms.ring(conn, tenant="*", code=AlarmCode.CLOCK_JUMP, subject="host", at=now)
    return True


def _measure(conn: Connection) -> None:
    by_state = select(message_state.c.state, func.count()).group_by(message_state.c.state)
    counts: dict[str, int] = {row[0]: row[1] for row in conn.execute(by_state)}
    for state in State:
        if state not in FINAL:
            metrics.STATES.labels(state.value).set(counts.get(state.value, 0))
    now = now_us(conn)
    query = select(queue_item.c.lane, func.count(), func.min(queue_item.c.run_at)).group_by(queue_item.c.lane)
    queued = {lane: (count, oldest) for lane, count, oldest in conn.execute(query)}
    for lane in Lane:  # the empty ones too, or they would show for ever what they had last
        count, oldest = queued.get(lane.value, (0, now))
        metrics.QUEUE.labels(lane.value).set(count)
        metrics.OLDEST_SECONDS.labels(lane.value).set(max(0, now - oldest) / _SECOND)
    alarming = alarms.count_open(conn)
    for code in AlarmCode:
        metrics.ALARMS.labels(code.value).set(alarming.get(code.value, 0))
    metrics.UNNUMBERED.set(journal.unnumbered(conn))
