"""Letters reach the mailbox of whom they are for, once, and of everything that goes wrong the gateway hears the truth."""

import re
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from adapters.digipost.features import features
from gateway.simulators.digipost.faults import DigipostFault
from gateway.simulators.digipost.post import delivery
from gateway.simulators.digipost.server import RETRY_AFTER_S
from gateway.spi import (
    Address,
    Appointment,
    EmailNotice,
    PostalAddress,
    PrintOrder,
    Refused,
    Taken,
    TryLater,
    Uncertain,
)
from gateway.testing.clock import HandClock
from tests.digipost_kit import (
    KARI,
    PDF,
    PER,
    RESERVERT,
    SENDER,
    SPERRET,
    UKJENT,
    certificate_pem,
    changed,
    decrypted,
    digipost,
    document,
    letter,
    pin,
    primary,
    signed_path,
    simulator,
    software,
)

HOME = PostalAddress("Ola Nordmann", ("Testgata 1",), "0460", "Oslo")
OFFICE_ADDRESS = PostalAddress("Kommunen", ("Postboks 1",), "0001", "Oslo")


def order(released_by="sb-ingrid"):
    return PrintOrder(HOME, OFFICE_ADDRESS, released_by)


def taken_by(server):
    return list(server.post.letters.values())


async def test_a_letter_reaches_the_mailbox_with_both_levels_written_out_and_the_signed_answers_kept(keys):
    async with digipost(keys) as here:
        sent = letter(document(), document(b"%PDF vedlegg", "Vedlegg"))
        outcome = await here.road.outbound.send(sent)
        assert outcome == Taken(primary(sent), final=True)
        (stored,) = taken_by(here.server)
        assert (stored.sender, stored.channel, stored.message.number) == (SENDER, "DIGIPOST", KARI)
        assert [one.content for one in stored.message.documents] == [PDF, b"%PDF vedlegg"]
        assert [one.subject for one in stored.message.documents] == ["Informasjon", "Vedlegg"]
        for one in stored.message.documents:
            assert (one.authentication_level, one.sensitivity_level) == ("IDPORTEN_4", "SENSITIVE")
        assert here.server.requests == ["GET /", "POST /identification", "POST /messages"]
        assert [signed_path(piece) for piece in outcome.evidence] == ["/identification", "/messages"]


async def test_an_account_that_is_not_approved_for_id_porten_asks_for_two_factors_and_never_for_less(keys):
    async with digipost(keys, authentication_level="TWO_FACTOR") as here:
        assert isinstance(await here.road.outbound.send(letter()), Taken)
        (stored,) = taken_by(here.server)
        assert stored.message.documents[0].authentication_level == "TWO_FACTOR"
    async with digipost(keys) as here:
        here.server.register(replace(here.server.brokers[9999], idporten=False))
        outcome = await here.road.outbound.send(letter())
        assert outcome == TryLater("not-approved-for-idporten")
        assert taken_by(here.server) == []


@pytest.mark.parametrize(
    ("recipient", "outcome"),
    [
        (PER, Refused("unknown-recipient", proof=True)),
        (SPERRET, Refused("unknown-recipient", proof=True)),
        (UKJENT, Refused("recipient-not-identified")),
        ("0101011234", Refused("recipient-no-number")),
    ],
)
async def test_who_is_no_user_gets_no_letter_and_a_signed_no_alone_proves_it(keys, recipient, outcome):
    async with digipost(keys) as here:
        assert await here.road.outbound.send(letter(person=recipient)) == outcome
        assert "POST /messages" not in here.server.requests


async def test_digipost_stops_no_letter_to_a_reserved_person_so_the_simulator_counts_it(keys):
    """Digipost does not look into KRR: whoever sends must (digipost.md 10.1)."""
    async with digipost(keys) as here:
        sent = letter(person=RESERVERT)
        assert isinstance(await here.road.outbound.send(sent), Taken)
        assert here.server.post.against_the_rules == [sent.key]


async def test_the_same_letter_again_has_one_effect_and_the_same_answer(keys):
    async with digipost(keys) as here:
        sent = letter()
        first, second = await here.road.outbound.send(sent), await here.road.outbound.send(sent)
        assert first == second == Taken(primary(sent), final=True)
        assert len(taken_by(here.server)) == 1


