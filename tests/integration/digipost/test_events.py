"""What became of letters reaches the gateway: no event lost, none twice, an unknown one kept as it came."""

import asyncio
from datetime import timedelta

import pytest

from gateway.simulators.digipost.faults import DigipostFault
from gateway.spi import UNKNOWN_TYPE, Receipt, Refused
from tests.digipost_kit import KARI, OFFICE, PER, digipost, document, letter
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
    # A round has ended when the first request of the one after it has come.
    last = here.server.requests.count("GET /documents/events") + rounds + 1
    async with asyncio.timeout(5):
        while not listening.done():
            await asyncio.wait({listening}, timeout=0.005)
            if count is None and here.server.requests.count("GET /documents/events") >= last:
                break
    listening.cancel()
    await asyncio.wait({listening})
    await deliveries.aclose()
    return found


async def sent(here, count=1, **other):
    letters = [letter(opening_receipt=True, **other) for _ in range(count)]
    for one in letters:
        await here.road.sender.send(one)
    here.awaited.extend(one.primary.uuid for one in letters)
    return letters


@pytest.fixture
async def here(keys):
    async with digipost(keys, events_page=7) as here:
        yield here


async def test_more_events_than_a_page_holds_all_arrive_each_once(here):
    letters = await sent(here, 16)
    for one in letters:
        here.server.post.open(one.primary.uuid)
        here.clock.turn(1)
    receipts = await heard(here, len(letters))
    assert [one.partner_reference for one in receipts] == [one.primary.uuid for one in letters]
    assert all(isinstance(one, Receipt) and one.refused is None and one.recipient is None for one in receipts)


async def test_what_was_not_acknowledged_comes_again_and_what_was_does_not(here):
    for one in await sent(here, 2):
        here.server.post.open(one.primary.uuid)
    here.clock.turn(1)
    first, second = await heard(here, 2)
    await first.acknowledge()
    (again,) = await heard(here)
    assert again.partner_reference == second.partner_reference
    await again.acknowledge()
    assert await heard(here) == []


async def test_what_was_not_acknowledged_comes_again_however_long_it_took(here):
    (one,) = await sent(here)
    here.server.post.open(one.primary.uuid)
    here.clock.turn(1)
    assert len(await heard(here, rounds=90)) == 1  # an hour and a half, in which nobody stored it
    (again,) = await heard(here, 1)
    assert again.partner_reference == one.primary.uuid


async def test_an_event_that_shows_late_is_not_passed_over(here):
    (one,) = await sent(here)
    before = here.clock.now()
    here.clock.turn(300)
    assert await heard(here, rounds=2) == []
    here.server.post.open(one.primary.uuid)
    late = here.server.post.events.pop()
    here.server.post.events.append(type(late)(**{**_fields(late), "at": before + timedelta(seconds=200)}))
    (receipt,) = await heard(here, 1)
    assert receipt.partner_reference == one.primary.uuid


async def test_a_receipt_that_came_before_its_letter_was_known_is_kept_for_it(here):
    (one,) = await sent(here)
    here.awaited.clear()
    here.server.post.open(one.primary.uuid)
    assert await heard(here, rounds=3) == []
    here.clock.turn(3600)
    assert await heard(here, rounds=1) == []
    here.awaited.append(one.primary.uuid)
    (receipt,) = await heard(here, 1)
    assert receipt.partner_reference == one.primary.uuid


async def test_the_opening_of_an_attachment_is_no_receipt(here):
    sent_letter = letter(document(), document(b"%PDF"), opening_receipt=True)
    await here.road.sender.send(sent_letter)
    here.awaited.append(sent_letter.primary.uuid)
    here.server.post.open(sent_letter.documents[1].uuid)
    here.clock.turn(1)
    happened = here.clock.now()
    assert await heard(here, rounds=70) == []
    assert here.road.inbound._accounts[0].since - happened > timedelta(hours=1)  # it holds back nothing


async def test_print_ends_with_the_postmark_or_with_a_refusal(here):
    posted, failed = await sent(here, 2, recipient=PER, print_order=order())
    here.server.post.postmark(posted.primary.uuid)
    here.server.post.happen(failed.primary.uuid, "PRINT_FAILED", ("failed-print-metadata", {"error-code": "X"}))
    here.clock.turn(1)
    receipts = {one.partner_reference: one.refused for one in await heard(here, 2)}
    assert receipts == {posted.primary.uuid: None, failed.primary.uuid: Refused("print-failed")}


async def test_an_event_of_an_unknown_type_is_kept_as_it_came_for_a_person(here):
    (one,) = await sent(here)
    here.server.post.open(one.primary.uuid)
    here.server.faults.arm(DigipostFault.UNKNOWN_EVENT)
    here.clock.turn(1)
    (kept,) = await heard(here, 1)
    assert (kept.message_type, kept.fault, kept.address) == (UNKNOWN_TYPE, "unknown-event", OFFICE)
    parts = {name: b"".join([piece async for piece in stream]) async for name, stream in kept.parts()}
    assert b"LETTER_EATEN_BY_DOG" in parts[kept.sealed_part]
    assert one.primary.uuid.encode() in parts[kept.sealed_part]


async def test_a_known_event_that_ends_nothing_is_counted_and_its_address_is_not_told(here):
    (one,) = await sent(here)
    failed = ("email-notification-failed-metadata", {"email-address": "kari@example.no", "error-code": "X"})
    here.server.post.happen(one.primary.uuid, "EMAIL_NOTIFICATION_FAILED", failed)
    here.clock.turn(1)
    assert await heard(here) == []
    assert here.log.getvalue().count("email-notification-failed") == 1
    assert "example" not in here.log.getvalue()


@pytest.mark.parametrize(
    "fault", [DigipostFault.UNSIGNED_503, DigipostFault.SERVER_ERROR, DigipostFault.CUT, DigipostFault.WRONG_HASH]
)
async def test_a_fault_while_events_are_read_loses_none(here, fault):
    for one in await sent(here, 9):
        here.server.post.open(one.primary.uuid)
    here.server.faults.arm(fault)
    here.clock.turn(1)
    assert len(await heard(here, 9)) == 9
    assert KARI not in here.log.getvalue()


def _fields(event):
    return {name: getattr(event, name) for name in event.__slots__}
