"""What letters do to clocks: only what was delivered or opened moves them, at the carrier's time."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from gateway.catalogue import Catalogue
from gateway.domain.deadlines import OSLO
from gateway.domain.lifecycle import State
from gateway.errors import ConflictError, MalformedRequestError
from gateway.pipeline.accept import Intake
from gateway.pipeline.traffic import prepare
from gateway.spi import Refused, Stage, Taken
from gateway.store.messages import micros
from gateway.store.tables import alarm, clock, journal
from tests.integration.http.conftest import case_system_listener
from tests.integration.outbound.kit import KIND, alarms_of, read
from tests.integration.outbound.letter_kit import DAY, HOUR, World
from tests.integration.outbound.letters import LetterRoad, release, with_letters
from tests.integration.outbound.test_letters_leave import handed_in
from tests.reports import Sender
from tests.work import state_of, work_off


@pytest.fixture
async def world(env, site, client) -> World:
    await prepare(env, "partner")
    return World(env, site, client)


def written(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


async def test_feedback_that_was_only_taken_leaves_its_clock_running_and_breaking_and_delivery_stops_it(world):
    report = await world.report()
    feedback = await world.letter("svar", "MOTTATT", oppfolgingAvMeldingId=report, meldingsforbindelse="Svar")
    assert await state_of(world.env, feedback) is State.SENT
    delivered_at = world.now + HOUR
    world.clock.ahead = 22 * DAY
    await world.swept()
    broken = (await world.clocks(report))["F03"]
    assert (broken.status, broken.stopped) == ("BRUTT", None)
    assert "clock-rings" in await alarms_of(world.env, f"{report}/F03")

    await world.told(feedback, at=delivered_at)

    met = await world.clocks(report)
    assert (met["F03"].status, met["F03"].stopped) == ("NADD", micros(delivered_at))
    assert await alarms_of(world.env, feedback) == []
    rows = await read(world.env, select(journal.c.event).where(journal.c.message_id == report))
    assert "case-event" in [row.event for row in rows]


async def test_feedback_names_the_report_by_the_senders_id_too_and_says_whether_the_investigation_is_answered(world):
    report = await world.report("01990000-0000-7000-8000-0000000000aa")
    await world.tell(report, "undersokelse_avsluttet")
    answers = {"oppfolgingAvMeldingId": "01990000-0000-7000-8000-0000000000aa", "meldingsforbindelse": "Svar"}

    await world.told(await world.letter("svar", "MOTTATT", **answers))
    found = await world.clocks(report)
    assert (found["F03"].status, found["F05"].status) == ("NADD", "AAPEN"), "that it came answers no investigation"

    await world.told(await world.letter("svar", "FOLGES_OPP", **answers))
    assert (await world.clocks(report))["F05"].status == "NADD"


@pytest.mark.parametrize("env", ["sqlite"], indirect=True)
async def test_feedback_to_a_report_that_nobody_can_tell_any_more_rings_and_stops_no_clock(world):
    """Another report came with the same id after the feedback was handed in."""
    theirs = "01990000-0000-7000-8000-0000000000bb"
    report = await world.report(theirs)
    answers = {"oppfolgingAvMeldingId": theirs, "meldingsforbindelse": "Svar"}
    feedback = await world.letter("svar", "MOTTATT", **answers)
    await world.report(theirs, number=2)

    await world.told(feedback)

    assert await alarms_of(world.env, feedback) == ["feedback-unlinked"]
    assert (await world.clocks(report))["F03"].status == "AAPEN"


async def test_a_letter_that_came_back_was_not_delivered_and_its_clocks_run_again(world):
    answers = {"oppfolgingAvMeldingId": await world.report(), "meldingsforbindelse": "Svar"}
    feedback, another = [await world.letter("svar", "MOTTATT", **answers) for _ in range(2)]
    decision = await world.letter()

    async def standing():
        report = await world.clocks(answers["oppfolgingAvMeldingId"])
        return report["F03"].status, (await world.clocks(decision))["F12"].status

    posted = world.now
    for letter in (feedback, decision):
        await world.told(letter, Stage.POSTED, posted)
    assert await standing() == ("NADD", "AAPEN")

    world.clock.ahead = 6 * DAY
    for letter in (feedback, decision):
        for _ in range(2):  # the same again is nothing
            await world.told(letter, Stage.SHREDDED, world.now)
            await world.told(letter, Stage.POSTED, posted)
    assert await standing() == ("AAPEN", "VENTER")
    assert await alarms_of(world.env, decision) == ["letter-returned"]
    assert list(await world.ticks(decision)) == ["transport", "posted", "shredded"]
    assert await state_of(world.env, decision) is State.DELIVERED

    await world.told(another)
    assert await standing() == ("NADD", "VENTER"), "another letter's delivery stands"


@pytest.mark.parametrize("env", ["sqlite"], indirect=True)
async def test_a_letter_that_came_back_before_it_was_delivered_is_for_a_person(world):
    decision = await world.letter()

    await world.told(decision, Stage.SHREDDED)

    assert await state_of(world.env, decision) is State.HELD
    assert await alarms_of(world.env, decision) == ["letter-returned", "outbound-held"]


@pytest.mark.parametrize("env", ["sqlite"], indirect=True)
async def test_the_period_for_complaining_begins_with_the_delivery_and_ends_by_itself_or_by_a_complaint(world):
    quiet, contested = await world.letter(), await world.letter()
    assert (await world.clocks(quiet))["F12"].status == "VENTER"
    begun = world.now
    for letter in (quiet, contested):
        await world.told(letter, at=begun)

    running = (await world.clocks(quiet))["F12"]
    assert running.start == micros(begun)
    due = datetime.fromtimestamp(running.due / 1_000_000, OSLO)
    assert due.date() == (begun.astimezone(OSLO) + 21 * DAY).date()
    with pytest.raises(MalformedRequestError, match="klage is told of the decision"):
        await world.tell(await world.report(), "klage")
    await world.tell(contested, "klage")
    world.clock.ahead = 22 * DAY
    await world.swept()

    over = (await world.clocks(quiet))["F12"]
    assert (over.status, over.stopped) == ("NADD", over.due), "a period that ran out broke nothing"
    assert (await world.clocks(contested))["F12"].stopped < over.due
    assert "clock-rings" not in await alarms_of(world.env, f"{quiet}/F12")


@pytest.mark.parametrize("env", ["sqlite"], indirect=True)
async def test_a_plan_meets_its_days_goal_when_it_is_delivered_and_not_when_it_is_taken(world):
    world.partner.answers = [Taken("ref-1"), Taken("ref-1", final=True)]
    taken, final = await world.letter("plan"), await world.letter("plan")
    world.clock.ahead = 2 * DAY
    await world.swept()

    assert (await world.clocks(taken))["F10D"].status == "BRUTT"
    assert (await world.clocks(final))["F10D"].status == "NADD", "where taking is the delivery"


async def test_an_unopened_letter_reminds_twice_until_it_is_opened_and_nobody_prints_it(world):
    brev = {"sprak": "nb", "apningskvittering": True}
    asked, not_asked = await world.letter(brev=brev), await world.letter()
    on_paper = await world.letter(brev=brev)
    began = world.now
    for letter in (asked, not_asked):
        await world.told(letter, at=began)
    await world.told(on_paper, Stage.POSTED, began)
    sent = len(world.partner.sent)
    levels = []
    for days in (1, 3, 6):
        world.clock.ahead = days * DAY
        await world.swept()
        rows = await read(
            world.env, select(alarm).where(alarm.c.code == "letter-unopened", alarm.c.closed_at.is_(None))
        )
        levels.append([(row.subject, row.level) for row in rows])
    assert levels == [[], [(asked, 1)], [(asked, 2)]]
    assert ((await world.clocks(not_asked))["R15"].status, (await world.clocks(on_paper))["R15"].status) == (
        "BORTFALT",
        "VENTER",
    )
    assert len(world.partner.sent) == sent

    await world.told(asked, Stage.OPENED, world.now)

    assert "letter-unopened" not in await alarms_of(world.env, asked)
    assert (await world.clocks(asked))["R15"].stopped is not None


async def test_ticks_come_in_any_order_twice_and_late_and_each_stands_once_at_the_carriers_time(world):
    letter = await world.letter()
    first, later = world.now, world.now + HOUR
    world.clock.ahead = DAY
    for stage, at in ((Stage.OPENED, later), (Stage.DELIVERED, first), (Stage.OPENED, later), (Stage.DELIVERED, None)):
        await world.told(letter, stage, at)

    ticks = await world.ticks(letter)
    assert list(ticks) == ["transport", "application", "opened"]
    assert (ticks["application"], ticks["opened"]) == (written(later), written(later))
    assert (await world.clocks(letter))["F12"].start == micros(first), "the earliest delivery counts"
    assert await state_of(world.env, letter) is State.DELIVERED
    assert await alarms_of(world.env, letter) == []


@pytest.mark.parametrize("env", ["sqlite"], indirect=True)
async def test_a_time_that_cannot_be_is_not_believed(world):
    before_there_was_a_letter, to_come = await world.letter(), await world.letter()
    before = micros(world.now)

    await world.told(before_there_was_a_letter, at=world.now - DAY)
    await world.told(to_come, at=world.now + HOUR)

    for letter in (before_there_was_a_letter, to_come):
        assert before <= (await world.clocks(letter))["F12"].start <= micros(world.now)


async def test_a_case_with_letters_under_way_is_told_of_them_and_not_closed_unless_somebody_knows(world):
    report = await world.report()
    letter = await world.letter(avsendersRef="SAK-77")
    other = await world.letter(avsendersRef="SAK-78")
    answer = await world.letter("svar", "MOTTATT", oppfolgingAvMeldingId=report, meldingsforbindelse="Svar")

    found = await world.tell(report, "undersokelse_avsluttet", reference="SAK-77")
    assert [(one.id, one.type, one.state) for one in found] == [
        (letter, "prove.vedtak.v1", "SENT"),
        (answer, "prove.svar.v1", "SENT"),
    ]
    with pytest.raises(ConflictError, match=f"2 letters .*{letter}, {answer}") as refused:
        await world.tell(report, "sak_avsluttet", reference="SAK-77")
    assert refused.value.instance_code == "letters-open"
    assert await world.tell(report, "sak_avsluttet", reference="SAK-77", acknowledged=True) == found

    for one in (letter, answer):
        await world.told(one)
    assert await world.tell(report, "sak_avsluttet", reference="SAK-77") == ()
    assert [one.id for one in await world.tell(other, "konklusjon", outcome="henlagt")] == [other]
    rows = await read(world.env, select(journal.c.entry).where(journal.c.event == "letters-open"))
    told = [json.loads(row.entry) for row in rows]
    assert [(one["message_id"], one["code"], one["refs"]["listed"]) for one in told] == [
        (report, None, 2),
        (report, None, 2),
        (report, "acknowledged", 2),
        (other, None, 1),
    ]


@pytest.mark.parametrize("env", ["sqlite"], indirect=True)
async def test_clocks_of_a_type_that_left_the_configuration_stop_nobody(world):
    """An operator takes a route away while letters are under way: receipts and sweeps go on."""
    letter = await world.letter()
    known = {kind.key: kind for kind in world.env.types.types() if kind.name != "prove.vedtak"}
    world.env = replace(world.env, types=Catalogue(known, {}))

    await world.told(letter)
    await world.told(letter, Stage.OPENED)

    assert await state_of(world.env, letter) is State.DELIVERED
    assert list(await world.ticks(letter)) == ["transport", "application", "opened"]


@pytest.mark.parametrize("env", ["sqlite"], indirect=True)
async def test_a_refusal_after_delivery_still_rings_and_adds_no_tick(world):
    letter = await world.letter()
    await world.told(letter)

    await world.told(letter, refused=Refused("gone"))

    assert list(await world.ticks(letter)) == ["transport", "application"]
    assert await alarms_of(world.env, letter) == ["late-event"]


@pytest.mark.parametrize("env", ["sqlite"], indirect=True)
async def test_a_vendor_sees_letters_clocks_and_ticks_and_that_a_case_is_not_closed_over_them(world):
    letter = await world.letter(brev={"apningskvittering": True})

    async with case_system_listener(world.env, world.site.tenant) as running:

        async def tell(kind, **more):
            told = {"type": kind, "at": written(world.now), **more}
            status, body, _ = await running.call("POST", f"/messages/{letter}/events", json=told)
            return status, body

        status, problem = await tell("sak_avsluttet")
        assert (status, problem["code"]) == (409, "letters-open")
        assert letter in problem["detail"]
        assert await tell("sak_avsluttet", acknowledged=True) == (
            200,
            {"openLetters": [{"id": letter, "type": "prove.vedtak.v1", "state": "SENT"}]},
        )
        assert (await tell("tilbakemelding_sendt", acknowledged=True))[0] == 400
        await world.told(letter)
        assert (await tell("sak_avsluttet"))[0] == 204
        _, head, _ = await running.call("GET", f"/messages/{letter}")
        assert [(one["id"], one["status"]) for one in head["clocks"]] == [("F12", "AAPEN"), ("R15", "AAPEN")]
        _, due, _ = await running.call("GET", "/clocks")
        assert [one["id"] for one in due["clocks"]] == ["R15", "F12"]
        assert (await tell("klage"))[0] == 204
        _, found, _ = await running.call("GET", f"/messages/{letter}/receipts")
        assert [one["kind"] for one in found["receipts"]] == ["transport", "application"]


@pytest.mark.parametrize("env", ["sqlite"], indirect=True)
async def test_the_letters_of_the_catalogue_move_the_clocks_that_they_are_about(env, site, client):
    """Feedback, a decision and a plan as they are sent, over a road where taking is the delivery."""
    env, _ = await with_letters(env, LetterRoad())
    kinds = ("tilbakemelding.melder", "vedtak", "plan")
    env.roads.routes.update({f"{kind}.v1": env.roads.routes[KIND] for kind in kinds})
    report = (await Intake(env).accept(Sender(site, env).delivery(1))).id
    await work_off(env)
    sent = {kind: await handed_in(env, client, kind, report) for kind in kinds}
    await work_off(env)

    async def standing(message_id):
        rows = await read(env, select(clock).where(clock.c.message_id == message_id))
        return {row.clock_id: row.status for row in rows}

    assert (await standing(report))["F03"] == "AAPEN", "held for a second person: nothing is delivered"
    for message_id in sent.values():
        await release(env, message_id, "kari", "ola")
    await work_off(env)

    assert (await standing(report))["F03"] == "NADD"
    assert await standing(sent["vedtak"]) == {"F12": "AAPEN", "R15": "BORTFALT"}
    assert await standing(sent["plan"]) == {"F10D": "NADD", "R15": "BORTFALT"}
