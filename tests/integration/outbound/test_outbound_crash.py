"""The process dies while a partner is called: what follows asks, and sends twice only where that is harmless.

A kill is an exception here that nothing catches, and everything in memory is thrown away: store, environment, adapter.
The real signal is sent by the acceptance tests.
"""

import pytest

from gateway import config, crashpoints
from gateway.app import environment
from gateway.crashpoints import Point, Side
from gateway.domain.lifecycle import State
from gateway.pipeline.sweeper import take_up_orphans
from gateway.pipeline.worker import Incarnation, run_suspects
from gateway.spi import Taken, TryLater, Uncertain
from tests.integration.outbound.conftest import QUICK
from tests.integration.outbound.kit import Scripted, attempts_of, hand_in, with_roads
from tests.postgres import settings_for
from tests.work import state_of, work_off


class Killed(BaseException):
    """The end of a process."""


@pytest.fixture
def kill(monkeypatch):
    """Die the next time a point is passed."""

    def arm(point: Point, side: Side) -> None:
        def hook(passed: Point, at: Side) -> None:
            if (passed, at) == (point, side):
                monkeypatch.setattr(crashpoints, "_hook", None)
                raise Killed

        monkeypatch.setattr(crashpoints, "_hook", hook)

    return arm


@pytest.fixture(params=["sqlite", "postgresql"])
def configuration(request, site, tmp_path):
    return config.load(site.configuration, settings_for(request.param, tmp_path) | QUICK)


async def die(configuration, site, client, road) -> str:
    """One life: hand in, and be killed on the way."""
    async with environment(configuration) as bare:
        env = await with_roads(bare, site.tenant, road=road)
        message_id = await hand_in(env, client)
        with pytest.raises(Killed):
            await work_off(env, owner="11111111-1111-4111-8111-111111111111")
        return message_id


async def live_on(configuration, site, road):
    """The next life, up to where nothing is due."""
    async with environment(configuration) as bare:
        env = await with_roads(bare, site.tenant, road=road)
        owner = "22222222-2222-4222-8222-222222222222"
        await env.store.write(lambda conn: take_up_orphans_of_all(env, conn, owner), Point.SWEEP)
        called = len(road.sent), len(road.asked)
        await run_suspects(env, Incarnation(owner))
        assert (len(road.sent), len(road.asked)) == called  # suspects run alone and call nobody
        await work_off(env, owner=owner)
        yield env


def take_up_orphans_of_all(env, conn, owner):
    """Every other lease is dead, as after a restart of the only process, on either store."""
    from gateway.pipeline import sweeper
    from gateway.store import outbox

    if conn.dialect.name == "sqlite":
        return take_up_orphans(env, conn, owner=owner)
    return sweeper._judge_freed(env, conn, outbox.free(conn, (), everyone_but=owner))


@pytest.mark.parametrize(
    ("side", "known", "sent"),
    [(Side.AFTER, Taken("ref-1"), 1), (Side.BEFORE, TryLater("not-here"), 1)],
    ids=["after the call", "before the call"],
)
async def test_a_call_that_was_cut_is_asked_about_and_not_made_twice(
    configuration, site, client, kill, side, known, sent
):
    road = Scripted([Taken("ref-1")], [known])
    kill(Point.SEND, side)
    message_id = await die(configuration, site, client, road)
    async for env in live_on(configuration, site, road):
        assert await state_of(env, message_id) == State.SENT
        assert len(road.asked) == 1
        assert len(road.sent) == sent


async def test_where_a_repeat_is_harmless_the_same_bytes_go_again_under_the_same_key(configuration, site, client, kill):
    road = Scripted([Taken("ref-1")], idempotent=True)
    kill(Point.SEND, Side.AFTER)
    message_id = await die(configuration, site, client, road)
    async for env in live_on(configuration, site, road):
        assert await state_of(env, message_id) == State.SENT
        assert (len(road.sent), len(set(road.sent)), road.asked) == (2, 1, [])


async def test_a_question_that_was_cut_is_asked_again(configuration, site, client, kill):
    road = Scripted([Uncertain("silence")], [Taken("ref-1")])
    kill(Point.ASK, Side.AFTER)
    message_id = await die(configuration, site, client, road)
    async for env in live_on(configuration, site, road):
        assert await state_of(env, message_id) == State.SENT
        assert (len(road.asked), len(road.sent)) == (2, 1)


async def test_a_partner_that_cannot_be_asked_after_a_cut_call_leaves_it_to_a_person(configuration, site, client, kill):
    road = Scripted([Taken("ref-1")], [None])
    kill(Point.SEND, Side.AFTER)
    message_id = await die(configuration, site, client, road)
    async for env in live_on(configuration, site, road):
        assert await state_of(env, message_id) == State.HELD
        assert len(road.sent) == 1
        assert await attempts_of(env, message_id) == ["not-called:in-doubt"]
