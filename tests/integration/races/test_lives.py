"""A process dies, stands still, or loses its lock: its work is taken up, and it can no longer hurt the message."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from sqlalchemy import select, text

from gateway.app import engine, incarnate
from gateway.crashpoints import Point
from gateway.domain.lifecycle import Effect, State
from gateway.domain.message_type import Lane
from gateway.pipeline import sweeper
from gateway.pipeline.accept import Intake
from gateway.pipeline.worker import Incarnation, _turn, perform, run_suspects
from gateway.store import consistency, journal, outbox
from gateway.store.tables import attempt, queue_item
from tests.conftest import ROOT
from tests.postgres import SERVICE, server
from tests.work import state_of, work_off

TAKEN_UP_S = 5


class StandingProcess:
    """A real process in the middle of opening a report."""

    def __init__(self, site, settings):
        command = [sys.executable, "-m", "tests.integration.races.standing_process", str(site.configuration)]
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | settings | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    async def begun(self) -> int:
        while True:
            word, _, rest = (await self.line()).partition(" ")
            if word == "begun":
                return int(rest)

    async def line(self) -> str:
        return (await asyncio.to_thread(self.process.stdout.readline)).strip()

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def go_on(self) -> str:
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        while True:
            line = await self.line()
            if not line.startswith(("20", "{")):
                return line

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def standing(race_site, configuration):
    settings = {
        "BUDSTIKKE__DATA_DIR": str(configuration.settings.data_dir),
        "BUDSTIKKE__STORE__URL": configuration.settings.store.url,
        "BUDSTIKKE__STORE__PASSWORD": str(configuration.settings.store.password),
        "BUDSTIKKE__ENGINE__LEASE_S": str(configuration.settings.engine.lease_s),
    }
    made = []

    def start():
        made.append(StandingProcess(race_site, settings))
        return made[-1]

    yield start
    for process in made:
        process.end()


async def until(condition, timeout_s=20.0):
    async with asyncio.timeout(timeout_s):
        while not (found := await condition()):
            await asyncio.sleep(0.02)
    return found


async def openings(env, message_id) -> int:
    rows = await env.store.read(lambda conn: journal.of_message(conn, message_id))
    return [row.event for row in rows].count("opened")


async def test_work_of_a_killed_process_is_taken_up_within_five_seconds_and_done_once(env, sender, standing):
    accepted = await Intake(env).accept(sender.delivery())
    process = standing()
    await process.begun()
    await lengthen_leases(env)
    async with engine(env, await incarnate(env.store)):
        process.send(signal.SIGKILL)
        killed = time.monotonic()

        async def ready():
            return await state_of(env, accepted.id) == State.READY

        await until(ready)
        assert time.monotonic() - killed < TAKEN_UP_S
    assert await openings(env, accepted.id) == 1
    assert await env.store.read(consistency.faults) == []


async def test_a_host_that_vanishes_without_a_word_loses_its_work_by_time_and_cannot_write_when_it_comes_back(
    env, sender, standing
):
    accepted = await Intake(env).accept(sender.delivery())
    process = standing()
    item_id = await process.begun()
    process.send(signal.SIGSTOP)
    mine = await incarnate(env.store)
    memory = await sweeper.remember(env)

    async def freed():
        await sweeper.sweep(env, mine, memory)
        owner = select(queue_item.c.lease_owner, queue_item.c.suspect).where(queue_item.c.id == item_id)
        row = (await env.store.read(lambda conn: conn.execute(owner).all()))[0]
        return row.lease_owner is None and row.suspect == 1

    await until(freed)
    assert await env.store.read(consistency.faults) == []
    locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
    assert await env.store.read(lambda conn: conn.execute(text(locks)).scalar_one()) >= 2, "its lock is still there"
    assert await run_suspects(env, mine) == 1
    await work_off(env)
    assert await state_of(env, accepted.id) == State.READY
    process.send(signal.SIGCONT)
    assert await process.go_on() == "lease-lost"
    assert await openings(env, accepted.id) == 1
    assert await env.store.read(consistency.faults) == []


@pytest.fixture
def no_new_connections():
    """Lets nobody log in until the test ends, or says so."""
    role = server()

    def allow(word: str) -> None:
        role.sql(f"ALTER ROLE {SERVICE} {word}")

    yield allow
    allow("LOGIN")


async def test_a_process_that_loses_its_lock_begins_nothing_until_it_lives_again(env, sender, no_new_connections):
    await Intake(env).accept(sender.delivery())
    mine = await incarnate(env.store)
    first_life = mine.id
    await env.store.read(lambda conn: None)  # so that connections for reading and writing are open already
    no_new_connections("NOLOGIN")
    await lose_lock(env, mine)
    assert await _turn(env, mine, [Lane.CONCERN], suspects=False) == 0
    assert await attempts(env) == []
    no_new_connections("LOGIN")
    await until_true(mine.alive)
    assert mine.id != first_life
    assert await _turn(env, mine, [Lane.CONCERN], suspects=False) == 1
    assert {row.owner for row in await attempts(env)} == {mine.id}
    assert await env.store.read(consistency.faults) == []


async def test_a_process_that_loses_its_lock_in_the_middle_of_a_call_cannot_settle_it(pair, env, sender):
    accepted = await Intake(env).accept(sender.delivery())
    mine, other = await incarnate(env.store), await incarnate(pair[1].store)
    called, go = asyncio.Event(), asyncio.Event()

    class Calling:
        """The real store, but the outcome waits for an outside call to return."""

        async def write(self, work, point, lane=Lane.ORDINARY):
            if point is Point.OPENED:
                called.set()
                await go.wait()
            return await env.store.write(work, point, lane)

        def for_tenants(self, _tenants):
            return self

        def __getattr__(self, name):
            return getattr(env.store, name)

    turn = asyncio.create_task(_turn(replace(env, store=Calling()), mine, [Lane.CONCERN], suspects=False))
    await called.wait()
    await lengthen_leases(env)
    await lose_lock(env, mine)
    memory = await sweeper.remember(pair[1])

    async def freed():
        await sweeper.sweep(pair[1], other, memory)
        return await env.store.read(lambda conn: outbox.due(conn, lanes=[Lane.CONCERN.value], suspects=True))

    await until(freed)
    assert await run_suspects(pair[1], other) == 1
    assert await state_of(env, accepted.id) == State.READY
    go.set()
    await turn
    assert await openings(env, accepted.id) == 1
    assert await env.store.read(consistency.faults) == []


async def lengthen_leases(env):
    """Leases that end in an hour: then only the lock can tell."""
    late = queue_item.update().values(lease_until=queue_item.c.lease_until + 3_600_000_000)
    await env.store.write(lambda conn: conn.execute(late), Point.SWEEP)


async def lose_lock(env, mine):
    life = mine.id
    query = text("SELECT lock_key FROM incarnation WHERE id = :id")
    key = await env.store.read(lambda conn: conn.execute(query, {"id": mine.id}).scalar_one())
    condition = f"locktype = 'advisory' AND (classid::bigint << 32) | objid::bigint = {key}"
    cut = f"SELECT pg_terminate_backend(pid) FROM pg_locks WHERE {condition}"  # noqa: S608  a number of ours
    assert await asyncio.to_thread(server().sql, cut) == "t"
    await until_true(lambda: not mine.alive() or mine.id != life)


async def until_true(condition):
    async def asked():
        return condition()

    await until(asked)


async def attempts(env):
    return await env.store.read(lambda conn: conn.execute(select(attempt)).all())


async def test_a_life_is_over_only_when_its_lock_is_gone_in_two_sweeps_in_a_row(pair, env, sender):
    await Intake(env).accept(sender.delivery())
    other, mine = await incarnate(pair[1].store), await incarnate(env.store)

    def claim(conn):
        return outbox.claim(conn, owner=other.id, lanes=[Lane.CONCERN.value], limit=1, lease_s=3600, suspects=False)

    [item] = await env.store.write(claim, Point.CLAIM_WORK)
    await env.store.write(lambda conn: outbox.begin(conn, item, env.now()), Point.BEGIN_ATTEMPT)
    memory = await sweeper.remember(env)
    owner = select(queue_item.c.lease_owner)
    for _ in range(3):
        await sweeper.sweep(env, mine, memory)
    assert await env.store.read(lambda conn: conn.execute(owner).scalar_one()) == other.id
    await pair[1].store.presence.close()
    # Closed in order, a life ends itself: make it look like one that could not.
    alive = "UPDATE incarnation SET ended_at = NULL"
    await env.store.write(lambda conn: conn.execute(text(alive)), Point.SWEEP)
    await sweeper.sweep(env, mine, memory)
    assert await env.store.read(lambda conn: conn.execute(owner).scalar_one()) == other.id
    await sweeper.sweep(env, mine, memory)
    assert await env.store.read(lambda conn: conn.execute(owner).scalar_one()) is None
    assert await env.store.read(lambda conn: conn.execute(select(queue_item.c.suspect)).scalar_one()) == 1


async def test_what_was_only_claimed_by_the_dead_is_innocent(pair, env, sender):
    for number in range(3):
        await Intake(env).accept(sender.delivery(number))

    def claim(conn):
        return outbox.claim(conn, owner="gone", lanes=[Lane.CONCERN.value], limit=3, lease_s=-1, suspects=False)

    items = await env.store.write(claim, Point.CLAIM_WORK)
    await env.store.write(lambda conn: outbox.begin(conn, items[0], env.now()), Point.BEGIN_ATTEMPT)
    await sweeper.sweep(env, Incarnation("me"))
    rows = await env.store.read(
        lambda conn: conn.execute(select(queue_item.c.suspect).order_by(queue_item.c.id)).scalars().all()
    )
    assert list(rows) == [1, 0, 0]


async def test_a_claim_whose_commit_nobody_knows_lapses_though_the_process_lives(env, sender):
    accepted = await Intake(env).accept(sender.delivery())
    mine = await incarnate(env.store)

    def claim(conn):
        return outbox.claim(conn, owner=mine.id, lanes=[Lane.CONCERN.value], limit=1, lease_s=1, suspects=False)

    await env.store.write(claim, Point.CLAIM_WORK)  # its answer is lost: the process does not know of its lease
    async with engine(env, mine):

        async def ready():
            return await state_of(env, accepted.id) == State.READY

        await until(ready)


async def test_a_heartbeat_keeps_the_lease_of_what_is_really_in_work(pair, env, sender):
    await Intake(env).accept(sender.delivery())
    mine = await incarnate(env.store)

    def claim(conn):
        return outbox.claim(conn, owner=mine.id, lanes=[Lane.CONCERN.value], limit=1, lease_s=1, suspects=False)

    [item] = await env.store.write(claim, Point.CLAIM_WORK)
    mine.working.add(item.id)
    memory = await sweeper.remember(env)
    until_s = time.monotonic() + 2.5
    while time.monotonic() < until_s:
        await sweeper.sweep(env, mine, memory)
        await asyncio.sleep(0.1)
    await perform(env, item)
    ended = select(attempt.c.code).where(attempt.c.phase == "ended", attempt.c.effect == "open")
    assert await env.store.read(lambda conn: conn.execute(ended).scalars().all()) == ["opened"]


async def test_a_commit_that_leaves_work_wakes_the_other_gateway(pair):
    for one in pair:
        await incarnate(one.store)
    waiting = pair[1].store.watch(Lane.CONCERN)

    def owe(conn):
        work = {"message_id": "x", "effect": Effect.OPEN, "generation": 1, "lane": Lane.CONCERN}
        outbox.enqueue(conn, tenant="4601-02", partner=outbox.GATEWAY, **work)

    await pair[0].store.write(owe, Point.ACCEPT)
    async with asyncio.timeout(0.9):  # sooner than any poll
        await waiting.wait()