@pytest.mark.parametrize("fault", [DigipostFault.LOST_ANSWER])
async def test_a_letter_whose_answer_was_lost_is_uncertain_until_it_is_asked_about(keys, fault):
    async with digipost(keys) as here:
        here.server.faults.arm(fault)
        sent = letter()
        assert await here.road.outbound.send(sent) == Uncertain("no-answer")
        assert len(taken_by(here.server)) == 1
        asked = await here.road.outbound.status(sent)
        assert asked == Taken(primary(sent), final=True)
        assert len(asked.evidence) == 1
        assert here.server.requests.count("POST /messages") == 1


async def test_a_letter_that_was_never_taken_is_not_there(keys):
    async with digipost(keys) as here:
        assert await here.road.outbound.status(letter()) == TryLater("not-taken")


async def test_other_bytes_under_the_same_ids_are_a_stop_and_no_delivery(keys):
    async with digipost(keys) as here:
        sent = letter()
        await here.road.outbound.send(sent)
        other = changed(sent, documents=(document(b"%PDF other", uuid=primary(sent)),))
        for outcome in (await here.road.outbound.status(other), await here.road.outbound.send(other)):
            assert outcome == Refused("content-differs")
        fresh_uuids = changed(sent, documents=(document(),))
        assert await here.road.outbound.send(fresh_uuids) == Uncertain("already-there")


@pytest.mark.parametrize("recipient", [KARI, PER])
@pytest.mark.parametrize("fault", [DigipostFault.UNSIGNED_404, DigipostFault.WRONG_CLOCK, DigipostFault.WRONG_HASH])
async def test_what_is_not_signed_is_never_acted_on(keys, recipient, fault):
    """An unsigned 404 above all: it must not look as if the person had no account."""
    async with digipost(keys) as here:
        here.server.faults.arm(fault, 2)
        assert await here.road.outbound.send(letter(person=recipient)) == TryLater("answer-not-believed")
        assert "POST /messages" not in here.server.requests


@pytest.mark.parametrize("fault", list(DigipostFault))
async def test_whatever_goes_wrong_with_the_letter_itself_a_no_means_that_it_was_not_taken(keys, fault):
    async with digipost(keys, session_s=2 if fault is DigipostFault.SLOW_BODY else 5) as here:
        await here.road.outbound.send(letter(person=PER))  # so that the root document is known

        async def armed(attempt):
            found = await ask(attempt)
            here.server.faults.arm(fault)
            return found

        ask, here.road.outbound._identified = here.road.outbound._identified, armed
        sent = letter()
        outcome = await here.road.outbound.send(sent)
        taken = bool(taken_by(here.server))
        assert taken == (fault in _TAKEN_AT), fault
        if taken:
            assert isinstance(outcome, Taken | Uncertain)
        else:
            assert not isinstance(outcome, Taken)
        assert isinstance(outcome, _EXPECTED.get(fault, Uncertain)), (fault, outcome)
        here.server.faults.arm(fault, 0)
        if isinstance(outcome, Uncertain):
            asked = await here.road.outbound.status(sent)
            assert isinstance(asked, Taken if taken else TryLater)


_TAKEN_AT = {
    DigipostFault.WRONG_CLOCK,
    DigipostFault.WRONG_HASH,
    DigipostFault.GZIP,
    DigipostFault.CHUNKED,
    DigipostFault.SLOW_BODY,
    DigipostFault.LOST_ANSWER,
    DigipostFault.UNKNOWN_EVENT,
}
_EXPECTED = {
    DigipostFault.GZIP: Taken,
    DigipostFault.UNKNOWN_EVENT: Taken,
    DigipostFault.THROTTLED: TryLater,
    DigipostFault.CLOSING_ACCOUNT: Refused,
}


async def test_a_throttled_call_waits_as_long_as_it_was_told_and_an_unsigned_one_says_nothing(keys):
    async with digipost(keys) as here:
        here.server.faults.arm(DigipostFault.THROTTLED)
        assert await here.road.outbound.send(letter()) == TryLater("throttled", float(RETRY_AFTER_S))
        here.server.faults.arm(DigipostFault.UNSIGNED_503)
        assert await here.road.outbound.send(letter()) == TryLater("not-identified")


async def test_an_account_that_closes_between_question_and_letter_is_a_proven_no(keys):
    async with digipost(keys) as here:
        here.server.faults.arm(DigipostFault.CLOSING_ACCOUNT)
        assert await here.road.outbound.send(letter()) == Refused("unknown-recipient", proof=True)


async def test_nobody_listening_is_tried_later(keys):
    async with digipost(keys, api_url="http://127.0.0.1:9") as here:
        assert await here.road.outbound.send(letter()) == TryLater("not-connected")


