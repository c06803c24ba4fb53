"""S104: a message that hangs or kills costs its own worker and nobody else's, and ends before a person with an alarm."""

import asyncio
import threading

import pytest
from sqlalchemy import select

from gateway import limits
from gateway.app import engine, incarnate
from gateway.crashpoints import Point
from gateway.domain.lifecycle import Effect, State
from gateway.domain.message_type import Lane
from gateway.pipeline import effects, sweeper
from gateway.pipeline.open import Opening
from gateway.pipeline.worker import Incarnation, perform, run_suspects
from gateway.store import alarms, outbox
from gateway.store.tables import attempt, queue_item
from tests.work import state_of, work_off

NEIGHBOURS = 5


async def read(env, query):
    return await env.store.read(lambda conn: conn.execute(query).all())


async def write(env, work):
    return await env.store.write(work, Point.SWEEP)


async def until_states(env, expected):
    async with asyncio.timeout(30):
        while {one: await state_of(env, one) for one in expected} != expected:
            await asyncio.sleep(0.02)


@pytest.mark.proves("S104")
async def test_never_two_workers(env, intake, sender, monkeypatch):
    """One report hangs while it is opened, in a thread that nobody can stop. The others do not wait for it."""
    monkeypatch.setattr(limits, "NEIGHBOURS_WAIT_S", 0.05)
    hanging, let_go = (await intake.accept(sender.delivery(1))).id, threading.Event()
    others = [(await intake.accept(sender.delivery(number))).id for number in range(2, 2 + NEIGHBOURS)]
    opened = []
    run = Opening.run

    def slow(opening):
        opened.append(opening._row.id)
        if opening._row.id == hanging:
            let_go.wait()
        return run(opening)

    monkeypatch.setattr(Opening, "run", slow)
    try:
        me = await incarnate(env.store)
        async with engine(env, me):
            await until_states(env, dict.fromkeys(others, State.READY))
            assert await state_of(env, hanging) == State.RECEIVED
            for _ in range(3):  # its heartbeat goes on, and no sweep gives it to a second worker
                await sweeper.sweep(env, me)
                assert not await env.store.read(lambda conn: outbox.due(conn, lanes=list(Lane), suspects=True))
            assert opened.count(hanging) == 1
            let_go.set()
            await until_states(env, {hanging: State.READY})  # the control: it was only slow
    finally:
        let_go.set()
    begun = await read(env, select(attempt.c.message_id).where(attempt.c.effect == "open", attempt.c.phase == "begun"))
    assert sorted(row.message_id for row in begun) == sorted([hanging, *others])


@pytest.mark.proves("S104")
async def test_what_kills_its_worker_runs_alone_and_is_quarantined_with_an_alarm(env, intake, sender, monkeypatch):
    """A death is what it leaves: an attempt that began and has no end. The next life takes it up as a start does."""
    poison, neighbour = [(await intake.accept(sender.delivery(number))).id for number in (1, 2)]
    handler, beside = effects.HANDLERS[Effect.OPEN], []

    async def dying(inner, item):
        if item.message_id != poison:
            return await handler(inner, item)
        leased = await read(env, select(queue_item.c.message_id).where(queue_item.c.lease_owner.is_not(None)))
        beside.append([row.message_id for row in leased if row.message_id != poison])
        raise asyncio.CancelledError

    monkeypatch.setitem(effects.HANDLERS, Effect.OPEN, dying)
    first = await write(
        env,
        lambda conn: outbox.claim(conn, owner="life-0", lanes=[Lane.CONCERN], limit=10, lease_s=60, suspects=False),
    )
    assert {item.message_id for item in first} == {poison, neighbour}
    for item in first:  # both were in work when the process died
        await write(env, lambda conn, item=item: outbox.begin(conn, item, env.now()))
    lives = 0
    while await state_of(env, poison) == State.RECEIVED:
        lives += 1
        assert lives <= limits.POISON_DEATHS_MAX_CONCERN + 1
        me = Incarnation(f"life-{lives}")
        await write(env, lambda conn, me=me: sweeper.take_up_orphans(env, conn, owner=me.id))
        await write(env, lambda conn: conn.execute(queue_item.update().values(run_at=0)))  # the back-off is over
        try:
            await run_suspects(env, me)
        except asyncio.CancelledError:
            continue
    assert lives == limits.POISON_DEATHS_MAX_CONCERN + 1
    assert beside == [[]] * len(beside)  # alone: nothing else was leased then
    assert await state_of(env, poison) == State.QUARANTINED
    assert await state_of(env, neighbour) == State.READY
    rung = {(row.code, row.subject) for row in await env.store.read(alarms.open_alarms)}
    assert ("killed-worker", poison) in rung
    assert not [code for code, subject in rung if subject == neighbour]


@pytest.mark.proves("S104")
async def test_control_a_message_that_was_in_work_at_one_death_is_opened_by_the_next_life(env, intake, sender):
    message_id = (await intake.accept(sender.delivery(1))).id
    (item,) = await write(
        env,
        lambda conn: outbox.claim(conn, owner="life-0", lanes=[Lane.CONCERN], limit=1, lease_s=60, suspects=False),
    )
    await write(env, lambda conn: outbox.begin(conn, item, env.now()))
    await write(env, lambda conn: sweeper.take_up_orphans(env, conn, owner="life-1"))
    assert await run_suspects(env, Incarnation("life-1")) == 1
    assert await state_of(env, message_id) == State.READY
    await perform(env, item)  # the dead one's worker wakes up after all, and changes nothing
    await work_off(env)
    assert await state_of(env, message_id) == State.READY
