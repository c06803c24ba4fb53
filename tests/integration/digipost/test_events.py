"""What became of letters reaches the gateway: no event lost, none twice, an unknown one kept as it came."""

import asyncio
import base64
import json
from datetime import timedelta

import pytest

from gateway.simulators.digipost.answers import RefusalError
from gateway.simulators.digipost.faults import DigipostFault
from gateway.spi import UNKNOWN_TYPE, Receipt, Refused, Stage
from tests.digipost_kit import KARI, OFFICE, PER, SENDER, digipost, document, letter, primary, signed_path
from tests.integration.digipost.test_send import order


async def heard(here, count=None, rounds=2):
    """The next so many things that the road brings; without a count everything that it brings in so many rounds."""
    found, deliveries = [], here.road.inbound.deliveries()

    async def listen():
        async for one in deliveries:
            found.append(one)
            if len(found) == count:
                return

    listening = asyncio.create_task(listen())
    last = here.clock.monotonic() + 60 * rounds  # after each round the clock is turned
    async with asyncio.timeout(5):
        while not listening.done():
            await asyncio.wait({listening}, timeout=0.005)
            if count is None and here.clock.monotonic() >= last:
                break
    listening.cancel()
    await asyncio.wait({listening})
    await deliveries.aclose()
    return found


async def sent(here, count=1, **other):
    letters = [letter(opening_receipt=True, **other) for _ in range(count)]
    for one in letters:
        await here.road.outbound.send(one)
    here.known.update((primary(one), frozenset()) for one in letters)
    return letters


@pytest.fixture
async def here(keys):
    async with digipost(keys, events_page=7) as here:
        yield here


async def test_more_events_than_a_page_holds_all_arrive_each_once(here):
    letters = await sent(here, 16)
    for one in letters:
        here.server.post.open(primary(one))
        here.clock.turn(1)
    receipts = await heard(here, len(letters))
    assert [one.partner_reference for one in receipts] == [primary(one) for one in letters]
    assert all(isinstance(one, Receipt) and one.refused is None and one.recipient is None for one in receipts)


async def test_a_receipt_tells_how_far_the_letter_has_come_and_when_and_brings_what_digipost_signed_of_it_alone(here):
    opened, other = await sent(here, 2)
    happened = here.clock.now()
    here.server.post.open(primary(opened))
    here.clock.turn(1)
    here.server.post.happen(primary(other), "SHREDDED")
    here.clock.turn(1)
    first, second = await heard(here, 2)
    assert (first.stage, second.stage) == (Stage.OPENED, Stage.SHREDDED)
    assert abs(first.at - happened) < timedelta(milliseconds=1)
    for receipt, own, strange in ((first, opened, other), (second, other, opened)):
        (piece,) = receipt.evidence
        assert signed_path(piece) == "/documents/events"
        body = base64.b64decode(json.loads(piece)["body"])
        assert primary(own).encode() in body
        assert primary(strange).encode() not in body


async def test_what_happened_in_the_same_moment_to_somebody_else_is_no_evidence_of_this_letter(here):
    for one in await sent(here, 2):
        here.server.post.open(primary(one))
    here.clock.turn(1)
    assert [one.evidence for one in await heard(here, 2)] == [(), ()]


async def test_a_receipt_comes_without_proof_where_digipost_gives_no_page_of_a_moment(here, monkeypatch):
    (one,) = await sent(here)
    here.server.post.open(primary(one))
    here.clock.turn(1)
    page = here.server.post.page

    def refusing(broker, span, slot, sender):
        if span[1] - span[0] < timedelta(seconds=1):
            raise RefusalError(400, "INVALID_DATE_RANGE", "too short", "CLIENT_TECHNICAL")
        return page(broker, span, slot, sender)

    monkeypatch.setattr(here.server.post, "page", refusing)
    (receipt,) = await heard(here, 1)
    assert (receipt.partner_reference, receipt.evidence) == (primary(one), ())


async def test_what_the_gateway_knows_already_is_not_told_again_after_a_start(here):
    known, new = await sent(here, 2)
    for one in (known, new):
        here.server.post.open(primary(one))
        here.clock.turn(1)
    here.known[primary(known)] = frozenset({Stage.OPENED})
    assert [one.partner_reference for one in await heard(here)] == [primary(new)]


async def test_a_letter_for_later_is_delivered_when_digipost_says_so_and_is_asked_about_once_an_hour(here):
    tomorrow = here.clock.now() + timedelta(hours=5)
    (one,) = await sent(here, delivery_time=tomorrow)
    here.awaited.append(primary(one))
    (receipt,) = await heard(here, 1)
    assert (receipt.partner_reference, receipt.stage) == (primary(one), Stage.DELIVERED)
    assert [signed_path(piece) for piece in receipt.evidence] == [f"/documents/{SENDER}/{primary(one)}/status"]
    assert here.clock.now() >= tomorrow
    assert here.server.requests.count(f"GET /documents/{SENDER}/{primary(one)}/status") <= 7