async def test_a_letter_that_nobody_listens_to_after_the_identification_has_not_left(keys):
    clock = HandClock()
    async with AsyncExitStack() as stack:
        base = await stack.enter_async_context(simulator(keys, clock).serve())
        async with digipost(keys, api_url=base) as here:

            async def gone(attempt):
                found = await ask(attempt)
                await stack.aclose()
                return found

            ask, here.road.outbound._identified = here.road.outbound._identified, gone
            assert await here.road.outbound.send(letter()) == TryLater("not-connected")


@pytest.mark.parametrize("channel", ["PRINT", "PENDING", "EPOST"])
async def test_a_letter_that_went_another_way_than_it_was_sent_is_for_a_person(keys, channel, monkeypatch):
    async with digipost(keys) as here:
        monkeypatch.setattr(here.server.post, "_channel", lambda _message, _person: channel)
        sent = letter()
        assert await here.road.outbound.send(sent) == Uncertain("other-channel")
        assert await here.road.outbound.status(sent) == Uncertain("other-channel")


@pytest.mark.parametrize("changed", ["uuid", "content"])
async def test_a_signed_answer_about_another_letter_is_no_delivery(keys, changed, monkeypatch):
    other = {"uuid": "6d99008e-2672-4b55-9b09-996b09a06e47", "content": b"%PDF other"}[changed]

    def wrong(stored):
        documents = tuple(replace(one, **{changed: other}) for one in stored.message.documents)
        return delivery(replace(stored, message=replace(stored.message, documents=documents)))

    monkeypatch.setattr("gateway.simulators.digipost.server.delivery", wrong)
    async with digipost(keys) as here:
        assert await here.road.outbound.send(letter()) == Refused("content-differs")


async def test_print_is_never_sent_unless_a_named_person_released_it(keys):
    async with digipost(keys) as here:
        for released_by in ("", "  "):
            asked = letter(person=SPERRET, print_order=order(released_by))
            assert await here.road.outbound.send(asked) == Refused("print-not-released")
        assert here.server.requests == []
        released = letter(person=PER, print_order=order())
        outcome = await here.road.outbound.send(released)
        assert outcome == Taken(primary(released), final=False)
        (stored,) = taken_by(here.server)
        assert (stored.channel, stored.message.printed, stored.message.number) == ("PRINT", True, None)


async def test_a_sealed_letter_opens_with_its_readers_key_and_no_other(keys):
    async with digipost(keys) as here:
        sent = letter(document(sealed=True, pages=2), document(b"%PDF clear"))
        assert isinstance(await here.road.outbound.send(sent), Taken)
        sealed, clear = taken_by(here.server)[0].message.documents
        assert (sealed.encrypted, clear.encrypted, clear.content) == (True, False, b"%PDF clear")
        assert decrypted(sealed.content, keys.user.key).plain == PDF
        printed = letter(document(sealed=True, pages=2), person=PER, print_order=order())
        assert isinstance(await here.road.outbound.send(printed), Taken)
        assert decrypted(taken_by(here.server)[1].message.documents[0].content, keys.printer.key).plain == PDF


async def test_what_was_sealed_cannot_be_compared_and_is_left_to_a_person(keys):
    async with digipost(keys) as here:
        here.server.faults.arm(DigipostFault.LOST_ANSWER)
        sent = letter(document(sealed=True, pages=1))
        assert isinstance(await here.road.outbound.send(sent), Uncertain)
        assert await here.road.outbound.status(sent) is None
        assert await here.road.outbound.send(sent) == Uncertain("content-not-comparable")


async def test_notifications_receipt_and_delivery_time_are_what_was_asked_for_in_neutral_words(keys):
    async with digipost(keys) as here:
        later = here.clock.now() + timedelta(days=2)
        email = EmailNotice("kari@example.no", (later,))
        sent = letter(opening_receipt=True, sms_after_hours=(24, 72), email=email, delivery_time=later)
        outcome = await here.road.outbound.send(sent)
        assert outcome == Taken(primary(sent), final=False)
        assert await here.road.outbound.status(sent) == Taken(primary(sent), final=False)
        (stored,) = taken_by(here.server)
        assert stored.message.documents[0].wants_receipt
        assert abs(stored.message.delivery_time - later) < timedelta(milliseconds=1)
        here.clock.turn(3 * 86400)
        assert await here.road.outbound.status(sent) == Taken(primary(sent), final=True)


async def test_what_an_account_may_is_asked_of_digipost_and_no_grant_is_nothing(keys):
    async with digipost(keys) as here:
        (sender,), api = here.road.outbound._settings.senders, here.road.outbound._api
        assert "no.digipost.feature.delivery.direct-to-print" in await features(api, sender)
        here.server.register(replace(here.server.brokers[9999], senders=frozenset()))
        assert await features(api, sender) == {}
        assert await here.road.outbound.send(letter()) == TryLater("broker-not-authorized")


