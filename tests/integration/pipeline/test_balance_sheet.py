"""The balance sheet: per account and day, beside what the platform says, and held against the portal's own list."""

import asyncio
import csv
import io
import json
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.event import listen

from gateway import cli
from gateway.config import Reconcile
from gateway.domain.deadlines import OSLO
from gateway.errors import MalformedRequestError, TooLargeError
from gateway.pipeline import balance, hand_over
from gateway.pipeline.accept import Intake
from gateway.pipeline.certificate import certify
from gateway.pipeline.people import Decision, decide
from gateway.pipeline.portal_list import read_list
from gateway.pipeline.reconcile import readings, reconcile
from gateway.pipeline.road_watch import take
from gateway.spi import Address, Figures
from gateway.store import accounts, alarms, journal, ledger, messages
from gateway.store.alarms import AlarmCode
from gateway.store.tables import metadata
from tests.integration.pipeline.test_fetched_roads import as_fiks
from tests.work import work_off

SQLITE = pytest.mark.parametrize("env", ["sqlite"], indirect=True)
NAME = "Kari Nordmann"


def ids(number):
    """The portal's and Fiks IO's id of a report."""
    return f"5f0c1d7e-000{number}-4222-8333-944455566677", f"6f0c1d7e-000{number}-4222-8333-944455566677"


async def deliver(env, sender, number, account="konto-1"):
    report_id, melding_id = ids(number)
    headers = {"bekymringsmelding-id": report_id, "account": account}
    accepted = await Intake(env).accept(
        replace(as_fiks(sender.delivery(number), melding_id, headers=headers), answer_to=None)
    )
    await work_off(env)
    return accepted.id


@pytest.fixture
def today(env):
    return env.clock.now().astimezone(OSLO).date()


@pytest.fixture
def portal_list(tmp_path):
    """A list as a file, given its lines."""

    def write(*lines, head="bekymringsmelding-id,melding-id,tidspunkt,status", encoding="utf-8"):
        file = tmp_path / "list.csv"
        file.write_text("\n".join([head, *lines]) + "\n", encoding=encoding)
        return file

    return write


async def compare(env, day, file, **columns):
    return await reconcile(env, day, "4601", read_list(file, Reconcile(**columns)), "kari")


async def subjects(env):
    return await env.store.read(lambda conn: alarms.open_subjects(conn, AlarmCode.PORTAL_LIST_DIFFERS))


# --- The sheet ------------------------------------------------------------------------------------------------------


async def test_each_account_says_how_far_its_reports_came(env, sender, client, today):
    for number, account in ((1, "konto-1"), (2, "konto-1"), (3, "konto-2")):
        await deliver(env, sender, number, account)
    [claim] = await hand_over.claim(env, client, 1, 600, ())
    await decide(env, claim.message_id, Decision("confirm", "kari", "prøve", "SAK-1"))
    first, second = await balance.judge(env, today)
    assert (first.account, second.account) == ("konto-1", "konto-2")
    assert first.counts == {
        "received": 2, "stored": 2, "offered": 1, "confirmed": 1, "refused": 0, "duplicate": 0, "waiting": 1,
        "receipted": 0, "difference": 0,
    }  # fmt: skip
    await work_off(env)
    assert [line.receipted for line in await balance.judge(env, today)] == [1, 0]


async def test_the_certificate_has_what_the_platform_said_and_how_long_ago(env, today):
    await take(env, "fiks", Figures(Address("4601", "02"), "konto-1", 3, 1))
    text = (await certify(env, today)).text
    assert "\nplatform 4601-02 fiks konto-1 waiting 3 consumers 1 age 0 s\n" in text


@SQLITE
async def test_no_look_back_walks_a_table(env, today):
    """Nor does an opening that asks who has been registered by hand."""
    tables, low, high = set(metadata.tables), *balance.span(today)

    def plans(conn):
        asked = []
        listen(conn, "before_cursor_execute", lambda _conn, _cursor, text, values, *_: asked.append((text, values)))
        accounts.fates(conn, low, high)
        ledger.lines(conn, low, high)
        ledger.named(conn, ["4601-02"], [NAME, NAME])
        readings(conn, today)
        return [
            row.detail
            for text, values in list(asked)
            for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values)
        ]

    found = await env.store.read(plans)
    assert len(found) > 10
    assert [step for step in found if step.startswith("SCAN") and tables & set(step.split())] == []


# --- The portal's list ------------------------------------------------------------------------------------------------


async def test_a_list_that_fits_rings_nothing_and_stands_in_the_days_certificate(env, sender, today, portal_list):
    await deliver(env, sender, 1)
    at = env.clock.now().isoformat()
    compared = await compare(env, today, portal_list(f"{ids(1)[0]},{ids(1)[1]},{at},LEVERT"))
    assert (compared.fits, compared.listed) == (True, 1)
    assert await subjects(env) == set()
    certificate = await certify(env, today)
    assert certificate.sound
    assert "\nportal-list 4601 listed 1 missing 0 unlisted 0 read " in certificate.text
    assert "portal-list" not in (await certify(env, today - timedelta(days=1))).text


