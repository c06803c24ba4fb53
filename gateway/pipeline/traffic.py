"""The workers of calls: each partner has its own, as wide as its window, and so have the bells; a silent one holds nobody up.

They do not pass the gate of the suspects: a call may hang, and what waits for it would hold every lane. Suspects are
sealed alone by the lanes' workers and call nobody.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final

from sqlalchemy import Connection

from gateway import limits
from gateway.crashpoints import Point
from gateway.domain.message_type import Lane
from gateway.errors import StoreError
from gateway.pipeline.environment import Environment
from gateway.pipeline.pace import Pace
from gateway.pipeline.worker import Incarnation, perform
from gateway.spi import Seal
from gateway.store import outbox, partners
from gateway.store.outbox import Item

_LANES: Final = (Lane.CONCERN, Lane.ORDINARY)


async def prepare(env: Environment, adapter: str) -> None:
    """A partner's row, before its road is used."""
    first = env.settings.flow.window_first
    await env.store.write(lambda conn: partners.ensure(conn, adapter, first), Point.ADMIN)


async def run_road(env: Environment, incarnation: Incarnation, adapter: str, stop: asyncio.Event) -> None:
    """Make one partner's calls until told to stop."""
    road, claiming = env.roads.find(adapter), env.giving_way()
    letters = road is not None and road.seal is Seal.LETTER
    pace = Pace(env.settings.flow.letters_per_s_max, env.clock) if letters else None
    await _run(env, incarnation, adapter, stop, lambda _: _claim(claiming, incarnation, adapter, pace))


async def run_bells(env: Environment, incarnation: Incarnation, stop: asyncio.Event) -> None:
    """Ring case systems until told to stop."""
    await _run(env, incarnation, outbox.BELLS, stop, lambda running: _claim_bells(env, incarnation, running))


async def _run(
    env: Environment,
    incarnation: Incarnation,
    partner: str,
    stop: asyncio.Event,
    claim: Callable[[int], Awaitable[list[Item]]],
) -> None:
    """Claim and perform, knowing how many run; then what is begun gets a while to finish.

    A call that is cut then has no known end: it is taken up again at the next start.
    """
    running: set[asyncio.Task[None]] = set()
    while not stop.is_set():
        signal = env.store.watch(partner)
        items = await claim(len(running))
        incarnation.working.update(item.id for item in items)
        running |= {asyncio.create_task(_perform(env, incarnation, item)) for item in items}
        if not items:
            await _wait(env, signal, stop, running)
        running = {task for task in running if not task.done()}
    if running:
        _, late = await asyncio.wait(running, timeout=limits.SHUTDOWN_S)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


async def _claim(env: Environment, incarnation: Incarnation, adapter: str, pace: Pace | None) -> list[Item]:
    """As much as window and pace have room for, concern reports first. Looks before it claims: that takes no lock."""
    owner, lease_s = incarnation.id, env.settings.engine.lease_s
    most = sys.maxsize if pace is None else pace.room(reports_come=env.right_of_way.reports_come())

    def work(conn: Connection) -> list[Item]:
        partners.lock(conn, adapter, env.settings.flow.window_first)
        taken: list[Item] = []
        for lane in _LANES:
            taken += outbox.claim(
                conn,
                owner=owner,
                lanes=[lane.value],
                limit=min(_room(env, conn, adapter, lane), most - len(taken)),
                lease_s=lease_s,
                suspects=False,
                only_partner=adapter,
            )
        return taken

    try:
        if most and incarnation.alive() and await env.store.read(lambda conn: _may_claim(env, conn, adapter)):
            claimed = await env.store.write(work, Point.CLAIM_WORK)
            if pace is not None:
                pace.begun(len(claimed))
            return claimed
    except StoreError as error:
        env.log.warning("store.unavailable", code=error.code, partner=adapter)
    return []


async def _claim_bells(env: Environment, incarnation: Incarnation, running: int) -> list[Item]:
    names, room = [lane.value for lane in _LANES], limits.BELLS_AT_ONCE - running
    bells: dict[str, Any] = {"lanes": names, "suspects": False, "only_partner": outbox.BELLS}
    owner, lease_s = incarnation.id, env.settings.engine.lease_s
    try:
        if room > 0 and incarnation.alive() and await env.store.read(lambda conn: outbox.due(conn, **bells)):
            return await env.store.write(
                lambda conn: outbox.claim(conn, owner=owner, limit=room, lease_s=lease_s, **bells), Point.CLAIM_WORK
            )
    except StoreError as error:
        env.log.warning("store.unavailable", code=error.code, partner=outbox.BELLS)
    return []


def _may_claim(env: Environment, conn: Connection, adapter: str) -> bool:
    return any(
        _room(env, conn, adapter, lane) > 0
        and outbox.due(conn, lanes=[lane.value], suspects=False, only_partner=adapter)
        for lane in _LANES
    )


def _room(env: Environment, conn: Connection, adapter: str, lane: Lane) -> int:
    """The last place of a window is for concern reports alone."""
    flow, under_way = partners.find(conn, adapter), partners.under_way(conn, adapter)
    return flow.room(under_way, env.now(), reserved=0 if lane is Lane.CONCERN else 1)


async def _perform(env: Environment, incarnation: Incarnation, item: Item) -> None:
    try:
        if incarnation.alive():
            await perform(env, item)
    except StoreError as error:  # its lease ends, and its attempt has no end: it is taken up by that
        env.log.warning("store.unavailable", message_id=item.message_id, code=error.code)
    finally:
        incarnation.working.discard(item.id)


async def _wait(env: Environment, signal: asyncio.Event, stop: asyncio.Event, running: set[asyncio.Task[None]]) -> None:
    waits = [asyncio.ensure_future(signal.wait()), asyncio.ensure_future(stop.wait())]
    try:
        timeout = env.settings.engine.poll_busy_s
        await asyncio.wait([*waits, *running], timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
