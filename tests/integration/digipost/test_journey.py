"""A letter from the case system to its reader, through the real engine and every rule: once, or held with its reason."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from gateway.app import environment
from gateway.crashpoints import Point, Side
from gateway.domain.lifecycle import State
from gateway.errors import UnknownResourceError
from gateway.pipeline.partner_words import read_words
from gateway.pipeline.people import Decision, decide
from gateway.pipeline.worker import Incarnation, run_suspects
from gateway.simulators.digipost.faults import DigipostFault
from gateway.store import journal
from gateway.store.tables import message_state, queue_item
from tests.digipost_kit import KARI, PER, signed_path
from tests.integration.digipost.office import brev, office
from tests.integration.outbound.kit import attempts_of, cause_of, parcels_of, read
from tests.integration.outbound.test_outbound_crash import Killed, kill, take_up_orphans_of_all
from tests.work import state_of, work_off

PAPER = "digipost:post"
__all__ = ["kill"]  # a fixture


async def told(here, message_id, event):
    """The journal's entries of one event."""
    rows = await here.env.store.read(lambda conn: journal.of_message(conn, message_id))
    return [json.loads(row.entry) for row in rows if row.event == event]


def sent_to(here):
    """How often a letter was handed to Digipost."""
    return here.server.requests.count("POST /messages")


async def test_a_letter_that_two_people_released_is_in_its_readers_mailbox_and_every_signed_answer_is_kept(bergen):
    message_id = await bergen.sent()
    assert await state_of(bergen.env, message_id) is State.DELIVERED
    (letter,) = bergen.letters
    (document,) = letter.message.documents
    assert (letter.message.number, document.content, document.subject) == (KARI, brev(), "Brev fra kommunen")
    assert bergen.server.post.against_the_rules == []
    words = await read_words(bergen.env, message_id, "sb-ingrid")
    assert [signed_path(piece) for piece in words.values()] == ["/identification", "/messages"]
    (entry,) = await told(bergen, message_id, journal.PARTNER_SIGNED)
    assert {name for name in entry["commit"] if name.startswith("evidence:")} == set(words)
    assert (await told(bergen, message_id, journal.PARTNER_WORDS_SHOWN))[0]["actor"] == "sb-ingrid"
    with pytest.raises(UnknownResourceError):
        await read_words(bergen.env, "01990000-0000-7000-8000-000000000000", "sb-ingrid")


async def test_that_it_was_opened_is_told_after_it_was_delivered_once_and_with_its_proof(bergen):
    message_id = await bergen.sent()
    document = bergen.letters[0].message.documents[0].uuid
    bergen.server.post.open(document)

    async def opened():
        found = await bergen.env.store.read(lambda conn: journal.of_message(conn, message_id))
        return sum(row.event == journal.PARTNER_SIGNED for row in found) == 2

    await bergen.hears(opened)
    words = await read_words(bergen.env, message_id, "sb-ingrid")
    assert signed_path(words["evidence:3"]) == "/documents/events"
    asked = bergen.server.requests.count("GET /documents/events")

    async def read_again():
        return bergen.server.requests.count("GET /documents/events") >= asked + 3

    await bergen.hears(read_again)
    assert len(await read_words(bergen.env, message_id, "sb-ingrid")) == 3


async def test_a_readers_number_stands_nowhere_in_the_store_but_sealed(bergen, tmp_path):
    message_id = await bergen.sent()
    assert KARI not in (await parcels_of(bergen.env, message_id))[0].recipient
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert any(file.stat().st_size for file in files)
    assert not any(KARI.encode() in file.read_bytes() for file in files)


async def test_attachments_have_neutral_names_in_the_readers_language(bergen):
    await bergen.sent(contents=(brev(), brev("Eit vedlegg.")), brev={"sprak": "nn"})
    documents = bergen.letters[0].message.documents
    assert [one.subject for one in documents] == ["Brev frå kommunen", "Vedlegg 1"]
    assert [one.content for one in documents] == [brev(), brev("Eit vedlegg.")]