async def test_what_is_on_one_side_alone_is_told_and_rings_until_a_later_list_fits(env, sender, today, portal_list):
    here = await deliver(env, sender, 1)
    compared = await compare(env, today, portal_list(f"{ids(2)[0]},{ids(2)[1]},,SENDT_PRINT"))
    assert [(one.line, one.report_id, one.status) for one in compared.missing] == [(2, ids(2)[0], "SENDT_PRINT")]
    assert [one.message_id for one in compared.unlisted] == [here]
    assert await subjects(env) == {f"{today.isoformat()}/4601"}
    certificate = await certify(env, today)
    assert "listed 1 missing 1 unlisted 1" in certificate.text
    assert not certificate.sound
    assert (await compare(env, today, portal_list(f"{ids(1)[0]},,,LEVERT"))).fits
    assert await subjects(env) == set()
    certificate = await certify(env, today)
    assert "listed 1 missing 0 unlisted 0" in certificate.text
    assert certificate.text.count("portal-list ") == 1  # the newest one alone
    assert certificate.sound


@SQLITE
async def test_an_id_of_either_kind_finds_a_report_whenever_it_arrived(env, sender, today, portal_list):
    await deliver(env, sender, 1)
    await deliver(env, sender, 2)
    tomorrow = today + timedelta(days=1)
    lines = (f"unknown-0001,{ids(1)[1].upper()},,LEVERT", f"{ids(2)[0]},,,LEVERT")
    assert (await compare(env, tomorrow, portal_list(*lines))).fits
    assert (await compare(env, today, portal_list(*lines))).fits


@SQLITE
async def test_lines_of_another_day_are_not_missed_and_still_count_as_listed(env, sender, today, portal_list):
    await deliver(env, sender, 1)
    yesterday = (env.clock.now() - timedelta(days=1)).isoformat()
    file = portal_list(f"{ids(1)[0]},,{yesterday},LEVERT", f"{ids(3)[0]},,{yesterday},LEVERT")
    assert ((await compare(env, today, file)).listed, (await compare(env, today, file)).fits) == (0, True)
    compared = await compare(env, today - timedelta(days=1), file)
    assert [one.report_id for one in compared.missing] == [ids(3)[0]]


@SQLITE
async def test_of_a_list_counts_and_a_keyed_digest_are_kept_and_nothing_else(env, sender, today, portal_list):
    file = portal_list(f"{NAME},{ids(1)[1]},,{NAME}", "01010112345,01010112345,,LEVERT")
    compared = await compare(env, today, file)
    assert (len(compared.missing), NAME in repr(compared), "01010112345" in repr(compared)) == (2, False, False)
    entries = await env.store.read(
        lambda conn: [json.loads(text) for text in conn.exec_driver_sql("SELECT entry FROM journal").scalars()]
    )
    [entry] = [one for one in entries if one["event"] == journal.PORTAL_LIST]
    assert (entry["actor"], entry["refs"]["missing"], len(entry["refs"]["list"])) == ("kari", 2, 32)
    assert ids(1)[1] not in json.dumps(entries)


# --- The list's form ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [";", ",", "\t"])
def test_columns_are_found_by_name_whatever_stands_between_them(portal_list, separator):
    head = separator.join(('"Bekymringsmelding-ID"', "Melder", "tidspunkt", "melding-id"))
    line = separator.join((ids(1)[0], f'"{NAME}{separator}"', "2026-11-20T23:30:00Z", ids(1)[1]))
    [row] = read_list(portal_list(line, "", head="\ufeff" + head), Reconcile()).rows
    assert row.ids == ids(1)
    assert row.at.date().isoformat() == "2026-11-21"  # in Norway
    assert row.status is None


def test_a_list_of_other_names_form_and_letters_is_read_as_configured(portal_list):
    columns = Reconcile(
        report_id="Løpenr", time="Når", time_format="%d.%m.%Y %H:%M", encoding="windows-1252", separator=";"
    )
    file = portal_list(f"{ids(1)[0]};20.11.2026 23:30", head="Løpenr;Når", encoding="windows-1252")
    [row] = read_list(file, columns).rows
    assert (row.report_id, row.at.isoformat()) == (ids(1)[0], "2026-11-20T23:30:00+01:00")


def test_what_is_no_list_is_refused(portal_list, tmp_path, monkeypatch):
    for file in (
        portal_list("x", head="navn;adresse"),
        portal_list('a,"b'),
        portal_list('a,"b"c'),
        portal_list("Kåre", encoding="windows-1252"),
        portal_list("x" * 200_000),
    ):
        with pytest.raises(MalformedRequestError):
            read_list(file, Reconcile())
    empty = tmp_path / "empty"
    empty.touch()
    for file in (empty, tmp_path, tmp_path / "nowhere"):
        with pytest.raises(MalformedRequestError):
            read_list(file, Reconcile())
    monkeypatch.setattr("gateway.limits.PORTAL_LIST_ROWS_MAX", 2)
    with pytest.raises(TooLargeError):
        read_list(portal_list("a", "b", "c"), Reconcile())
    monkeypatch.setattr("gateway.limits.PORTAL_LIST_BYTES_MAX", 10)
    with pytest.raises(TooLargeError):
        read_list(portal_list("a"), Reconcile())


