"""Which road a person chooses, and that nothing is printed but on somebody's word."""

import pytest
from sqlalchemy import select

from gateway.domain.lifecycle import State
from gateway.errors import ConflictError
from gateway.pipeline.accept import Intake
from gateway.pipeline.people import Decision, decide
from gateway.spi import Refused, Uncertain
from gateway.store.tables import approval
from tests.integration.outbound.kit import (
    parcels_of,
    read,
)
from tests.integration.outbound.letters import (
    DIGITAL,
    MOTHER,
    PAPER,
    LetterRoad,
    letter,
    release,
    stopped_by,
    submitted,
    with_letters,
)
from tests.reports import Sender
from tests.work import state_of, work_off

pytestmark = pytest.mark.parametrize("env", ["sqlite"], indirect=True)
"""One store is enough: what is told here is no matter of SQL (``test_outbound_history``)."""


async def test_paper_is_taken_when_a_person_chooses_it_and_the_letter_names_that_person(env, client):
    road = LetterRoad()
    env, people = await with_letters(env, road)
    people.contacts[MOTHER] = {"reserved": True}
    message_id = await submitted(env, client)
    assert await stopped_by(env, message_id) == (State.HELD, "r14-reserved")
    assert await release(env, message_id, "kari", road=PAPER) == [State.ACCEPTED]
    await work_off(env)
    assert await stopped_by(env, message_id) == (State.HELD, "r18-four-eyes")
    await release(env, message_id, "kari", "ola")
    await work_off(env)
    assert await state_of(env, message_id) == State.DELIVERED
    (sent,) = road.sent
    assert sent.letter is not None
    assert sent.letter.print_order is not None
    assert sent.letter.print_order.released_by == "kari"
    assert [row.road for row in await parcels_of(env, message_id)][-1] == PAPER


async def test_a_closed_mailbox_leads_to_no_printer_until_a_person_says_so(env, client):
    road = LetterRoad(answers=[Refused("closed", proof=True), Uncertain("x")])
    env, _ = await with_letters(env, road)
    message_id = await submitted(env, client)
    await release(env, message_id, "kari", "ola")
    await work_off(env)
    assert await stopped_by(env, message_id) == (State.HELD, "r15-print-not-released")
    assert len(road.sent) == 1
    road.answers = [LetterRoad().answers[0]]
    await release(env, message_id, "kari")
    await work_off(env)
    assert (await state_of(env, message_id), len(road.sent)) == (State.DELIVERED, 2)
    order = road.sent[-1].letter.print_order if road.sent[-1].letter else None
    assert order is not None
    assert order.released_by == "kari"


async def test_a_grave_letter_goes_on_paper_when_two_people_let_it(env, client):
    road = LetterRoad()
    env, people = await with_letters(env, road)
    people.contacts[MOTHER] = {"mailbox": False}
    message_id = await submitted(env, client, letter(konfidensialitet="S"))
    await release(env, message_id, "kari", road=PAPER)
    await work_off(env)
    assert await stopped_by(env, message_id) == (State.HELD, "r15-print-needs-two")
    await release(env, message_id, "ola")
    await work_off(env)
    assert await stopped_by(env, message_id) == (State.HELD, "r18-four-eyes")
    await release(env, message_id, "ola", "kari")
    await work_off(env)
    assert (await state_of(env, message_id), len(road.sent)) == (State.DELIVERED, 1)


async def test_the_road_that_was_chosen_last_is_taken_though_it_was_chosen_before(env, client):
    road = LetterRoad()
    env, people = await with_letters(env, road)
    message_id = await submitted(env, client)
    people.contacts[MOTHER] = {"reserved": True}
    for chosen, cause in ((PAPER, "r18-four-eyes"), (DIGITAL, "r14-reserved"), (PAPER, "r18-four-eyes")):
        await release(env, message_id, "kari", road=chosen)
        await work_off(env)
        assert await stopped_by(env, message_id) == (State.HELD, cause)
    await release(env, message_id, "kari", "ola")
    await work_off(env)
    assert await state_of(env, message_id) == State.DELIVERED
    assert [one.letter.print_order is not None for one in road.sent if one.letter] == [True]


async def test_who_let_it_be_printed_did_so_for_nothing_once_the_mailbox_was_chosen(env, client):
    road = LetterRoad(answers=[Refused("closed", proof=True)])
    env, _ = await with_letters(env, road)
    message_id = await submitted(env, client)
    await release(env, message_id, "kari", road=PAPER)
    await work_off(env)
    await release(env, message_id, "kari", road=DIGITAL)
    await work_off(env)
    await release(env, message_id, "kari", "ola")
    await work_off(env)
    assert await stopped_by(env, message_id) == (State.HELD, "r15-print-not-released")
    assert len(road.sent) == 1
    road.answers = LetterRoad().answers
    await release(env, message_id, "ola")
    await work_off(env)
    assert (await state_of(env, message_id), len(road.sent)) == (State.DELIVERED, 2)


@pytest.mark.parametrize(
    ("road", "code"), [("fiks:kontoId", "no-road"), ("brevvei", "no-road"), ("brevvei:", "no-road"), ("", "no-road")]
)
async def test_a_road_that_is_not_the_types_own_cannot_be_chosen(env, client, road, code):
    env, _ = await with_letters(env, LetterRoad())
    message_id = await submitted(env, client)
    with pytest.raises(ConflictError) as caught:
        await release(env, message_id, "kari", road=road)
    assert caught.value.instance_code == code
    assert await read(env, select(approval)) == []


async def test_no_other_road_is_chosen_while_it_may_have_left_over_the_first(env, client):
    road = LetterRoad(answers=[Uncertain("silence")])
    env, _ = await with_letters(env, road)
    message_id = await submitted(env, client)
    await release(env, message_id, "kari", "ola")
    await work_off(env)
    assert await stopped_by(env, message_id) == (State.HELD, "cannot-ask")
    with pytest.raises(ConflictError) as caught:
        await release(env, message_id, "kari", road=PAPER)
    assert caught.value.instance_code == "already-left"
    assert len(road.sent) == 1


async def test_what_came_in_takes_no_road(env, site):
    arrived = (await Intake(env).accept(Sender(site, env).delivery(1))).id
    await work_off(env)
    await decide(env, arrived, Decision("hold", "kari", "se"))
    with pytest.raises(ConflictError):
        await release(env, arrived, "kari", road=PAPER)
    assert await state_of(env, arrived) == State.HELD
