"""Claim, perform, commit, and nothing else.

A worker serves one lane and is never lent to another. What was in work when a process died runs alone, before the
process begins anything else, so that one poisonous message costs at most itself.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection

from gateway import limits
from gateway.crashpoints import Point
from gateway.domain.lifecycle import Effect, Event, State
from gateway.domain.message_type import Lane
from gateway.errors import Disposition, GatewayError, StoreError
from gateway.observability import metrics
from gateway.pipeline.backoff import backoff_s
from gateway.pipeline.effects import HANDLERS
from gateway.pipeline.environment import Environment
from gateway.pipeline.gate import Gate
from gateway.pipeline.steady import Steady
from gateway.store import alarms, journal, outbox, unit_of_work
from gateway.store.alarms import AlarmCode
from gateway.store.database import locked_state
from gateway.store.outbox import Item

_BATCH: Final = 10


@dataclass(slots=True)
class Incarnation:
    """This life of this process: the owner of its leases.

    ``locked`` is false once others may think it dead; ``id`` changes when a new life begins. ``working`` holds the
    queue items it knows to be its own: a heartbeat keeps their leases, and no others, so that what was claimed in a
    commit of unknown outcome lapses.
    """

    id: str
    gate: Gate = field(default_factory=Gate)
    locked: Callable[[], bool] = lambda: True
    steady: Steady = field(default_factory=Steady)
    working: set[int] = field(default_factory=set)

    def alive(self) -> bool:
        """Whether it may begin anything: its lock is held, and the time by which things are due is believed."""
        return self.locked() and self.steady.holds()


async def run_worker(env: Environment, incarnation: Incarnation, lane: Lane, stop: asyncio.Event) -> None:
    """Work through one lane until told to stop; what is begun is finished."""
    env = env.giving_way() if lane is Lane.ORDINARY else env
    while not stop.is_set():
        signal = env.store.watch(lane)
        if not await _turn(env, incarnation, [lane], suspects=False):
            await _wait(signal, stop, env.settings.engine.poll_busy_s)


async def watch_suspects(env: Environment, incarnation: Incarnation, stop: asyncio.Event) -> None:
    """Run what was in work when some other process died, as soon as it is free, until told to stop."""
    while not stop.is_set():
        signal = env.store.watch(outbox.SUSPECTS)
        await run_suspects(env, incarnation)
        await _wait(signal, stop, env.settings.engine.poll_busy_s)


async def run_suspects(env: Environment, incarnation: Incarnation) -> int:
    """Run what was in work when a process died, one at a time and alone. Returns how many there were."""
    count = 0
    while done := await _turn(env, incarnation, list(Lane), suspects=True):
        count += done
    return count


async def _turn(env: Environment, incarnation: Incarnation, lanes: Sequence[Lane], *, suspects: bool) -> int:
    """Claim what is due and perform it. Returns how many; 0 also when the store cannot be used now."""
    items: list[Item] = []
    try:
        if incarnation.alive() and await _due(env, lanes, suspects=suspects):
            items = await _claim(env, incarnation, lanes, suspects=suspects)
        incarnation.working.update(item.id for item in items)
        rest = list(items)
        while rest:
            item = rest.pop(0)
            async with incarnation.gate.alone() if suspects else incarnation.gate.together():
                if not incarnation.alive():  # what is not begun is given back when the lease ends
                    return 0
                async with _neighbours(env, incarnation, rest):
                    await perform(env, item)
            incarnation.working.discard(item.id)
    except StoreError as error:  # what was begun is found by its lease and attempt, and runs alone
        env.log.warning("store.unavailable", code=error.code)
        return 0
    finally:
        incarnation.working.difference_update(item.id for item in items)
    return len(items)


@asynccontextmanager
async def _neighbours(env: Environment, incarnation: Incarnation, rest: list[Item]) -> AsyncIterator[None]:
    """While one effect takes long, what was claimed with it is given back: nothing waits behind a slow message (S104)."""
    if not rest:
        yield
        return

    async def give_back() -> None:
        await asyncio.sleep(limits.NEIGHBOURS_WAIT_S)
        given = rest.copy()
        rest.clear()
        incarnation.working.difference_update(item.id for item in given)
        await env.store.write(lambda conn: outbox.give_back(conn, given), Point.CLAIM_WORK, Lane(given[0].lane))

    giving = asyncio.ensure_future(give_back())
    try:
        yield
    finally:
        giving.cancel()
        await asyncio.gather(giving, return_exceptions=True)


async def _due(env: Environment, lanes: Sequence[Lane], *, suspects: bool) -> bool:
    """Look before claiming: several are woken for the same work, and a claim is a turn of the one writer."""
    names, partner = [lane.value for lane in lanes], _partner(suspects=suspects)
    return await env.store.read(lambda conn: outbox.due(conn, lanes=names, suspects=suspects, only_partner=partner))


def _partner(*, suspects: bool) -> str | None:
    """Calls have workers of their own (``pipeline.traffic``); their suspects run here, and call nobody."""
    return None if suspects else outbox.GATEWAY


async def _claim(env: Environment, incarnation: Incarnation, lanes: Sequence[Lane], *, suspects: bool) -> list[Item]:
    owner = incarnation.id

    def work(conn: Connection) -> list[Item]:
        return outbox.claim(
            conn,
            owner=owner,
            lanes=[lane.value for lane in lanes],
            limit=_BATCH,
            lease_s=env.settings.engine.lease_s,
            suspects=suspects,
            only_partner=_partner(suspects=suspects),
        )

    lane = Lane.CONCERN if Lane.CONCERN in lanes else Lane.ORDINARY
    return await env.store.write(work, Point.CLAIM_WORK, lane)


async def perform(env: Environment, item: Item) -> None:
    """One effect: note that it begins, do it, and settle how it ended; in sight of its own tenant's rows only."""
    env = env.for_tenants(item.tenant)
    env = env.giving_way() if item.lane == Lane.ORDINARY else env
    opening = item.lane == Lane.CONCERN and item.effect is Effect.OPEN
    started = time.monotonic()
    now = env.now()
    if not await env.store.write(lambda conn: outbox.begin(conn, item, now), Point.BEGIN_ATTEMPT, Lane(item.lane)):
        return
    try:
        with env.right_of_way.report() if opening else nullcontext():
            outcome = await HANDLERS[item.effect](env, item)
    except asyncio.CancelledError:
        raise
    except Exception as error:  # noqa: BLE001  whatever a handler raises is settled here, by its disposition
        outcome = await _settle(env, item, error)
    elapsed = time.monotonic() - started
    metrics.EFFECTS.labels(item.effect.value, outcome).inc()
    metrics.EFFECT_SECONDS.labels(item.effect.value).observe(elapsed)
    env.log.info(
        "effect.performed",
        message_id=item.message_id,
        effect=item.effect.value,
        code=outcome,
        duration_ms=round(elapsed * 1000, 1),
    )


