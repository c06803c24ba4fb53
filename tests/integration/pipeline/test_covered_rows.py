"""Each row with evidence is in an entry of its own unit of work, on both stores; and what an administrator edits is found."""

import json

import pytest
from sqlalchemy import func, select

from gateway import config
from gateway.app import environment
from gateway.crashpoints import Point
from gateway.domain.retention import RetentionPolicy
from gateway.errors import ConflictError
from gateway.pipeline import retention, upkeep
from gateway.pipeline.content_check import content_steps
from gateway.pipeline.findings import run_live
from gateway.pipeline.people import Decision, decide
from gateway.pipeline.row_check import evidence_steps
from gateway.store import alarms, journal, messages
from gateway.store.alarms import AlarmCode
from gateway.store.tables import attempt, leaf, leaf_pending, message
from tests.integration.pipeline.test_retention import after
from tests.integration.store.test_old_rows import RECORDED, sqlite_of
from tests.vectors.record_rows import site_with_known_keys
from tests.work import work_off


async def checked(env):
    """What a check of everything finds, on the live store."""
    steps = [*evidence_steps(env.heads.signer), *content_steps(env.vault)]
    return [str(finding) for finding in (await run_live(env.store, steps)).findings]


@pytest.fixture
async def report(env, intake, sender):
    """A report that was confirmed by hand and receipted."""
    accepted = await intake.accept(sender.delivery(1))
    await work_off(env)
    await decide(env, accepted.id, Decision("confirm", "kari", "on paper", "2026/1"))
    await work_off(env)
    return accepted.id


async def numbered(env):
    while await env.store.write(journal.number_pending, Point.NUMBER):
        pass
    await env.heads.publish(env.store, env.now())


async def test_a_live_store_is_as_it_was_told_numbered_or_not_and_after_shredding(env, report):
    assert await checked(env) == []
    await numbered(env)
    assert await checked(env) == []
    policy = (("bekymringsmelding.offentlig", RetentionPolicy(40)),)
    assert await retention.purge(after(env, 41, policy)) == 1
    assert await checked(env) == []


@pytest.mark.proves("S95")
@pytest.mark.parametrize(
    ("edit", "found"),
    [
        ("UPDATE receipt SET value = 'refused' WHERE kind = 'application'", "changed: receipt"),
        ("UPDATE confirmation SET actor = 'ola'", "changed: confirmation"),
        ("DELETE FROM history WHERE status = 'LEVERT'", "missing: history"),
        ("UPDATE payload SET record = substr(record, 1, length(record) - 1) WHERE file IS NULL", "changed: payload"),
        ("UPDATE message SET sender = 'somebody else'", "changed: message"),
        (
            "UPDATE journal SET entry = replace(entry, 'kari', 'olga') WHERE event = 'person-confirmed'",
            "changed: journal",
        ),
    ],
    ids=str,
)
async def test_an_edit_is_found_on_each_store(env, report, administrator, edit, found):
    await numbered(env)
    administrator(edit)
    lines = await checked(env)
    assert lines
    assert {" ".join(line.split(" ")[:2]).rstrip(":") for line in lines} == {found}


async def test_a_row_that_no_entry_tells_of_is_not_kept(env, report):
    def silent(conn):
        messages.add_history(conn, "4601-02", report, "SENDT_PRINT", 1)

    with pytest.raises(RuntimeError, match="no entry of the unit tells of a row of history"):
        await env.store.write(silent, Point.PERSON)
    assert await checked(env) == []


async def test_what_an_undone_unit_noted_is_in_no_later_entry(env, report):
    def undone(conn):
        messages.add_history(conn, "4601-02", report, "SENDT_PRINT", 1)
        journal.write(conn, journal.Entry(journal.WARNED, "4601-02", 1, "x", report))
        detail = "not now"
        raise ConflictError(detail)

    def kept(conn):
        journal.write(conn, journal.Entry(journal.LATE, "4601-02", 1, "x", report))

    with pytest.raises(ConflictError):
        await env.store.write(undone, Point.PERSON)
    await env.store.write(kept, Point.PERSON)
    last = (await env.store.read(lambda conn: journal.of_message(conn, report)))[-1]
    assert (last.event, json.loads(last.entry)["commit"]) == (journal.LATE, {})
    assert await checked(env) == []


async def test_an_attempt_is_told_by_the_entry_of_what_came_of_it_and_else_by_one_of_its_own(env, report):
    entries = await env.store.read(lambda conn: journal.of_message(conn, report))
    ended = [entry for entry in entries if entry.event == journal.ATTEMPT_ENDED]
    assert [json.loads(entry.entry)["refs"]["effect"] for entry in ended] == ["ring"]
    attempts = await env.store.read(lambda conn: conn.execute(select(func.count()).select_from(attempt)).scalar_one())
    told = [name for entry in entries for name in json.loads(entry.entry)["commit"] if name.startswith("row:attempt:")]
    assert len(told) == attempts


@pytest.mark.proves("S95")
async def test_an_entry_whose_place_in_the_line_was_deleted_is_numbered_all_the_same_and_rings(
    env, report, administrator
):
    administrator("DELETE FROM leaf_pending WHERE journal_id IN (SELECT max(journal_id) FROM leaf_pending)")
    assert await upkeep.mend_numbering(env) == 1
    assert await upkeep.mend_numbering(env) == 0
    await numbered(env)

    def left(conn):
        entries = conn.execute(select(func.count()).select_from(journal.journal)).scalar_one()
        leaves = conn.execute(select(func.count()).select_from(leaf)).scalar_one()
        return entries - leaves, conn.execute(select(leaf_pending)).all()

    assert await env.store.read(left) == (0, [])
    assert await env.store.read(lambda conn: alarms.open_subjects(conn, AlarmCode.STATE_REPAIRED)) == {"log"}
    assert await checked(env) == []


async def test_nothing_vouches_for_rows_of_messages_from_before_and_they_are_counted(tmp_path):
    settings = await sqlite_of(tmp_path, "0002", json.loads(RECORDED["0002"].read_text()))
    site = site_with_known_keys(tmp_path / "site")
    async with environment(config.load(site.configuration, settings)) as env:
        outcome = await run_live(env.store, evidence_steps(env.heads.signer))
        assert list(map(str, outcome.findings)) == []
        assert 0 < outcome.counts["uncovered"] < outcome.counts["rows"]


async def test_a_message_that_was_put_in_is_no_message_from_before(env, report, administrator):
    columns = [column.name for column in message.c]
    chosen = ", ".join(
        {"id": "'0198f0a0-1111-7222-8333-444455556666'", "row_salt": "NULL"}.get(name, name) for name in columns
    )
    administrator(f"INSERT INTO message ({', '.join(columns)}) SELECT {chosen} FROM message")  # noqa: S608  our own names
    assert await checked(env) == [
        "added: message id=0198f0a0-1111-7222-8333-444455556666: of message 0198f0a0-1111-7222-8333-444455556666"
    ]
