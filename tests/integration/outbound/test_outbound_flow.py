"""How much is under way to one partner, and that a silent one holds nobody else."""

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from gateway import limits
from gateway.app import engine
from gateway.crashpoints import Point
from gateway.domain.flow import ASKED_TO_WAIT, Flow, FlowRules, asked_to_wait, failed, greeted, succeeded
from gateway.domain.lifecycle import State
from gateway.domain.message_type import Lane
from gateway.domain.routing import Road
from gateway.pipeline.accept import Intake
from gateway.pipeline.traffic import run_road
from gateway.pipeline.worker import Incarnation, perform
from gateway.spi import Adapter, Receipt, Taken, TryLater, Uncertain
from gateway.store import outbox
from gateway.store.tables import attempt, message_state, partner, queue_item
from gateway.testing.clock import HandClock
from tests.integration.outbound.kit import (
    KIND,
    RECIPIENT,
    Scripted,
    alarms_of,
    hand_in,
    parcels_of,
    read,
    until,
    with_roads,
)
from tests.work import state_of, work_off

RULES = FlowRules(window_first=3, window_max=20, backoff_first_s=30, backoff_max_s=3600, retry_after_max_s=86400)
SECOND = 1_000_000
steps = st.lists(
    st.one_of(
        st.just(("yes", 0.0)),
        st.just(("greeting", 0.0)),
        st.tuples(st.just("no"), st.floats(0.8, 1.2)),
        st.tuples(st.just("wait"), st.floats(0, 1e9)),
        st.tuples(st.just("time"), st.floats(0, 4000)),
    ),
    max_size=60,
)


@given(steps)
def test_the_window_stays_within_its_bounds_and_a_partner_that_is_down_gets_one_probe_at_a_time(happenings):
    flow, now = Flow(RULES.window_first), 0
    for what, value in happenings:
        before = flow
        match what:
            case "yes":
                flow = succeeded(flow, RULES)
                assert not flow.is_down
            case "no":
                flow = failed(flow, RULES, now, "silence", value)
                assert flow.window <= before.window
            case "wait":
                flow = asked_to_wait(flow, RULES, now, value)
                assert flow.down_until >= now + int(min(value, 86400) * SECOND)
            case "greeting":
                flow = greeted(flow, RULES)
                assert flow.is_down == (before.is_down and before.reason == ASKED_TO_WAIT)
            case "time":
                now += int(value * SECOND)
        assert 1 <= flow.window <= RULES.window_max
        assert flow.room(flow.window, now) == 0
        if flow.is_down:
            assert flow.room(0, now) == int(now >= flow.down_until)
            assert flow.room(1, now) == 0
        else:
            assert flow.failures <= flow.window * 2  # an odd window is halved downwards
            assert flow.room(0, now) == flow.window
        assert 0 <= flow.room(0, now, reserved=1) <= flow.room(0, now)


def test_the_window_grows_by_one_and_is_halved():
    flow = Flow(3)
    for expected in (4, 5, 6, 7, 8):
        flow = succeeded(flow, RULES)
        assert flow.window == expected
    assert failed(flow, RULES, 0, "silence", 1).window == 4


