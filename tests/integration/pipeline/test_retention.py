"""Content that goes: by policy and by two people, everywhere it lay, and nothing else with it."""

import shutil
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from gateway import config
from gateway.domain.lifecycle import State
from gateway.domain.retention import RetentionPolicy
from gateway.errors import ConfigError, ConflictError, MalformedRequestError, UnknownResourceError
from gateway.pipeline import hourly, retention
from gateway.pipeline.people import Decision, decide
from gateway.store import alarms, consistency, journal, messages, payloads
from gateway.store.tables import document, payload, payload_key
from tests.work import state_of, work_off

POLICY = (("bekymringsmelding.offentlig", RetentionPolicy(40)),)


class Later:
    """The clock, some days on."""

    def __init__(self, clock, days):
        self.now = lambda: clock.now() + timedelta(days=days)
        self.monotonic, self.sleep = clock.monotonic, clock.sleep


def after(env, days, policy=POLICY):
    return replace(env, clock=Later(env.clock, days), retention=policy)


@pytest.fixture
async def report(env, intake, sender):
    """A confirmed report whose sender knows."""
    accepted = await intake.accept(sender.delivery(1))
    await work_off(env)
    await decide(env, accepted.id, Decision("confirm", "kari", "on paper", "2026/1"))
    await work_off(env)
    assert await state_of(env, accepted.id) == State.RECEIPTED
    return accepted.id


async def left(env, message_id):
    """How many rows with content there are."""

    def count(conn):
        tables = (payload_key, payload, document)
        return [len(conn.execute(select(table).where(table.c.message_id == message_id)).all()) for table in tables]

    return await env.store.read(count)


async def test_content_goes_when_the_policy_s_days_are_over_and_not_a_day_before(env, report):
    files = [file for file in env.vault.folder.root.rglob("*") if file.is_file()]
    assert await retention.purge(after(env, 39)) == 0
    assert all(await left(env, report))
    assert await retention.purge(after(env, 41)) == 1
    assert await left(env, report) == [0, 0, 0]
    assert not [file for file in files if file.exists()]
    assert await retention.purge(after(env, 41)) == 0


async def test_what_is_proven_of_a_shredded_message_stays(env, report):
    before = await env.store.read(lambda conn: journal.of_message(conn, report))
    await retention.purge(after(env, 41))
    entries = await env.store.read(lambda conn: journal.of_message(conn, report))
    assert entries[:-1] == before
    assert '"code":"retention-policy"' in entries[-1].entry
    assert '"days":40' in entries[-1].entry
    assert await env.store.read(consistency.faults) == []
    assert [row.status for row in await env.store.read(lambda conn: messages.all_history(conn, report))]


async def test_without_a_policy_nothing_goes(env, report):
    assert await retention.purge(after(env, 4000, ())) == 0
    assert await retention.purge(after(env, 4000, (("bekymringsmelding.privat", RetentionPolicy(30)),))) == 0


async def test_an_unfinished_and_a_refused_concern_report_are_kept_for_ever(env, intake, sender):
    waiting = await intake.accept(sender.delivery(1))
    refused = await intake.accept(sender.delivery(2))
    await work_off(env)
    await decide(env, refused.id, Decision("hold", "kari", "odd"))
    await decide(env, refused.id, Decision("refuse", "kari", "not for us"))
    await work_off(env)
    assert await retention.purge(after(env, 4000)) == 0
    for message_id in (waiting.id, refused.id):
        with pytest.raises(ConflictError):
            await retention.shred(after(env, 4000), message_id, ("kari", "ola"), "2026/9")
        assert all(await left(env, message_id))


@pytest.mark.proves("S94")
async def test_two_people_may_shred_before_the_policy_but_not_before_thirty_days(env, report):
    with pytest.raises(ConflictError):
        await retention.shred(after(env, 29), report, ("kari", "ola"), "2026/9")
    for people, reason in (
        (("kari", "kari"), "why"),
        (("kari", ""), "why"),
        (("kari",), "why"),
        (("kari", "ola"), " "),
    ):
        with pytest.raises(MalformedRequestError):
            await retention.shred(after(env, 31), report, people, reason)
    await retention.shred(after(env, 31), report, ("kari", "ola"), "2026/9")
    assert await left(env, report) == [0, 0, 0]
    last = (await env.store.read(lambda conn: journal.of_message(conn, report)))[-1].entry
    assert '"actor":"kari"' in last
    assert '"second":"ola"' in last
    assert '"decision":"2026/9"' in last
    with pytest.raises(UnknownResourceError):
        await retention.shred(after(env, 31), report, ("kari", "ola"), "2026/9")


async def test_a_configured_policy_needs_two_people_and_a_reason(pki_site, tmp_path):
    folder = tmp_path / "config"
    shutil.copytree(pki_site.folder, folder)
    file = folder / "oppbevaring.toml"
    types = '[typer]\n"bekymringsmelding.offentlig" = { dager = 30 }\n'
    for head in ("", 'besluttet_av = ["kari", "kari"]\nbegrunnelse = "x"\n', 'besluttet_av = ["kari", "ola"]\n'):
        file.write_text(head + types)
        with pytest.raises(ConfigError, match="two different people"):
            config.load(folder / "gateway.toml")
    file.write_text('besluttet_av = ["kari", "ola"]\nbegrunnelse = "sak 1"\n' + types)
    assert config.load(folder / "gateway.toml").oppbevaring.typer["bekymringsmelding.offentlig"].dager == 30


async def test_once_an_hour_what_is_over_goes_and_the_balance_is_judged(env, report, administrator):
    administrator("DELETE FROM confirmation")
    await hourly.once(after(env, 0))
    assert "balance-differs" in {row.code for row in await env.store.read(alarms.open_alarms)}
    assert all(await left(env, report)), "without its confirmation a report is kept"


async def test_what_is_over_goes_within_the_hour(env, report):
    await hourly.once(after(env, 41))
    assert await left(env, report) == [0, 0, 0]


@pytest.mark.proves("S89")
@pytest.mark.parametrize("env", ["sqlite"], indirect=True)
async def test_the_octets_of_a_shredded_key_are_in_no_file_of_the_database(env, report):
    folder = env.vault.folder.root.parent
    wrapped = (await env.store.read(lambda conn: payloads.find_key(conn, report))).wrapped

    def found():
        return [file.name for file in folder.iterdir() if file.is_file() and wrapped in file.read_bytes()]

    assert found()  # the control: until it is shredded it is there
    await retention.purge(after(env, 41))
    assert found() == []