async def _settle(env: Environment, item: Item, error: Exception) -> str:
    """Act on an error's disposition: retry with back-off what time may mend, leave the rest to a person."""
    code = error.code if isinstance(error, GatewayError) else "internal"
    disposition = error.disposition if isinstance(error, GatewayError) else Disposition.STOP
    env.log.warning("effect.failed", message_id=item.message_id, effect=item.effect.value, code=code, exc_info=error)

    def work(conn: Connection) -> None:
        now = env.now()
        if not outbox.held(conn, item):
            return
        if disposition is Disposition.RETRY:
            outbox.retry(conn, item, code, now, backoff_s(env, item.attempt))
            return
        outbox.retry(conn, item, code, now, 0)
        give_up(conn, item.id, item.tenant, item.message_id, code, now)

    await env.store.write(work, Point.FAILED, Lane(item.lane))
    return code


def give_up(conn: Connection, item_id: int, tenant: str, message_id: str, code: str, now: int) -> None:
    """Time will not mend it: a message that was never opened is quarantined, any other effect is parked. It rings."""
    state = locked_state(conn, message_id)
    if state is not None and state.state == State.RECEIVED:
        outbox.drop_item(conn, item_id)
        happening = unit_of_work.Happening(Event.KILLED_WORKER, "gateway", now, cause=code)
        unit_of_work.move(conn, message_id, happening)
        return
    outbox.park(conn, item_id, code)
    journal.write(conn, journal.Entry(journal.PARKED, tenant, now, "gateway", message_id=message_id, code=code))
    alarms.ring(conn, tenant=tenant, code=AlarmCode.EFFECT_PARKED, subject=message_id, at=now)


def poisonous(lane: str, deaths: int) -> bool:
    """Whether an item has killed often enough while alone. Concern reports are given more chances."""
    most = limits.POISON_DEATHS_MAX_CONCERN if lane == Lane.CONCERN else limits.POISON_DEATHS_MAX
    return deaths >= most


async def _wait(signal: asyncio.Event, stop: asyncio.Event, timeout_s: float) -> None:
    waits = [asyncio.ensure_future(signal.wait()), asyncio.ensure_future(stop.wait())]
    try:
        await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
