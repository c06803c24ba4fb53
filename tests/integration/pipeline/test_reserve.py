"""Reserve mode: what came on paper or by telephone is a message like any other, and is never taken for a new one unknowingly."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from gateway.domain.lifecycle import State
from gateway.domain.registration import CameBy, Registration, Reporter
from gateway.errors import ConflictError, MalformedRequestError, UnknownResourceError
from gateway.pipeline import balance, confirm, copies, hand_over, sweeper
from gateway.pipeline.accept import Intake
from gateway.pipeline.people import Decision, decide
from gateway.pipeline.register import FACTS, Order, register
from gateway.pipeline.roads import Roads
from gateway.pipeline.traffic import prepare
from gateway.pipeline.unseal import REPORT_PDF
from gateway.pipeline.worker import Incarnation
from gateway.spi import Adapter, Receipt, Refused, Seal
from gateway.store import alarms, consistency, journal, messages
from gateway.store.alarms import AlarmCode
from gateway.store.tables import alarm, confirmation, message
from tests.integration.pipeline.test_bad_input import readback_of
from tests.integration.pipeline.test_covered_rows import checked
from tests.integration.pipeline.test_fetched_roads import Platform, as_fiks
from tests.work import state_of, work_off

REPORT = "5f0c1d7e-0001-4222-8333-944455566677"
MELDING = "5f0c1d7e-0002-4222-8333-944455566677"
LETTER = b"%PDF-1.7\n" + b"scanned " * 50_000
SQLITE = pytest.mark.parametrize("env", ["sqlite"], indirect=True)
"""Where nothing depends on the store."""
TOLD = Registration("4601-02", Reporter.PRIVATE, CameBy.LETTER, "kari")


async def chunks(raw):
    for start in range(0, len(raw), 65536):
        yield raw[start : start + 65536]


async def registered(env, told=TOLD, scan=None, order=None, **changes):
    stream = chunks(scan) if scan is not None else None
    return await register(env, replace(told, **changes), stream, order)


async def events(env, message_id):
    rows = await env.store.read(lambda conn: journal.of_message(conn, message_id))
    return [row.event for row in rows]


async def clocks(env, message_id):
    rows = await env.store.read(lambda conn: messages.clocks(conn, message_id))
    return {row.clock_id: row for row in rows}


async def warned(env, message_id):
    rows = await env.store.read(lambda conn: messages.warnings(conn, message_id))
    return {(row.code, row.detail) for row in rows}


async def open_alarms(env, code):
    return await env.store.read(lambda conn: alarms.open_subjects(conn, code))


async def readable(env, client, message_id, name):
    found = await hand_over.fetch(env, client, message_id, name)
    return b"".join(found.pieces(0, found.size))


# --- Like any other -------------------------------------------------------------------------------------------------


async def test_a_letter_is_offered_read_back_and_receipted_as_any_other_report(env, client):
    done = await registered(env, scan=LETTER)
    assert (done.state, done.may_be_same_as) == (State.READY, ())
    [claim] = await hand_over.claim(env, client, 10, 600, ())
    assert claim.message_id == done.message_id
    head = await hand_over.head(env, client, done.message_id)
    assert [one["name"] for one in head["documents"]] == [FACTS, REPORT_PDF]
    assert [(one["code"], one["detail"]) for one in head["warnings"]] == [("registered-by-hand", "brev")]
    assert await readable(env, client, done.message_id, REPORT_PDF) == LETTER
    facts = json.loads(await readable(env, client, done.message_id, FACTS))
    assert (facts["cameBy"], facts["registeredBy"], facts["reporter"]) == ("brev", "kari", "privat")
    await confirm.confirm(env, client, done.message_id, await readback_of(env, client, done.message_id))
    await work_off(env)
    assert await state_of(env, done.message_id) == State.RECEIPTED
    assert await env.store.read(consistency.faults) == []
    assert await checked(env) == []
    [line] = await balance.judge(env, env.clock.now().date())
    assert (line.road, line.received, line.fates["confirmed"], line.difference) == (copies.RESERVE, 1, 1, 0)


@SQLITE
async def test_one_that_is_registered_in_a_case_already_is_confirmed_by_hand_at_once(env):
    done = await registered(env, came_by=CameBy.TELEPHONE, reference="SAK-1")
    assert done.state == State.CONFIRMED
    [row] = await env.store.read(lambda conn: conn.execute(select(confirmation)).all())
    assert (row.message_id, row.kind, row.actor) == (done.message_id, "person", "kari")
    await work_off(env)
    assert await state_of(env, done.message_id) == State.RECEIPTED
    assert await env.store.read(consistency.faults) == []


@SQLITE
async def test_the_journal_knows_who_how_and_when_and_nothing_that_was_told(env):
    came_at = env.clock.now() - timedelta(days=2)
    done = await registered(env, scan=LETTER, came_at=came_at, bekymringsmelding_id=REPORT, reference="SAK-77")
    rows = await env.store.read(lambda conn: journal.of_message(conn, done.message_id))
    arrived = json.loads(rows[0].entry)
    assert (arrived["event"], arrived["actor"], arrived["code"]) == ("arrived", "kari", "brev")
    assert arrived["refs"]["at"] == journal.rfc3339(messages.micros(came_at))
    assert set(arrived["commit"]) == {"document:1", "document:2"}
    told = "".join(row.entry for row in rows)
    assert REPORT not in told
    assert "SAK-77" not in told


@SQLITE
@pytest.mark.proves("promise-5")
async def test_its_clocks_run_from_when_it_came_and_what_is_over_rings_at_once(env):
    old = await registered(env, came_at=env.clock.now() - timedelta(days=9))
    fresh = await registered(env, reporter=Reporter.PUBLIC)
    assert {name: row.status for name, row in (await clocks(env, old.message_id)).items()} == {
        "F01": "BRUTT",
        "F02": "BRUTT",  # the letter lay unread
        "F03": "AAPEN",
        "F04": "VENTER",
    }
    assert set(await clocks(env, fresh.message_id)) == {"F01", "F02", "F03", "F04", "F05"}
    await sweeper.sweep(env, Incarnation("01990000-0000-7000-8000-000000000001"))
    assert await open_alarms(env, AlarmCode.CLOCK_RINGS) == {f"{old.message_id}/F01"}


@SQLITE
async def test_who_took_the_call_had_the_report_in_front_of_them_when_it_came(env):
    hour_ago = env.clock.now() - timedelta(hours=1)
    called = await registered(env, came_by=CameBy.TELEPHONE, came_at=hour_ago)
    lay = await registered(env, came_by=CameBy.LETTER, came_at=hour_ago)
    assert (await clocks(env, called.message_id))["F02"].status == "NADD"
    assert (await clocks(env, lay.message_id))["F02"].status == "BRUTT"


@SQLITE
async def test_nobody_waits_for_an_answer_who_cannot_be_answered(env):
    anonymous = await registered(env, reporter_known=False)
    known = await registered(env, reporter=Reporter.PUBLIC, reporter_known=False)
    assert (await clocks(env, anonymous.message_id))["F03"].status == "BORTFALT"
    assert (await clocks(env, known.message_id))["F03"].status == "AAPEN"


@SQLITE
async def test_what_cannot_be_right_is_refused_and_nothing_is_stored(env):
    with pytest.raises(MalformedRequestError):
        await registered(env, came_at=env.clock.now() + timedelta(minutes=1))
    for scan in (b"MZ no letter", b"", b"%PD"):
        with pytest.raises(MalformedRequestError):
            await registered(env, scan=scan)
    with pytest.raises(MalformedRequestError):
        await registered(env, reference="x" * 201)
    with pytest.raises(UnknownResourceError):
        await registered(env, tenant="9999-00")
    assert await env.store.read(lambda conn: conn.execute(select(message)).all()) == []


@SQLITE
async def test_what_came_long_ago_is_registered_with_its_reason_which_is_sealed(env):
    done = await registered(env, came_at=env.clock.now() - timedelta(days=40), reason="lå i feil hylle")
    rows = await env.store.read(lambda conn: journal.of_message(conn, done.message_id))
    assert [row.event for row in rows if "reason" in json.loads(row.entry)["commit"]] == ["opened"]
    assert "hylle" not in "".join(row.entry for row in rows)


# --- The same request again -------------------------------------------------------------------------------------------


async def test_the_same_key_is_the_same_message_and_with_other_facts_a_conflict(env):
    order = Order("fagsystem-1", "nøkkel-1")
    first = await registered(env, scan=LETTER, order=order)
    assert await registered(env, scan=LETTER, order=order) == first
    with pytest.raises(ConflictError):
        await registered(env, scan=LETTER, order=order, came_by=CameBy.TELEPHONE)
    with pytest.raises(ConflictError):
        await registered(env, scan=LETTER + b".", order=order)
    other = await registered(env, scan=LETTER, order=Order("fagsystem-2", "nøkkel-1"))
    assert other.message_id != first.message_id
    files = [file for file in env.vault.folder.root.rglob("*") if file.is_file() and file.name != "mark"]
    assert len(files) == 2  # what was refused or repeated left nothing behind


async def test_the_same_request_twice_at_once_is_one_message(env):
    order = Order("fagsystem-1", "k")

    async def again():
        try:
            return (await registered(env, order=order)).message_id
        except Exception as error:  # noqa: BLE001  one of the two may be told to come again
            return type(error).__name__

    found = set(await asyncio.gather(again(), again()))
    count = await env.store.read(lambda conn: len(conn.execute(select(message)).all()))
    assert (count, found <= {"StoreError"} | {one for one in found if len(one) == 36}) == (1, True)


# --- Maybe the same ---------------------------------------------------------------------------------------------------


@pytest.fixture
async def first(env, sender):
    """A report over Fiks IO, opened and READY, under the portal's id and Fiks IO's."""
    accepted = await Intake(env, "fiks").accept(
        replace(as_fiks(sender.delivery(), MELDING, headers={"bekymringsmelding-id": REPORT}), answer_to=None)
    )
    await work_off(env)
    return accepted.id


async def refuse(env, message_id):
    await decide(env, message_id, Decision("hold", "kari", "prøve"))
    await decide(env, message_id, Decision("refuse", "kari", "prøve"))


async def test_a_letter_that_shows_an_id_of_a_report_that_is_here_is_held_and_both_say_so(env, first):
    done = await registered(env, bekymringsmelding_id=REPORT)
    assert (done.state, done.may_be_same_as) == (State.HELD, (first,))
    assert ("may-be-same", first) in await warned(env, done.message_id)
    assert ("may-be-same", done.message_id) in await warned(env, first)
    told = await events(env, first)
    assert [event for event in told if not event.startswith("attempt-")] == ["arrived", "opened", "copy-seen"]
    assert await open_alarms(env, AlarmCode.COPY_POSSIBLE) == {done.message_id}
    assert await state_of(env, first) == State.READY
    await decide(env, done.message_id, Decision("release", "kari", "en ny melding"))
    assert await state_of(env, done.message_id) == State.READY
    assert await open_alarms(env, AlarmCode.COPY_POSSIBLE) == set()
    assert await env.store.read(consistency.faults) == []
    assert await checked(env) == []


@SQLITE
async def test_an_id_is_known_whichever_it_is_and_however_it_is_typed(env, first):
    for given in ({"melding_id": MELDING}, {"melding_id": first}, {"melding_id": REPORT}):
        assert first in (await registered(env, **given)).may_be_same_as
    assert first in (await registered(env, bekymringsmelding_id=MELDING.upper())).may_be_same_as


@SQLITE
async def test_the_letter_of_a_refused_report_goes_on_with_its_warning(env, first):
    await refuse(env, first)
    await work_off(env)
    assert await state_of(env, first) == State.RECEIPTED  # its sender knows, and writes
    done = await registered(env, bekymringsmelding_id=REPORT)
    assert (done.state, done.may_be_same_as) == (State.READY, (first,))
    assert ("may-be-same", first) in await warned(env, done.message_id)
    assert await open_alarms(env, AlarmCode.COPY_POSSIBLE) == set()


@SQLITE
async def test_the_letter_of_a_confirmed_report_is_registered_and_held(env, first):
    await decide(env, first, Decision("confirm", "kari", "prøve", "SAK-1"))
    done = await registered(env, bekymringsmelding_id=REPORT)
    assert done.state == State.HELD
    again = await registered(env, bekymringsmelding_id=REPORT, reference="SAK-1")
    assert (again.state, set(again.may_be_same_as)) == (State.CONFIRMED, {first, done.message_id})


@SQLITE
async def test_the_letter_of_a_report_whose_receipt_was_lost_is_held_for_it_is_in_the_case_system(env, sender):
    here = replace(env, roads=Roads())
    await prepare(here, "fiks")
    here.roads.open("fiks", Adapter(outbound=Platform(), seal=Seal.FIKS))
    intake = Intake(here, "fiks")
    lost = (await intake.accept(as_fiks(sender.delivery(), MELDING))).id
    await work_off(here)
    await decide(here, lost, Decision("confirm", "kari", "prøve", "SAK-1"))
    await work_off(here)
    assert await intake.receipt(Receipt("fiks", None, "m-1", refused=Refused("tidsavbrudd")))
    done = await registered(here, melding_id=MELDING)
    assert (done.state, done.may_be_same_as) == (State.HELD, (lost,))
    assert {("paper-copy-possible", ""), ("may-be-same", done.message_id)} <= await warned(here, lost)


@SQLITE
async def test_the_same_scan_twice_is_warned_about_and_never_dropped(env):
    one = await registered(env, scan=LETTER)
    other = await registered(env, scan=LETTER)
    assert (other.state, other.may_be_same_as) == (State.HELD, (one.message_id,))
    assert ("may-be-same", other.message_id) in await warned(env, one.message_id)


@SQLITE
async def test_the_pdf_of_a_report_that_came_sealed_is_known_again(env, first, client):
    pdf = await readable(env, client, first, REPORT_PDF)
    assert (await registered(env, scan=pdf)).may_be_same_as == (first,)


@SQLITE
async def test_another_offices_report_is_not_looked_at(env, first):
    def elsewhere(conn):
        return copies.known_by_id(conn, "4601-03", (REPORT, MELDING, first))

    assert await env.store.read(elsewhere) == []


@SQLITE
@pytest.mark.parametrize("shown", [{"bekymringsmelding_id": REPORT}, {"melding_id": MELDING.upper()}])
async def test_a_report_that_comes_after_its_letter_is_offered_with_a_warning_on_both(env, sender, shown):
    letter = await registered(env, reference="SAK-1", **shown)
    accepted = await Intake(env, "fiks").accept(
        as_fiks(sender.delivery(), MELDING, headers={"bekymringsmelding-id": REPORT})
    )
    await work_off(env)
    assert await state_of(env, accepted.id) == State.READY
    assert ("may-be-same", letter.message_id) in await warned(env, accepted.id)
    assert ("may-be-same", accepted.id) in await warned(env, letter.message_id)
    assert "copy-seen" in await events(env, letter.message_id)


@SQLITE
async def test_reports_that_share_nothing_are_not_warned_about(env, first, intake, sender):
    done = await registered(env, scan=LETTER, bekymringsmelding_id="another-0001", melding_id="another-0002")
    assert (done.state, done.may_be_same_as) == (State.READY, ())
    other = await intake.accept(sender.delivery(2))
    await work_off(env)
    assert not {code for code, _ in await warned(env, other.id)} & {"may-be-same"}
    rows = await env.store.read(lambda conn: conn.execute(select(alarm.c.code)).scalars().all())
    assert rows == []