async def test_a_letter_on_paper_is_asked_about_once_and_its_postmark_is_waited_for(here):
    (one,) = await sent(here, person=PER, print_order=order())
    here.awaited.append(primary(one))
    assert await heard(here, rounds=130) == []
    assert here.server.requests.count(f"GET /documents/{SENDER}/{primary(one)}/status") == 1


async def test_what_was_not_acknowledged_comes_again_and_what_was_does_not(here):
    for one in await sent(here, 2):
        here.server.post.open(primary(one))
    here.clock.turn(1)
    first, second = await heard(here, 2)
    await first.acknowledge()
    (again,) = await heard(here)
    assert again.partner_reference == second.partner_reference
    await again.acknowledge()
    assert await heard(here) == []


async def test_what_was_not_acknowledged_comes_again_however_long_it_took(here):
    (one,) = await sent(here)
    here.server.post.open(primary(one))
    here.clock.turn(1)
    assert len(await heard(here, rounds=90)) == 1  # an hour and a half, in which nobody stored it
    (again,) = await heard(here, 1)
    assert again.partner_reference == primary(one)


async def test_an_event_that_shows_late_is_not_passed_over(here):
    (one,) = await sent(here)
    before = here.clock.now()
    here.clock.turn(300)
    assert await heard(here, rounds=2) == []
    here.server.post.open(primary(one))
    late = here.server.post.events.pop()
    here.server.post.events.append(type(late)(**{**_fields(late), "at": before + timedelta(seconds=200)}))
    (receipt,) = await heard(here, 1)
    assert receipt.partner_reference == primary(one)


async def test_a_receipt_that_came_before_its_letter_was_known_is_kept_for_it(here):
    (one,) = await sent(here)
    here.known.clear()
    here.server.post.open(primary(one))
    assert await heard(here, rounds=3) == []
    here.clock.turn(3600)
    assert await heard(here, rounds=1) == []
    here.known[primary(one)] = frozenset()
    (receipt,) = await heard(here, 1)
    assert receipt.partner_reference == primary(one)


async def test_the_opening_of_an_attachment_is_no_receipt(here):
    sent_letter = letter(document(), document(b"%PDF"), opening_receipt=True)
    await here.road.outbound.send(sent_letter)
    here.known[primary(sent_letter)] = frozenset()
    here.server.post.open(sent_letter.letter.documents[1].uuid)
    here.clock.turn(1)
    happened = here.clock.now()
    assert await heard(here, rounds=70) == []
    (account,) = here.road.inbound._accounts
    assert account.since - happened > timedelta(hours=1)  # it holds back nothing
    assert len(account.waiting) == 1
    here.clock.turn(8 * 86400)
    assert await heard(here, rounds=2) == []
    assert account.waiting == {}  # nor is it kept for ever


async def test_print_ends_with_the_postmark_or_with_a_refusal(here):
    posted, failed = await sent(here, 2, person=PER, print_order=order())
    here.server.post.postmark(primary(posted))
    here.server.post.happen(primary(failed), "PRINT_FAILED", ("failed-print-metadata", {"error-code": "X"}))
    here.clock.turn(1)
    receipts = {one.partner_reference: one for one in await heard(here, 2)}
    assert (receipts[primary(posted)].stage, receipts[primary(posted)].refused) == (Stage.POSTED, None)
    assert receipts[primary(failed)].refused == Refused("print-failed")


async def test_an_event_of_an_unknown_type_is_kept_as_it_came_for_a_person(here):
    (one,) = await sent(here)
    here.server.post.open(primary(one))
    here.server.faults.arm(DigipostFault.UNKNOWN_EVENT)
    here.clock.turn(1)
    (kept,) = await heard(here, 1)
    assert (kept.message_type, kept.fault, kept.address) == (UNKNOWN_TYPE, "unknown-event", OFFICE)
    parts = {name: b"".join([piece async for piece in stream]) async for name, stream in kept.parts()}
    assert b"LETTER_EATEN_BY_DOG" in parts[kept.sealed_part]
    assert primary(one).encode() in parts[kept.sealed_part]


async def test_a_known_event_that_ends_nothing_is_counted_and_its_address_is_not_told(here):
    (one,) = await sent(here)
    failed = ("email-notification-failed-metadata", {"email-address": "kari@example.no", "error-code": "X"})
    here.server.post.happen(primary(one), "EMAIL_NOTIFICATION_FAILED", failed)
    here.clock.turn(1)
    assert await heard(here) == []
    assert here.log.getvalue().count("email-notification-failed") == 1
    assert "example" not in here.log.getvalue()


@pytest.mark.parametrize(
    "fault", [DigipostFault.UNSIGNED_503, DigipostFault.SERVER_ERROR, DigipostFault.CUT, DigipostFault.WRONG_HASH]
)
async def test_a_fault_while_events_are_read_loses_none(here, fault):
    for one in await sent(here, 9):
        here.server.post.open(primary(one))
    here.server.faults.arm(fault)
    here.clock.turn(1)
    assert len(await heard(here, 9)) == 9
    assert KARI not in here.log.getvalue()


def _fields(event):
    return {name: getattr(event, name) for name in event.__slots__}
