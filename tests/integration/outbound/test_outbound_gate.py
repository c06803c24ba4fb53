"""Nothing leaves but through the gate: who may release what, on which road, and what a held message tells."""

import asyncio
import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from gateway.config import Mottaker
from gateway.domain.lifecycle import State
from gateway.domain.persons import Grading, Standing
from gateway.domain.routing import AddressKind, Road
from gateway.errors import MalformedRequestError
from gateway.pipeline import hand_over
from gateway.pipeline.look import look
from gateway.pipeline.outgoing import load
from gateway.pipeline.roads import Roads
from gateway.pipeline.texts import HOLDS
from gateway.spi import Adapter, TryLater
from gateway.store.tables import approval
from tests.integration.outbound import letters
from tests.integration.outbound.kit import (
    KIND,
    RECIPIENT,
    OwnDirectory,
    Scripted,
    cause_of,
    hand_in,
    melding,
    read,
    with_roads,
)
from tests.integration.outbound.letters import (
    CHILD,
    DIGITAL,
    FATHER,
    MOTHER,
    STRANGER,
    LetterRoad,
    documents,
    letter,
    part,
    pdf,
    release,
    stopped_by,
    submitted,
    with_letters,
)
from tests.work import state_of, work_off

pytestmark = pytest.mark.parametrize("env", ["sqlite"], indirect=True)
"""One store is enough: what is told here is no matter of SQL (``test_outbound_history``)."""


async def test_a_first_letter_leaves_when_two_different_people_have_released_it(env, client):
    road = LetterRoad()
    env, _ = await with_letters(env, road)
    message_id = await submitted(env, client)
    assert await stopped_by(env, message_id) == (State.HELD, "r18-four-eyes")
    assert await release(env, message_id, "kari", "kari", "Kari ") == [State.HELD] * 3
    await work_off(env)
    assert road.sent == []
    assert await release(env, message_id, "ola") == [State.ACCEPTED]
    await work_off(env)
    assert (await state_of(env, message_id), len(road.sent)) == (State.DELIVERED, 1)
    assert {row.person for row in await read(env, select(approval))} == {"kari", "Kari ", "ola"}
    assert road.octets == [pdf()]


async def test_the_next_letter_to_the_same_person_needs_no_four_eyes(env, client):
    road = LetterRoad()
    env, _ = await with_letters(env, road)
    first = await submitted(env, client)
    await release(env, first, "kari", "ola")
    await work_off(env)
    second = await submitted(env, client, None, "Noe annet denne gangen.")
    assert (await state_of(env, second), len(road.sent)) == (State.DELIVERED, 2)


async def test_a_held_message_tells_its_rule_what_to_do_and_how_many_people_it_takes(env, client):
    env, _ = await with_letters(env, LetterRoad())
    message_id = await submitted(env, client)
    await release(env, message_id, "kari")
    assert (await hand_over.head(env, client, message_id))["hold"] == {
        "code": "r18-four-eyes",
        "rule": "R18",
        "text": HOLDS["r18-four-eyes"],
        "places": [],
        "moreDocuments": False,
        "personsNeeded": 2,
        "personsSoFar": 1,
    }
    graded = await submitted(
        env, client, letter(parter=[part(MOTHER), part(FATHER), part(CHILD, adressegradering="X")])
    )
    hold = (await hand_over.head(env, client, graded))["hold"]
    assert (hold["code"], hold["personsNeeded"]) == ("r05-grading-unknown", 0)


async def test_what_nobody_can_release_is_held_again_until_the_facts_are_others(env, client):
    road = LetterRoad()
    env, people = await with_letters(env, road)
    people.residents[FATHER] = {"standing": Standing.DEAD}
    message_id = await submitted(env, client)
    assert await stopped_by(env, message_id) == (State.HELD, "r23-dead")
    assert await release(env, message_id, "kari") == [State.ACCEPTED]
    await work_off(env)
    assert await stopped_by(env, message_id) == (State.HELD, "r23-dead")
    assert await read(env, select(approval)) == []
    assert road.sent == []


async def test_facts_are_gathered_anew_for_every_attempt(env, client):
    road = LetterRoad(answers=[TryLater("busy")])
    env, people = await with_letters(env, road)
    message_id = await submitted(env, client)
    await release(env, message_id, "kari", "ola")
    for _ in range(2):
        await work_off_once(env)
    assert (await state_of(env, message_id), len(road.sent)) == (State.CLEARED, 1)
    people.contacts[MOTHER] = {"reserved": True}
    await work_off_once(env)
    assert await stopped_by(env, message_id) == (State.HELD, "r14-reserved")
    assert len(road.sent) == 1


async def work_off_once(env):
    """Perform one effect that is due."""
    from gateway.crashpoints import Point
    from gateway.domain.message_type import Lane
    from gateway.pipeline.worker import perform
    from gateway.store import outbox

    items = await env.store.write(
        lambda conn: outbox.claim(
            conn, owner="one", lanes=[lane.value for lane in Lane], limit=1, lease_s=60, suspects=False
        ),
        Point.CLAIM_WORK,
    )
    for item in items:
        await perform(env, item)