# --- By command -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def says(env, pki_site, monkeypatch):
    """What a command prints, on this test's data folder."""
    monkeypatch.setenv("BUDSTIKKE__DATA_DIR", str(env.vault.folder.root.parent))

    async def run(*arguments, code=0):

        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            ended = await asyncio.to_thread(cli.run, [*arguments, "-c", str(pki_site.configuration)])
        assert ended == code, err.getvalue()
        return out.getvalue()

    return run


@SQLITE
async def test_the_ledger_of_a_day_is_a_table_a_list_and_csv_that_the_portals_list_can_be_held_against(
    env, sender, says, today, tmp_path
):
    first = await deliver(env, sender, 1)
    await decide(env, first, Decision("confirm", "kari", "prøve", "SAK-77"))
    await deliver(env, sender, 2, account="=konto")
    await work_off(env)
    day = ("--day", today.isoformat())
    text = await says("ledger", *day, "--csv")
    one, other = csv.DictReader(io.StringIO(text), delimiter=";")
    assert (one["bekymringsmelding-id"], one["melding-id"], one["konto"]) == (*ids(1), "konto-1")
    assert (one["status"], one["referanse"], bool(one["kvittering"])) == ("RECEIPT_SENT", "ja", True)
    assert (other["status"], other["referanse"], other["kvittering"], other["konto"]) == (
        "VERIFIED",
        "nei",
        "",
        "'=konto",
    )
    assert "SAK-77" not in text
    assert [row["id"] for row in json.loads(await says("ledger", *day, "--json"))] == [one["id"], other["id"]]
    assert ids(2)[0] in await says("ledger", *day)
    assert "nothing came" in await says("ledger")
    file = tmp_path / "ledger.csv"
    file.write_text(text, encoding="utf-8")
    assert "2 listed, 0 not here, 0 here and not listed" in await says("reconcile", str(file), *day, "--person", "kari")
    file.write_text("".join(text.splitlines(keepends=True)[:2]) + "another-0001;;;;;;;LEVERT\n", encoding="utf-8")
    said = await says("reconcile", str(file), *day, "--person", "kari", code=1)
    assert "2 listed, 1 not here, 1 here and not listed" in said
    assert "another-0001" in said
    assert ids(2)[0] in said
    await says("daily-certificate", *day, code=1)


@SQLITE
async def test_a_report_is_registered_by_command_and_the_same_one_again_is_told(env, says, tmp_path):
    scan = tmp_path / "brev.pdf"
    scan.write_bytes(b"%PDF-1.7\n")
    facts = ("--office", "4601-02", "--reporter", "privat", "--came-by", "brev", "--person", "kari")
    done = json.loads(await says("register", *facts, "--anonymous", "--pdf", str(scan), "--json"))
    assert (done["state"], done["may_be_same_as"]) == ("READY", [])
    said = await says(
        "register", *facts, "--pdf", str(scan), "--came-at", "2026-11-20T09:30", "--melding-id", done["message_id"]
    )
    assert "is now HELD" in said
    assert f"{done['message_id']}: Dette kan være samme melding" in said
    assert "warning: may-be-same " in await says("trace", done["message_id"])
    await says("register", *facts, "--came-at", "i går", code=1)
    await says("register", *facts, "--force", code=1)
    await says("register", *facts, "--pdf", str(tmp_path / "nowhere"), code=1)
    await says("register", *facts, "--came-at", "2026-01-20T09:30", code=1)
    await says("register", *facts, "--came-at", "2026-01-20T09:30", "--force", "--reason", "lå i feil hylle")


async def test_a_report_that_is_here_and_was_printed_all_the_same_warns_of_its_letter_once(
    env, sender, today, portal_list
):
    message_id = await deliver(env, sender, 1)
    refused = await deliver(env, sender, 2)
    await decide(env, refused, Decision("hold", "kari", "prøve"))
    await decide(env, refused, Decision("refuse", "kari", "prøve"))
    await work_off(env)
    at = env.clock.now().isoformat()
    file = portal_list(*(f"{ids(number)[0]},{ids(number)[1]},{at},sendt_print" for number in (1, 2)))
    for _ in range(2):
        compared = await compare(env, today, file)
        assert (compared.fits, compared.on_paper) == (True, (message_id,))  # that one was refused is why it was printed
    assert await env.store.read(lambda conn: alarms.open_subjects(conn, AlarmCode.RECEIPT_LOST)) == {message_id}
    warned = await env.store.read(lambda conn: [one.code for one in messages.warnings(conn, message_id)])
    assert warned.count("paper-copy-possible") == 1
    events = await env.store.read(lambda conn: [row.event for row in journal.of_message(conn, message_id)])
    assert events.count(journal.RECEIPT_LOST) == 1
