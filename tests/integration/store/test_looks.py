"""Who is woken by a commit, and that no look-up walks a table."""

import pytest
from sqlalchemy import event, text

from gateway.crashpoints import Point
from gateway.domain.lifecycle import Effect
from gateway.domain.message_type import Lane
from gateway.pipeline import sweeper
from gateway.store import journal, outbox
from gateway.store.database import insert_new
from gateway.store.tables import history, metadata

ROAD = "svarut"
QUEUES = (Lane.CONCERN, Lane.ORDINARY, outbox.SUSPECTS, ROAD)
MESSAGE = "01920000-0000-7000-8000-000000000001"
NEVER_BY_MESSAGE = {"dedupe", "idempotency", "taking"}


def owe(effect, partner, message_id=MESSAGE):
    def work(conn):
        of = {"message_id": message_id, "generation": 1, "lane": Lane.CONCERN}
        outbox.enqueue(conn, tenant="4601-02", effect=effect, partner=partner, **of)

    return work


async def woken_by(store, work):
    waiting = {queue: store.watch(queue) for queue in QUEUES}
    await store.write(work, Point.ACCEPT)
    return {queue for queue, event in waiting.items() if event.is_set()}


async def test_a_commit_that_leaves_no_work_wakes_nobody(store):
    entry = journal.Entry(journal.ARRIVED, "4601-02", 1, "x")
    assert await woken_by(store, lambda conn: journal.write(conn, entry)) == set()


@pytest.mark.parametrize(
    ("effect", "partner", "woken"), [(Effect.OPEN, outbox.GATEWAY, Lane.CONCERN), (Effect.SEND, ROAD, ROAD)]
)
async def test_owed_work_wakes_who_does_it_and_nobody_else(store, effect, partner, woken):
    assert await woken_by(store, owe(effect, partner)) == {woken}


async def test_owing_the_same_twice_wakes_once(store):
    assert await woken_by(store, owe(Effect.OPEN, outbox.GATEWAY)) == {Lane.CONCERN}
    assert await woken_by(store, owe(Effect.OPEN, outbox.GATEWAY)) == set()


async def test_an_insert_that_may_repeat_says_whether_the_row_is_new(store):
    row = {"tenant": "4601-02", "message_id": MESSAGE, "status": "AKSEPTERT", "at": 1}

    def insert(conn):
        return insert_new(conn, history, row, ["message_id", "tenant", "status"])

    assert [await store.write(insert, Point.ACCEPT) for _ in range(2)] == [True, False]


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
async def test_no_look_up_by_message_walks_a_table(store):
    tables = [table.name for table in metadata.sorted_tables if "message_id" in table.c]
    for name in sorted(set(tables) - NEVER_BY_MESSAGE):
        query = text(f"EXPLAIN QUERY PLAN SELECT * FROM {name} WHERE message_id = 'x'")  # noqa: S608  our own names
        plan = [row.detail for row in await store.read(lambda conn, query=query: conn.execute(query).all())]
        assert all(step.startswith("SEARCH") for step in plan), (name, plan)


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
async def test_the_sweeper_finds_what_rests_without_walking_all_messages(store):
    def plan(conn):
        compiled = sweeper._RESTING.compile(conn)
        values = compiled.construct_params({"state": "READY", "level": 1, "before": 5})
        ordered = tuple(values[name] for name in compiled.positiontup)
        return [row.detail for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled.string}", ordered)]

    assert [step.partition("(")[0].split("USING")[1].strip() for step in await store.read(plan)] == [
        "INDEX ix_state_rest"
    ]


async def steps_of(store, work):
    """What SQLite does for each question that a unit of work asks."""

    def explained(conn):
        asked = []

        def note(_conn, _cursor, statement, parameters, _context, _many):
            if statement.startswith("SELECT"):
                asked.append((statement, parameters))

        event.listen(conn, "before_cursor_execute", note)
        try:
            work(conn)
        finally:
            event.remove(conn, "before_cursor_execute", note)
        return [row.detail for one in asked for row in conn.exec_driver_sql("EXPLAIN QUERY PLAN " + one[0], one[1])]

    return await store.write(explained, Point.ADMIN)


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
async def test_numbering_reads_what_is_to_be_numbered_and_not_the_whole_log(store):
    for at in range(3):
        entry = journal.Entry(journal.ARRIVED, "4601-02", at, "x")
        await store.write(lambda conn, entry=entry: journal.write(conn, entry), Point.ACCEPT)
    steps = await steps_of(store, journal.number_pending)
    assert any(step.startswith("SEARCH journal") for step in steps)
    assert not any(step.startswith(("SCAN journal", "SCAN leaf ")) for step in steps), steps


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "question", [{"suspects": True}, *({"suspects": False, "only_partner": one} for one in QUEUES)]
)
async def test_a_look_for_work_reads_no_work_of_others(store, question):
    steps = await steps_of(store, lambda conn: outbox.due(conn, lanes=[Lane.ORDINARY], **question))
    index = "ix_queue_suspect (lane=?" if question["suspects"] else "ix_queue_partner (partner=? AND lane=?"
    assert [step for step in steps if "queue_item" in step] == [f"SEARCH queue_item USING INDEX {index} AND run_at<?)"]
