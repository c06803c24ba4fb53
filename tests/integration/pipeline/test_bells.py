"""A case system that hangs or is deaf costs nobody else anything: no report of any office, and no other's bell."""

import asyncio
import json
from base64 import b64encode
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest
from aiohttp import web
from sqlalchemy import select

from gateway import limits
from gateway.app import engine
from gateway.crashpoints import Point
from gateway.domain.lifecycle import Effect, State
from gateway.pipeline import webhooks
from gateway.pipeline.clients import Clients
from gateway.pipeline.hand_over import CaseSystemClient
from gateway.pipeline.worker import Incarnation, perform, run_suspects
from gateway.simulators.serving import serving
from gateway.spi import Address
from gateway.store import alarms, outbox
from gateway.store.tables import message_state, queue_item
from gateway.testing.site import ORGANISATION
from tests.work import state_of, work_off

SECRET = "whsec_" + b64encode(bytes(32)).decode()
HERE, NEXT_DOOR = "4601-02", "4601-03"


class Bell:
    """A case system's address, which answers the challenge, and from then on as it is told."""

    def __init__(self, answer=None):
        self.calls = []
        self.answer = answer

    def routes(self):
        return [web.post("/webhook", self.heard)]

    async def heard(self, request):
        told = json.loads(await request.read())
        if told["type"] != webhooks.CHALLENGE:
            self.calls.append(told["data"]["id"])
            if self.answer is not None:
                return await self.answer()
        return web.Response(status=204)


async def refuse():
    return web.Response(status=500)


@pytest.fixture
async def stack():
    async with AsyncExitStack() as opened:
        yield opened


async def listening(stack, env, bell, name, tenant):
    """Registered for the office, with its address proven."""
    await Clients(env.store, env.clock).add_fagsystem(
        name, organisations=[ORGANISATION], tenants=(tenant,), certificate=None, actor="kari"
    )
    base = await stack.enter_async_context(serving(bell.routes()))
    await webhooks.put(env.for_tenants(tenant), CaseSystemClient(name, (tenant,)), f"{base}/webhook", SECRET)


async def until(condition, within_s):
    async with asyncio.timeout(within_s):
        while not await condition():
            await asyncio.sleep(0.02)


async def states(env):
    return set(await env.store.read(lambda conn: conn.execute(select(message_state.c.state)).scalars().all()))


@pytest.mark.proves("promise-8")
async def test_a_case_system_that_hangs_holds_up_no_report_and_no_other_bell(env, intake, sender, stack, monkeypatch):
    monkeypatch.setattr(limits, "SHUTDOWN_S", 0.1)
    over = asyncio.Event()

    async def hang():
        await over.wait()
        return web.Response(status=503)

    hanging, well = Bell(hang), Bell()
    await listening(stack, env, hanging, "henger", HERE)
    await listening(stack, env, well, "frisk", NEXT_DOOR)
    stack.callback(over.set)  # before the servers end, which wait for their answers
    for number in range(6):
        await intake.accept(sender.delivery(number))
    last = replace(sender.delivery(7), address=Address(*NEXT_DOOR.split("-")))
    last = (await intake.accept(last)).id
    async with engine(env, Incarnation("11111111-1111-4111-8111-111111111111")):

        async def ready_and_rung():
            return await states(env) == {State.READY} and well.calls == [last]

        await until(ready_and_rung, 8)  # one call may last ten seconds
        assert len(hanging.calls) >= 3, "more than the lane has workers"


async def ringing_again(env):
    """The next try is due."""
    due = queue_item.update().values(run_at=1)
    await env.store.write(lambda conn: conn.execute(due), Point.SWEEP)
    await work_off(env)


async def test_a_bell_that_nobody_hears_in_five_tries_rings_for_a_person_until_one_is_heard(env, intake, sender, stack):
    bell = Bell(refuse)
    await listening(stack, env, bell, "sak", HERE)
    first = (await intake.accept(sender.delivery(1))).id
    await work_off(env)
    for _ in range(3):
        await ringing_again(env)
    assert await env.store.read(alarms.open_alarms) == []
    await ringing_again(env)
    rung = [(row.code, row.subject, row.tenant) for row in await env.store.read(alarms.open_alarms)]
    assert rung == [("webhook-failing", "sak", HERE)]
    assert bell.calls == [first], "who did not answer is left alone for a while"
    assert await state_of(env, first) == State.READY, "nothing waits for a bell"
    env.deaf_until["sak"] = 0.0  # that while is over
    bell.answer = None
    second = (await intake.accept(sender.delivery(2))).id
    await work_off(env)
    assert bell.calls == [first, second]
    assert await env.store.read(alarms.open_alarms) == []


async def test_a_bell_that_was_rung_when_its_process_died_calls_nobody_while_everything_waits(
    env, intake, sender, stack
):
    bell = Bell()
    await listening(stack, env, bell, "sak", HERE)
    accepted = await intake.accept(sender.delivery())
    [opening] = await claimed(env, "dead")
    await perform(env, opening)
    [item] = await claimed(env, "dead")
    assert item.effect is Effect.RING
    await env.store.write(lambda conn: outbox.begin(conn, item, env.now()), Point.BEGIN_ATTEMPT)
    await env.store.write(lambda conn: outbox.free(conn, ["dead"]), Point.SWEEP)
    assert await run_suspects(env, Incarnation("alive")) == 1
    assert bell.calls == []
    await work_off(env)
    assert bell.calls == [accepted.id]


async def claimed(env, owner):
    def work(conn):
        lanes = ["bekymring", "ordinaer"]
        return outbox.claim(conn, owner=owner, lanes=lanes, limit=1, lease_s=60, suspects=False)

    return await env.store.write(work, Point.CLAIM_WORK)