def test_the_wait_doubles_from_30_seconds_to_an_hour_with_jitter():
    flow, now, waits = Flow(2), 0, []
    flow = failed(flow, RULES, now, "silence", 1)
    for _ in range(10):
        flow = failed(flow, RULES, now, "silence", 1)
        waits.append((flow.down_until - now) // SECOND)
        now = flow.down_until
    assert waits == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
    assert failed(Flow(1), RULES, 0, "silence", 0.8).down_until == 24 * SECOND


def test_those_who_fail_together_count_as_one_outage():
    flow = Flow(2)
    for _ in range(2):
        flow = failed(flow, RULES, 0, "silence", 1)
    assert flow.is_down
    assert failed(flow, RULES, 1, "silence", 1) == flow


# --- on a store -----------------------------------------------------------------------------------------------------


def patient(env, **flow):
    """Back-off as in production, calls as long as they like."""
    changes = {"flow": env.settings.flow.model_copy(update={"send_s_max": 60.0, **flow})}
    changes["engine"] = env.settings.engine.model_copy(update={"backoff_first_s": 30.0, "poll_busy_s": 0.05})
    return replace(env, settings=env.settings.model_copy(update=changes))


async def clear_all(env):
    """Ask the rules and choose the roads, send nothing."""
    while items := await env.store.write(
        lambda conn: outbox.claim(
            conn,
            owner="test",
            lanes=[lane.value for lane in Lane],
            limit=50,
            lease_s=60,
            suspects=False,
            only_partner="gateway",
        ),
        Point.CLAIM_WORK,
    ):
        for item in items:
            await perform(env, item)


async def flow_of(env, name):
    (row,) = await read(env, select(partner).where(partner.c.name == name))
    return row


async def counts(env) -> dict[str, int]:
    rows = await read(env, select(message_state.c.state))
    return {state: sum(row.state == state for row in rows) for state in {row.state for row in rows}}


@pytest.mark.proves("promise-8")
async def test_one_hanging_partner_of_many_does_not_hold_the_others(env, site, client, monkeypatch):
    monkeypatch.setattr(limits, "SHUTDOWN_S", 0.1)
    partners = {f"partner{number}": Scripted([Taken("ref", final=True)]) for number in range(5)}
    hanging = Scripted([asyncio.Event().wait])
    env = patient(await with_roads(env, site.tenant, hanging=hanging, **partners))
    for name in ("hanging", *partners):
        env.roads.routes[KIND] = (Road(name),)
        for _ in range(6):
            await hand_in(env, client)
        await clear_all(env)
    adapters = {name: Adapter(outbound=road) for name, road in {"hanging": hanging, **partners}.items()}
    async with engine(env, Incarnation("11111111-1111-4111-8111-111111111111"), adapters):

        async def delivered():
            return (await counts(env)).get("DELIVERED") == 30

        await until(delivered, 30)
        assert await counts(env) == {"DELIVERED": 30, "CLEARED": 6}
        assert len(hanging.sent) == 2  # of a window of 3, the last place is kept for concern reports


async def test_a_call_may_last_as_long_as_its_octets_need(env, site, client, monkeypatch):
    monkeypatch.setattr(limits, "SEND_BYTES_PER_S_MIN", 1000)

    async def slowly():
        await asyncio.sleep(0.2)
        return Taken("ref", final=True)

    env = patient(await with_roads(env, site.tenant, road=Scripted([slowly])), send_s_max=0.01)
    large = await hand_in(env, client)  # sealed, a letter of a few octets has thousands
    await clear_all(env)
    await work_off(env)
    assert await state_of(env, large) == State.DELIVERED
    monkeypatch.setattr(limits, "SEND_BYTES_PER_S_MIN", 1_000_000_000)
    small = await hand_in(env, client)
    await clear_all(env)
    await work_off(env)
    assert await state_of(env, small) in {State.UNCERTAIN, State.HELD}


async def test_calls_cut_at_shutdown_are_taken_up_by_asking(env, site, client, monkeypatch):
    monkeypatch.setattr(limits, "SHUTDOWN_S", 0.05)
    road = Scripted([asyncio.Event().wait], [Taken("ref", final=True)])
    env = patient(await with_roads(env, site.tenant, road=road))
    message_id = await hand_in(env, client)

    async def called():
        return bool(road.sent)

    async def delivered():
        return await state_of(env, message_id) == State.DELIVERED

    async with engine(env, Incarnation("11111111-1111-4111-8111-111111111111"), {"road": Adapter(outbound=road)}):
        await until(called)
    assert await state_of(env, message_id) == State.CLEARED
    await env.store.write(  # on PostgreSQL the lease of the dead lasts; its end is not what is tried here
        lambda conn: outbox.free(conn, (), everyone_but="nobody"), Point.SWEEP
    )
    async with engine(env, Incarnation("22222222-2222-4222-8222-222222222222"), {"road": Adapter(outbound=road)}):
        await until(delivered)
    assert (len(road.sent), len(road.asked)) == (1, 1)


async def test_what_waits_for_a_partner_that_is_gone_from_the_configuration_is_tried_and_told_so(env, site, client):
    road = Scripted([Taken("ref", final=True)])
    message_id = await hand_in(env := patient(await with_roads(env, site.tenant, road=road)), client)
    await clear_all(env)
    without = replace(env, roads=replace(env.roads, _open={}))
    async with engine(without, Incarnation("11111111-1111-4111-8111-111111111111"), {}):

        async def tried():
            rows = await read(env, select(attempt.c.code).where(attempt.c.message_id == message_id))
            return "not-called:road-not-open" in {row.code for row in rows}

        await until(tried)
    assert await state_of(env, message_id) == State.CLEARED
    assert road.sent == []


@pytest.mark.proves("promise-8")
async def test_a_partner_that_fails_is_left_alone_probed_once_and_taken_up_again(env, site, client):
    clock = HandClock()
    road = Scripted([TryLater("busy")])
    env = replace(patient(await with_roads(env, site.tenant, road=road)), clock=clock)
    ids = [await hand_in(env, client) for _ in range(8)]
    await clear_all(env)
    await work_off(env)
    row = await flow_of(env, "road")
    assert (row.window, row.reason) == (1, "busy")
    assert row.down_until > env.now()
    assert await alarms_of(env, "road") == ["partner-down"]

    await make_due(env)
    stop = asyncio.Event()
    worker = asyncio.create_task(run_road(env, Incarnation("11111111-1111-4111-8111-111111111111"), "road", stop))
    before = len(road.sent)
    await asyncio.sleep(0.3)
    assert len(road.sent) == before  # down: nothing, however much is due
    clock.turn(40)

    async def probed():
        return len(road.sent) > before

    await until(probed)
    await asyncio.sleep(0.3)
    assert len(road.sent) == before + 1  # one probe, and it failed
    road.answers[:] = [Taken("ref", final=True)]
    clock.turn(80)
    later = queue_item.update().values(run_at=4 * 10**15)  # in 2096
    await env.store.write(lambda conn: conn.execute(later), Point.SWEEP)
    await make_due(env, one=True)

    async def all_delivered():
        return await counts(env) == {"DELIVERED": len(ids)}

    await until(all_delivered, 20)  # the probe that came through woke the others, whose back-off was not over
    stop.set()
    await worker
    assert await alarms_of(env, "road") == []
    assert (await flow_of(env, "road")).down_until is None


async def make_due(env, *, one=False):
    """As if the back-off of the queue items, which the database's clock counts, were over."""
    query = queue_item.update().values(run_at=0)
    if one:
        first = select(queue_item.c.id).order_by(queue_item.c.id).limit(1).scalar_subquery()
        query = query.where(queue_item.c.id == first)
    await env.store.write(lambda conn: conn.execute(query), Point.SWEEP)


async def test_what_a_partner_asks_us_to_wait_is_kept(env, site, client):
    clock = HandClock()
    road = Scripted([TryLater("throttled", after_s=300.0)])
    env = replace(patient(await with_roads(env, site.tenant, road=road)), clock=clock)
    message_id = await hand_in(env, client)
    await clear_all(env)
    await work_off(env)
    row = await flow_of(env, "road")
    assert (row.down_until, row.reason) == (env.now() + 300 * SECOND, ASKED_TO_WAIT)
    (item,) = await read(env, select(queue_item.c.run_at).where(queue_item.c.message_id == message_id))
    rows = await read(env, select(queue_item.c.id).where(queue_item.c.run_at > item.run_at - 1))
    assert rows  # the item itself waits as long
    (parcel,) = await parcels_of(env, message_id)
    await Intake(env).receipt(Receipt("road", RECIPIENT, "ref", key=parcel.key))
    assert (await flow_of(env, "road")).down_until is not None  # a greeting does not shorten it


async def test_silence_when_asked_counts_like_silence_when_sent_to(env, site, client):
    env = patient(await with_roads(env, site.tenant, road=Scripted([Uncertain("silence")], [Uncertain("silence")])))
    await hand_in(env, client)
    await work_off(env)
    row = await flow_of(env, "road")
    assert (row.failures, row.reason, row.down_until is None) == (2, "silence", False)


async def test_a_valid_receipt_clears_the_breaker_at_once(env, site, client):
    road = Scripted([Taken("ref"), TryLater("busy")])
    env = patient(await with_roads(env, site.tenant, road=road))
    first = await hand_in(env, client)
    await work_off(env)
    for _ in range(6):
        await hand_in(env, client)
    await work_off(env)
    assert (await flow_of(env, "road")).down_until is not None
    (parcel,) = await parcels_of(env, first)
    wrong = Receipt("road", "974760673", "ref", key=parcel.key)
    await Intake(env).receipt(wrong)
    assert (await flow_of(env, "road")).down_until is not None
    await Intake(env).receipt(Receipt("road", RECIPIENT, "ref", key=parcel.key))
    row = await flow_of(env, "road")
    assert (row.down_until, row.window, row.failures) == (None, env.settings.flow.window_first, 0)


@pytest.mark.proves("promise-8")
async def test_the_last_place_of_a_window_is_for_concern_reports(env, site, client, monkeypatch):
    monkeypatch.setattr(limits, "SHUTDOWN_S", 0.05)
    road = Scripted([asyncio.Event().wait])
    env = patient(await with_roads(env, site.tenant, road=road))
    for _ in range(5):
        await hand_in(env, client)
    await clear_all(env)
    stop = asyncio.Event()
    worker = asyncio.create_task(run_road(env, Incarnation("11111111-1111-4111-8111-111111111111"), "road", stop))

    async def two():
        return len(road.sent) == 2

    await until(two)
    last = select(queue_item.c.id).where(queue_item.c.lease_owner.is_(None)).limit(1).scalar_subquery()
    urgent = queue_item.update().where(queue_item.c.id == last).values(lane=Lane.CONCERN.value)
    await env.store.write(lambda conn: conn.execute(urgent), Point.SWEEP)

    async def three():
        return len(road.sent) == 3

    await until(three)
    stop.set()
    await worker


async def test_an_idle_road_writes_nothing(env, site, client):
    env = patient(await with_roads(env, site.tenant, road=Scripted()))
    stop = asyncio.Event()
    worker = asyncio.create_task(run_road(env, Incarnation("11111111-1111-4111-8111-111111111111"), "road", stop))
    await asyncio.sleep(0.2)
    writes = 0
    write = type(env.store).write

    async def counted(self, *args, **more):
        nonlocal writes
        writes += 1
        return await write(self, *args, **more)

    type(env.store).write = counted
    try:
        await asyncio.sleep(0.3)
    finally:
        type(env.store).write = write
        stop.set()
        await worker
    assert writes == 0


@pytest.fixture(autouse=True)
def _no_spread(monkeypatch):
    """Waits are compared exactly here."""
    monkeypatch.setattr("gateway.pipeline.flow.jitter", lambda: 1.0)