@pytest.mark.parametrize("fault", [DigipostFault.LOST_ANSWER, DigipostFault.WRONG_CLOCK])
async def test_an_answer_that_is_lost_or_not_to_be_believed_is_asked_for_and_nothing_is_sent_twice(bergen, fault):
    arm_for_letter(bergen, fault)
    message_id = await bergen.sent()
    assert await state_of(bergen.env, message_id) is State.DELIVERED
    assert (sent_to(bergen), len(bergen.letters)) == (1, 1)
    assert (await attempts_of(bergen.env, message_id))[0].startswith("uncertain")
    words = await read_words(bergen.env, message_id, "sb-ingrid")
    assert signed_path(list(words.values())[-1]).endswith("/status")


def arm_for_letter(here, fault):
    """Let it go wrong with the next letter itself."""
    send = here.server.post.send

    def armed(broker, message):
        here.server.post.send = send
        here.server.faults.arm(fault)
        return send(broker, message)

    here.server.post.send = armed


async def test_a_sealed_letter_whose_answer_is_lost_is_held_because_nobody_can_compare_it(bergen):
    """It is sealed anew in each attempt, so what Digipost has under its id tells nothing of its bytes."""
    arm_for_letter(bergen, DigipostFault.LOST_ANSWER)
    message_id = await bergen.sent(brev={"forseglet": True})
    assert (await state_of(bergen.env, message_id), await cause_of(bergen.env, message_id)) == (
        State.HELD,
        "cannot-ask",
    )
    assert (sent_to(bergen), len(bergen.letters)) == (1, 1)


async def test_a_proxys_503_is_no_word_of_digiposts_and_the_letter_goes_later(bergen):
    bergen.server.faults.arm(DigipostFault.UNSIGNED_503)
    message_id = await bergen.sent()
    assert await attempts_of(bergen.env, message_id) == ["not-taken:not-identified", "taken"]
    assert (await state_of(bergen.env, message_id), len(bergen.letters)) == (State.DELIVERED, 1)


async def test_a_letter_that_is_asked_to_wait_waits_so_long(bergen):
    bergen.server.faults.arm(DigipostFault.THROTTLED)
    message_id = await bergen.sent()
    assert await attempts_of(bergen.env, message_id) == ["not-taken:throttled"]
    rows = await read(bergen.env, select(queue_item.c.run_at).where(queue_item.c.message_id == message_id))
    assert rows[0].run_at > bergen.env.now() + 5_000_000


async def test_a_reader_who_closes_the_account_meanwhile_gets_nothing_on_paper_by_itself(bergen):
    bergen.server.faults.arm(DigipostFault.CLOSING_ACCOUNT)
    message_id = await bergen.sent(brev={"forseglet": True})
    assert await state_of(bergen.env, message_id) is State.HELD
    assert (await cause_of(bergen.env, message_id)).startswith("r15-print")
    assert bergen.letters == []
    assert [row.road for row in await parcels_of(bergen.env, message_id)] == ["digipost:fodselsnummer", "digipost:post"]


async def test_what_digipost_has_under_our_ids_with_other_bytes_is_held_for_a_person(bergen, monkeypatch):
    arm_for_letter(bergen, DigipostFault.LOST_ANSWER)
    monkeypatch.setattr("gateway.simulators.digipost.post._hash", lambda _document: "c3RyYW5nZQ==")
    message_id = await bergen.sent()
    assert (await state_of(bergen.env, message_id), await cause_of(bergen.env, message_id)) == (
        State.HELD,
        "partner-refused",
    )
    assert sent_to(bergen) == 1


