"""What the store on PostgreSQL answers when the server, the connection or the disk lets it down."""

import asyncio
import signal

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.util import await_only

from gateway.crashpoints import Point
from gateway.domain.message_type import Lane
from gateway.errors import CommitUnknownError, ConflictError, StoreError
from gateway.store import driver_errors, journal
from gateway.store.postgres import PostgresStore
from gateway.store.tables import journal as journal_table
from tests.integration.store.proxy import Cut, Relay
from tests.postgres import mortal_server


def entry(number):
    return journal.Entry(journal.ARRIVED, "4601-02", number, "x")


def write(store, number, lane=Lane.ORDINARY):
    return store.write(lambda conn: journal.write(conn, entry(number)), Point.ACCEPT, lane)


async def kept(store) -> set[int]:
    return set(await store.read(lambda conn: conn.execute(select(journal_table.c.at)).scalars().all()))


@pytest.fixture
async def pg(postgres, database):
    store = PostgresStore(postgres.url(database), timeout_s=3)
    yield store
    await store.close()


@pytest.fixture
def mortal():
    with mortal_server() as found:
        yield found


@pytest.fixture
async def on_mortal(mortal):
    """A store on a server that the test may crash."""
    store = PostgresStore(mortal.url(mortal.database()), timeout_s=3)
    yield store
    await store.close()


@pytest.fixture
async def relayed(postgres, database, tmp_path_factory):
    """A store behind a relay, and the relay."""
    folder = tmp_path_factory.mktemp("relay")
    url = postgres.url(database).update_query_dict({"host": str(folder)})
    async with Relay(folder, postgres.folder) as relay:
        store = PostgresStore(url, timeout_s=3)
        yield store, relay
        await store.close()


@pytest.mark.parametrize(("cut", "there"), [(Cut.UNSEEN, False), (Cut.ANSWERED, True)])
async def test_a_connection_cut_in_commit_is_said_to_be_unknown_and_nothing_is_run_again(relayed, pg, cut, there):
    store, relay = relayed
    runs = []

    def work(conn):
        runs.append(1)
        return journal.write(conn, entry(1))

    await kept(store)
    relay.cut = cut
    with pytest.raises(CommitUnknownError):
        await store.write(work, Point.ACCEPT)
    assert relay.cuts == 1
    assert runs == [1]
    assert (1 in await kept(pg)) == there
    await write(store, 2)  # the store is of use at once
    assert 2 in await kept(pg)


async def test_a_connection_lost_before_commit_keeps_nothing_and_says_so(pg, postgres):
    def work(conn):
        journal.write(conn, entry(1))
        pid = conn.execute(text("SELECT pg_backend_pid()")).scalar_one()
        await_only(asyncio.to_thread(postgres.sql, f"SELECT pg_terminate_backend({pid})"))
        journal.write(conn, entry(2))

    with pytest.raises(StoreError) as caught:
        await pg.write(work, Point.ACCEPT)
    assert not isinstance(caught.value, CommitUnknownError)
    assert await kept(pg) == set()


async def test_a_transaction_that_failed_inside_is_never_taken_for_committed(pg):
    """PostgreSQL answers COMMIT with ROLLBACK then, and no error."""

    def work(conn):
        journal.write(conn, entry(1))
        try:
            conn.execute(text("SELECT 1 / 0"))
        except driver_errors.ANY:
            return "swallowed"

    with pytest.raises(StoreError):
        await pg.write(work, Point.ACCEPT)
    assert await kept(pg) == set()


async def test_a_unit_that_raises_is_undone_alone(pg):
    def bad(conn):
        journal.write(conn, entry(1))
        raise ConflictError("no")

    with pytest.raises(ConflictError):
        await pg.write(bad, Point.ACCEPT)
    await write(pg, 2)
    assert await kept(pg) == {2}


async def test_two_units_that_lock_each_other_out_are_both_done(pg):
    await write(pg, 1)
    meeting = asyncio.Barrier(2)
    runs = []

    def crossing(first, second):
        def work(conn):
            runs.append(first)
            lock = text("SELECT pg_advisory_xact_lock(:key)")
            conn.execute(lock, {"key": first})
            if len(runs) <= 2:
                await_only(meeting.wait())
            conn.execute(lock, {"key": second})
            return journal.write(conn, entry(10 + first))

        return pg.write(work, Point.ACCEPT)

    await asyncio.gather(crossing(1, 2), crossing(2, 1))
    assert len(runs) > 2, "there was no deadlock"
    assert await kept(pg) == {1, 11, 12}


@pytest.mark.proves("promise-8")
async def test_concern_reports_have_a_connection_that_other_lanes_cannot_take(pg):
    go, begun = asyncio.Event(), []

    def waiting(conn):
        begun.append(1)
        await_only(go.wait())

    others = [asyncio.create_task(pg.write(waiting, Point.ACCEPT)) for _ in range(20)]
    async with asyncio.timeout(2.5):
        await write(pg, 1, Lane.CONCERN)
    assert len(begun) < 20
    go.set()
    await asyncio.gather(*others)


async def test_a_server_that_is_gone_for_a_while_costs_an_honest_answer_and_no_more(on_mortal, mortal):
    await write(on_mortal, 1)
    lives = []
    await on_mortal.presence.begin(lives.append)
    first = on_mortal.presence.id
    mortal.stop(signal.SIGQUIT)  # as a crash: nothing is written in order
    try:
        with pytest.raises(StoreError):
            await write(on_mortal, 2)
        with pytest.raises(StoreError):
            await kept(on_mortal)
        assert not on_mortal.presence.alive()
    finally:
        await asyncio.to_thread(mortal.start)
    await write(on_mortal, 3)  # at once, though every pooled connection was lost
    assert await kept(on_mortal) == {1, 3}
    async with asyncio.timeout(10):
        while not on_mortal.presence.alive():
            await asyncio.sleep(0.02)
    assert lives == [on_mortal.presence.id]
    assert on_mortal.presence.id != first


async def test_what_was_acknowledged_survives_a_crash_of_the_server(on_mortal, mortal):
    acknowledged = set()

    async def busy(start):
        for number in range(start, start + 1000):
            try:
                await write(on_mortal, number)
            except StoreError:
                return
            acknowledged.add(number)

    writers = [asyncio.create_task(busy(start)) for start in range(0, 8000, 1000)]
    while len(acknowledged) < 50:
        await asyncio.sleep(0.01)
    await asyncio.to_thread(mortal.stop, signal.SIGQUIT)
    await asyncio.gather(*writers)
    await asyncio.to_thread(mortal.start)
    assert acknowledged <= await kept(on_mortal)


async def test_a_caller_that_goes_away_takes_nothing_back(pg):
    go = asyncio.Event()

    def work(conn):
        await_only(go.wait())
        return journal.write(conn, entry(1))

    caller = asyncio.create_task(pg.write(work, Point.ACCEPT))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    go.set()
    await pg.close()
    again = PostgresStore(pg._readers.url, timeout_s=3)
    assert await kept(again) == {1}
    await again.close()


async def test_a_read_sees_one_moment(pg):
    counted = select(func.count()).select_from(journal_table)

    def twice(conn):
        before = conn.execute(counted).scalar_one()
        await_only(write(pg, 1))
        return before, conn.execute(counted).scalar_one()

    assert await pg.read(twice) == (0, 0)
    assert await kept(pg) == {1}