async def test_a_delivery_time_that_is_past_is_refused(keys):
    async with digipost(keys) as here:
        sent = letter(delivery_time=datetime(2020, 1, 1, tzinfo=UTC))
        assert await here.road.outbound.send(sent) == Refused("delivery-date-historical")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"office": Address("4601", "01")}, "sender-unknown"),
        ({"documents": ()}, "documents-count"),
        ({"documents": tuple(document(uuid=f"{n:032x}") for n in range(101))}, "documents-count"),
        ({"documents": (document(subject="Vedtak fra Barneverntjenesten"),)}, "subject-not-neutral"),
        ({"documents": (document(subject=" "),)}, "subject"),
        ({"documents": (document(subject="a\nb"),)}, "subject"),
        ({"documents": (document(file_type='pdf"\r\nX: y'),)}, "file-type"),
        ({"documents": (document(file_type="txt"),), "print_order": order()}, "print-not-pdf"),
        ({"documents": (document(uuid="1"),)}, "document-no-uuid"),
        ({"documents": (document(size_bytes=2**40),)}, "too-large"),
        ({"documents": (document(size_bytes=17 * 2**20, sealed=True, pages=1),)}, "too-large-to-seal"),
        ({"documents": (document(size_bytes=len(PDF) + 1),)}, "document-differs"),
        (
            {"documents": (document(appointment=Appointment(datetime(2026, 12, 1, 9, tzinfo=UTC))),),
             "opening_receipt": True},
            "two-data-types",
        ),
    ],
    ids=[
        "office", "none", "too-many", "telling", "blank", "line-end", "header", "print", "uuid", "large", "large-sealed", "length",
        "two-types",
    ],
)  # fmt: skip
async def test_a_letter_that_no_retry_would_mend_is_refused_and_not_sent(keys, fields, code):
    async with digipost(keys) as here:
        assert await here.road.outbound.send(changed(letter(), **fields)) == Refused(code)
        assert "POST /messages" not in here.server.requests


@pytest.mark.proves("S59")
async def test_a_renewed_certificate_is_taken_if_it_is_believed_and_holds_everything_if_not(keys):
    async with digipost(keys, pins=[pin(keys.digipost), pin(keys.renewed)]) as here:
        await here.road.outbound.send(letter())
        here.server.rotate(software(keys.renewed))
        assert isinstance(await here.road.outbound.send(letter()), Taken)  # the control: both are pinned
        assert here.server.requests.count("GET /") == 2
    async with digipost(keys) as here:
        watched = here.road.watch.observations()
        await here.road.outbound.send(letter())
        assert (await anext(watched)).well
        here.server.rotate(software(keys.renewed))
        assert await here.road.outbound.send(letter()) == TryLater("answer-not-believed")
        assert not (await anext(watched)).well
        assert here.server.requests.count("POST /messages") == 1


async def test_a_stranger_who_answers_in_digiposts_place_is_not_believed(keys):
    async with digipost(keys, pins=["00" * 32]) as here:
        assert await here.road.outbound.send(letter()) == TryLater("answer-not-believed")
        assert here.server.requests == ["GET /"]


async def test_a_certificate_below_a_root_is_believed_for_its_organisation_alone(keys, tmp_path):
    roots = tmp_path / "root.pem"
    roots.write_bytes(b"".join(certificate_pem(one) for one in keys.digipost.issuers))
    for organisation, outcome in (("984661185", Taken), ("974760673", TryLater)):
        told = {"pins": [], "roots": [roots], "organisation_number": organisation}
        async with digipost(keys, **told) as here:
            assert isinstance(await here.road.outbound.send(letter()), outcome)


async def test_a_wrong_signature_of_ours_is_told_by_its_code_and_the_letter_waits(keys):
    async with digipost(keys, signing=keys.renewed) as here:
        assert isinstance(await here.road.outbound.send(letter()), TryLater)
        assert here.server.requests == ["GET /"]


async def test_nothing_of_the_letter_or_its_reader_is_in_the_log(keys):
    async with digipost(keys, session_s=2) as here:
        for fault in DigipostFault:
            here.server.faults.arm(fault)
            await here.road.outbound.send(letter(email=EmailNotice("kari@example.no", (here.clock.now(),))))
        said = here.log.getvalue()
        assert said
        assert re.search(rf"{KARI}|Informasjon|example|alias", said) is None