async def test_an_event_of_an_unknown_type_is_stored_for_a_person_and_moves_no_letter(bergen):
    message_id = await bergen.sent()
    bergen.server.post.open(bergen.letters[0].message.documents[0].uuid)
    bergen.server.faults.arm(DigipostFault.UNKNOWN_EVENT)

    async def kept():
        return bool(await read(bergen.env, select(message_state).where(message_state.c.type == "ukjent.v1")))

    await bergen.hears(kept)
    await work_off(bergen.env)
    (row,) = await read(bergen.env, select(message_state).where(message_state.c.type == "ukjent.v1"))
    assert row.state == State.QUARANTINED.value
    assert await state_of(bergen.env, message_id) is State.DELIVERED


async def test_a_letter_that_digipost_could_not_take_is_held_before_anybody_is_called(bergen):
    both = {"apningskvittering": True, "avtale": {"start": "2030-01-01T09:00:00+01:00"}}
    message_id = await bergen.sent(brev=both)
    assert await attempts_of(bergen.env, message_id) == ["refused:two-data-types"]
    assert await state_of(bergen.env, message_id) is State.HELD
    assert bergen.server.requests == []


async def test_a_letter_for_later_is_taken_and_not_called_delivered(bergen):
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    message_id = await bergen.sent(brev={"leveresTidligst": later, "apningskvittering": True, "smsEtterTimer": [24]})
    assert await state_of(bergen.env, message_id) is State.SENT
    message = bergen.letters[0].message
    assert (message.delivery_time.isoformat()[:16], message.documents[0].wants_receipt) == (later[:16], True)


@pytest.mark.parametrize("side", list(Side))
async def test_a_gateway_that_dies_around_the_call_sends_one_letter(configuration, client, keys, pdfs, kill, side):
    """Before the call nothing had left; after it Digipost has the letter. Which of them it was, Digipost is asked."""
    async with environment(configuration) as bare, office(configuration, bare, client, keys, pdfs=pdfs) as here:
        message_id = await here.hand_in()
        await work_off(here.env)
        for person in ("sb-ingrid", "sb-ola"):
            await decide(here.env, message_id, Decision("release", person, "gjennomgått"))
        kill(Point.SEND, side)
        with pytest.raises(Killed):
            await work_off(here.env, owner="11111111-1111-4111-8111-111111111111")
        assert len(here.letters) == (side is Side.AFTER)
        server, owner = here.server, "22222222-2222-4222-8222-222222222222"
        async with (
            environment(configuration) as again,
            office(configuration, again, client, keys, server=server, pdfs=pdfs) as after,
        ):
            await after.env.store.write(lambda conn: take_up_orphans_of_all(after.env, conn, owner), Point.SWEEP)
            await run_suspects(after.env, Incarnation(owner))
            await work_off(after.env, owner=owner)
            assert await state_of(after.env, message_id) is State.DELIVERED
            assert (len(after.letters), sent_to(after)) == (1, 1)
            assert any(asked.endswith("/status") for asked in server.requests)


async def test_a_letter_to_nobodys_mailbox_goes_on_paper_only_when_a_person_has_released_just_this_one(bergen):
    message_id = await bergen.hand_in(number=PER)
    await work_off(bergen.env)
    await bergen.release(message_id, "sb-ingrid", "sb-ola")
    await work_off(bergen.env)
    assert (await cause_of(bergen.env, message_id)).startswith("r15-print")
    assert bergen.letters == []
    while await state_of(bergen.env, message_id) is State.HELD:
        await bergen.release(message_id, f"sb-{len(await told(bergen, message_id, 'person-released'))}", road=PAPER)
        await work_off(bergen.env)
    assert await state_of(bergen.env, message_id) is State.SENT
    (letter,) = bergen.letters
    assert (letter.channel, letter.message.printed, letter.message.number) == ("PRINT", True, None)
    bergen.server.post.postmark(letter.message.documents[0].uuid)

    async def posted():
        return await state_of(bergen.env, message_id) is State.DELIVERED

    await bergen.hears(posted)
