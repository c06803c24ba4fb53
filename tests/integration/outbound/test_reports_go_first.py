"""The engine gives way to concern reports: a letter's steps wait for one that is in hand, and letters keep their pace."""

import asyncio
from dataclasses import replace
from functools import partial

import pytest

from gateway.crashpoints import Point
from gateway.domain.lifecycle import State
from gateway.domain.message_type import Lane
from gateway.pipeline import traffic
from gateway.pipeline.accept import Intake
from gateway.pipeline.pace import Pace
from gateway.pipeline.right_of_way import RightOfWay
from gateway.pipeline.traffic import run_road
from gateway.pipeline.worker import Incarnation, perform
from gateway.store import outbox
from tests.integration.outbound.letters import LetterRoad, release, submitted, with_letters
from tests.reports import Sender
from tests.work import state_of, work_off

pytestmark = pytest.mark.parametrize("env", ["sqlite"], indirect=True)
"""Way is given in one process, whatever the store."""
ME = Incarnation("11111111-1111-4111-8111-111111111111")


class Noting(RightOfWay):
    """Tells when somebody asked for the way."""

    def __init__(self):
        super().__init__()
        self.asked = asyncio.Event()

    async def give(self):
        self.asked.set()
        await super().give()


class Watched:
    """A store that notes at which commits somebody who comes would have to wait."""

    def __init__(self, store, right_of_way, seen):
        self._store, self._right_of_way, self._seen = store, right_of_way, seen

    def __getattr__(self, name):
        return getattr(self._store, name)

    def for_tenants(self, tenants):
        return Watched(self._store.for_tenants(tenants), self._right_of_way, self._seen)

    async def write(self, work, point, lane=Lane.ORDINARY):
        waiting = asyncio.ensure_future(self._right_of_way.give())
        await asyncio.sleep(0)
        self._seen[point] = not waiting.done()
        waiting.cancel()
        return await self._store.write(work, point, lane)


class Asked(Pace):
    """A pace that knows how often it was asked."""

    rounds = 0

    def room(self, *, reports_come):
        Asked.rounds += 1
        return super().room(reports_come=reports_come)


@pytest.fixture
def for_ever(monkeypatch):
    """Way is given until there is nobody left to give it to."""
    monkeypatch.setattr("gateway.pipeline.right_of_way.GIVE_WAY_S_MAX", 3600.0)


async def test_a_step_of_a_letter_waits_until_the_report_is_done(env, client, for_ever):
    right_of_way = Noting()
    env, _ = await with_letters(replace(env, right_of_way=right_of_way), LetterRoad())
    message_id = await submitted(env, client)
    await release(env, message_id, "kari", "ola")
    (item,) = await env.store.write(
        lambda conn: outbox.claim(
            conn, owner="first", lanes=[lane.value for lane in Lane], limit=1, lease_s=60, suspects=False
        ),
        Point.CLAIM_WORK,
    )
    right_of_way.asked.clear()
    with right_of_way.report():
        working = asyncio.create_task(perform(env, item))
        await asyncio.wait_for(right_of_way.asked.wait(), 5)
        assert not working.done()
        assert await state_of(env, message_id) == State.ACCEPTED
    await working
    assert await state_of(env, message_id) == State.CLEARED


async def test_a_report_is_in_hand_while_it_is_received_and_while_it_is_opened(env, site, for_ever):
    right_of_way, seen = RightOfWay(), {}
    env = replace(env, right_of_way=right_of_way, store=Watched(env.store, right_of_way, seen))
    await Intake(env).accept(Sender(site, env).delivery())
    await work_off(env)
    assert (seen[Point.ACCEPT], seen[Point.OPENED]) == (True, True)
    assert not seen[Point.CLAIM_WORK]
    async with asyncio.timeout(1):
        await right_of_way.give()  # and it is out of hand afterwards


async def test_way_is_given_once_before_a_step(env):
    giving = env.giving_way()
    assert giving.giving_way() is giving


@pytest.mark.parametrize(("per_s", "sent"), [(1e-9, 1), (1e6, 2)])
async def test_letters_beyond_the_first_few_wait_for_their_pace(env, client, monkeypatch, per_s, sent):
    monkeypatch.setattr(traffic, "Pace", partial(Asked, _left=1.0))
    monkeypatch.setattr(Asked, "rounds", 0)
    settings = {
        "flow": env.settings.flow.model_copy(update={"letters_per_s_max": per_s}),
        "engine": env.settings.engine.model_copy(update={"poll_busy_s": 0.02}),
    }
    road = LetterRoad()
    env, _ = await with_letters(replace(env, settings=env.settings.model_copy(update=settings)), road)
    letters = [await submitted(env, client, None, f"Brev {number}") for number in range(2)]
    for message_id in letters:
        await release(env, message_id, "kari", "ola")
    await _cleared(env)
    stop = asyncio.Event()
    working = asyncio.create_task(run_road(env, ME, "brevvei", stop))
    async with asyncio.timeout(20):
        while [await state_of(env, one) for one in letters].count(State.DELIVERED) < sent:
            await asyncio.sleep(0.01)
        asked = Asked.rounds
        while Asked.rounds < asked + 3:  # it looked again, and again
            await asyncio.sleep(0.01)
    stop.set()
    await working
    assert [await state_of(env, one) for one in letters].count(State.DELIVERED) == sent


async def _cleared(env):
    """Everything but the calls is done."""
    while items := await env.store.write(
        lambda conn: outbox.claim(
            conn,
            owner="test",
            lanes=[lane.value for lane in Lane],
            limit=10,
            lease_s=60,
            suspects=False,
            only_partner=outbox.GATEWAY,
        ),
        Point.CLAIM_WORK,
    ):
        for item in items:
            await perform(env, item)