# --- units ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "since", "state"),
    [
        (None, 0, State.HELD),
        (RECIPIENT, 0, State.SENT),
        (RECIPIENT, 1, State.HELD),  # approved from tomorrow on
        ("964338531", 0, State.HELD),
        (f"{RECIPIENT}/konto-1", 0, State.SENT),
        (f"{RECIPIENT}/konto-2", 0, State.HELD),
    ],
)
async def test_an_organisation_is_sent_to_where_somebody_approved_just_that_unit(env, site, client, unit, since, state):
    guarded = await with_roads(env, site.tenant, guards=["R19"], partner=Scripted())
    by_account = Roads({KIND: (Road("partner", AddressKind.KONTO_ID),)}, ("R19",), env.roads.bases)
    by_account.open("partner", Adapter(outbound=Scripted(), directory=OwnDirectory(env, site.tenant)))
    listed = Mottaker(navn="Skolen", godkjent_av="kari", godkjent=guarded.today() + timedelta(days=since))
    guarded = replace(guarded, roads=by_account, mottakere={} if unit is None else {unit: listed})
    envelope = melding()
    message_id = await hand_in(guarded, client, envelope | {"mottaker": envelope["mottaker"] | {"kontoId": "konto-1"}})
    await work_off(guarded)
    assert await state_of(guarded, message_id) == state
    if state == State.HELD:
        assert await cause_of(guarded, message_id) == "r19-unit-not-approved"


# --- what is found in texts -----------------------------------------------------------------------------------------


async def test_another_childs_number_in_the_pdf_is_found_and_two_people_must_release_it(env, client):
    road = LetterRoad()
    env, _ = await with_letters(env, road)
    message_id = await submitted(env, client, None, "Møtet gjelder også", f"{STRANGER[:6]} {STRANGER[6:]}.")
    await release(env, message_id, "kari", "ola")
    await work_off(env)
    assert await stopped_by(env, message_id) == (State.HELD, "r20-foreign-number")
    assert road.sent == []
    assert await release(env, message_id, "kari", "ola") == [State.HELD, State.ACCEPTED]
    await work_off(env)
    assert (await state_of(env, message_id), len(road.sent)) == (State.DELIVERED, 1)


async def test_numbers_of_the_envelopes_own_people_are_no_finding(env, client):
    env, _ = await with_letters(env, LetterRoad())
    message_id = await submitted(env, client, None, f"Gjelder {CHILD} og {MOTHER}.")
    await release(env, message_id, "kari", "ola")
    await work_off(env)
    assert await state_of(env, message_id) == State.DELIVERED


class Stuck:
    """A reader of PDFs that is busy until it is let go."""

    def __init__(self):
        self.free = threading.Event()

    def read(self, pieces, size_bytes):
        self.free.wait(30)
        return letters.READER.read(pieces, size_bytes)


async def test_while_a_pdf_is_hard_to_read_no_other_thread_waits_for_it(env, client):
    env, _ = await with_letters(env, LetterRoad())
    stuck = Stuck()
    env = replace(env, pdfs=stuck)
    ids = [await hand_in(env, client, letter(), documents(f"Nr. {number}")) for number in range(8)]
    looks = [asyncio.ensure_future(outgoing_look(env, one)) for one in ids]
    try:
        async with asyncio.timeout(10):
            assert await asyncio.gather(*(asyncio.to_thread(int) for _ in range(32))) == [0] * 32
        assert not any(one.done() for one in looks)
    finally:
        stuck.free.set()
    assert [len(seen) for seen in await asyncio.gather(*looks)] == [1] * 8


async def outgoing_look(env, message_id):
    return await look(env, await load(env, message_id), {})


# --- refused at once ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"fodselsnummer": MOTHER[:-1] + str((int(MOTHER[-1]) + 1) % 10)}, "recipient-number"),
        ({"fodselsnummer": "00000000000"}, "recipient-number"),
    ],
)
async def test_a_number_that_nobody_can_have_is_refused_and_not_repeated(env, client, changes, code):
    env, _ = await with_letters(env, LetterRoad())
    envelope = letter()
    with pytest.raises(MalformedRequestError) as caught:
        await hand_in(env, client, envelope | {"mottaker": envelope["mottaker"] | changes}, documents())
    assert caught.value.instance_code == code
    assert changes["fodselsnummer"] not in str(caught.value)


async def test_made_up_people_get_no_letters_in_production(env, client):
    env, _ = await with_letters(env, LetterRoad())
    real = replace(env, settings=env.settings.model_copy(update={"mode": "production"}))
    with pytest.raises(MalformedRequestError, match="made-up"):
        await hand_in(real, client, letter(), documents())


async def test_a_delivery_time_that_has_passed_is_refused(env, client):
    env, _ = await with_letters(env, LetterRoad())
    with pytest.raises(MalformedRequestError) as caught:
        await hand_in(env, client, letter(brev={"leveresTidligst": "2026-01-01T08:00:00+01:00"}), documents())
    assert caught.value.instance_code == "delivery-time"


# --- look-ups -------------------------------------------------------------------------------------------------------


async def test_everybody_in_the_case_is_looked_up_and_nobody_for_a_message_to_a_body(env, client):
    env, people = await with_letters(env, LetterRoad())
    await submitted(env, client)
    assert set(people.asked) == {MOTHER, FATHER, CHILD}


async def test_a_register_that_knows_better_than_the_envelope_stops_the_letter(env, client):
    env, people = await with_letters(env, LetterRoad())
    people.residents[CHILD] = {"grading": Grading.STRICTLY_CONFIDENTIAL}
    message_id = await submitted(env, client)
    assert await cause_of(env, message_id) == "r05-strictly-confidential-letter"


async def test_without_an_answer_of_the_register_no_letter_leaves(env, client):
    env, people = await with_letters(env, LetterRoad())
    people.residents[FATHER] = None
    message_id = await submitted(env, client)
    assert await stopped_by(env, message_id) == (State.HELD, "r08-no-answer")


async def test_a_notice_that_tells_is_a_stop(env, client):
    env, _ = await with_letters(env, LetterRoad(), DIGITAL, notices=("Brev fra barnevernet",))
    message_id = await submitted(env, client)
    assert await cause_of(env, message_id) == "r17-notice-not-neutral"
