"""What became of letters at SvarUt: each status has one meaning, and none is believed to be more than it says."""

import asyncio
import json

import pytest

from adapters.svarut.outcomes import STATUSES
from gateway.simulators.fiks.register import Integration
from gateway.simulators.svarut.faults import SvarUtFault
from gateway.simulators.svarut.post import STATUSES as THEIRS
from gateway.spi import Observation, Refused, Stage, Trouble
from tests import crypto_kit as kit
from tests.digipost_kit import KARI, letter
from tests.svarut_kit import INTEGRATION, KONTO, PASSWORD, svarut


async def taken(here):
    """A letter that SvarUt has, and whose end is awaited."""
    parcel = letter()
    outcome = await here.road.outbound.send(parcel)
    here.office.wait_for(parcel, outcome)
    return parcel, outcome.partner_reference


async def told(here, rounds=3):
    """The receipts of some rounds."""
    found, deliveries = [], here.road.inbound.deliveries()

    async def gather():
        async for one in deliveries:
            found.append(one)  # noqa: PERF401  what came before the end counts

    task, asked = asyncio.create_task(gather()), "status-sok"
    async with asyncio.timeout(10):
        while sum(asked in one for one in here.server.requests) < rounds:
            await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await deliveries.aclose()
    return found


def test_every_status_of_the_published_list_has_a_meaning(reference):
    schema = json.loads((reference / "fiks" / "svarut-v2" / "forsendelse-status-api-v2.json").read_text())
    published = schema["components"]["schemas"]["ForsendelseStatus"]["properties"]["status"]["enum"]
    assert set(published) == set(STATUSES) == set(THEIRS)


@pytest.mark.parametrize("status", STATUSES)
async def test_each_status_is_told_once_as_what_it_means(status):
    async with svarut() as here:
        parcel, reference = await taken(here)
        here.server.post.happen(reference, status)
        receipts, meaning = await told(here), STATUSES[status]
        if meaning is None:
            assert receipts == []
            return
        (receipt,) = receipts
        assert (receipt.road, receipt.recipient, receipt.partner_reference) == ("svarut", None, reference)
        assert receipt.key == parcel.key
        assert receipt.refused == (meaning if isinstance(meaning, Refused) else None)
        assert receipt.stage is (meaning if isinstance(meaning, Stage) else Stage.DELIVERED)
        assert receipt.at == here.server.post.letters[reference].history[-1][1]
        assert status in receipt.evidence[0].decode()
        assert KARI not in here.log.getvalue()


def test_only_the_mailboxs_receipt_and_the_readers_own_fetching_prove_delivery():
    assert {name for name, meaning in STATUSES.items() if isinstance(meaning, Stage)} == {"LEVERT_SDP", "LEST"}


async def test_what_is_printed_against_our_word_is_refused_and_an_error():
    async with svarut() as here:
        here.server.faults.arm(SvarUtFault.PRINTS)
        await taken(here)
        receipts = await told(here, 5)
        assert {one.refused for one in receipts} == {Refused("printed-against-policy")}
        assert "svarut.printed" in here.log.getvalue()
        assert '"level": "error"' in here.log.getvalue() or "error" in here.log.getvalue()


async def test_a_letter_that_is_rejected_afterwards_is_refused():
    async with svarut() as here:
        here.server.faults.arm(SvarUtFault.REJECTED)
        await taken(here)
        assert [one.refused for one in await told(here)] == [Refused("rejected")]


async def test_a_word_that_nobody_knows_is_no_delivery_and_the_letter_is_asked_about_further():
    async with svarut() as here:
        _, reference = await taken(here)
        here.server.post.happen(reference, "LEST")
        here.server.faults.arm(SvarUtFault.UNKNOWN_STATUS)
        (receipt,) = await told(here)
        assert receipt.stage is Stage.OPENED
        assert "svarut.unknown_status" in here.log.getvalue()
        assert "DRONE" not in here.log.getvalue()


@pytest.mark.parametrize(
    "fault", [SvarUtFault.SERVER_ERROR, SvarUtFault.CUT, SvarUtFault.GARBAGE, SvarUtFault.THROTTLED]
)
async def test_a_round_that_fails_is_made_again(fault):
    async with svarut() as here:
        _, reference = await taken(here)
        here.server.post.happen(reference, "LEST")
        here.server.faults.arm(fault)
        assert [one.stage for one in await told(here)] == [Stage.OPENED]


async def test_a_receipt_comes_without_its_history_rather_than_never():
    async with svarut() as here:
        _, reference = await taken(here)
        here.server.post.happen(reference, "LEST")
        api = here.road.outbound._api

        async def get(_path, _query=None):
            raise TimeoutError

        api.get = get
        (receipt,) = await told(here)
        assert (receipt.stage, receipt.evidence) == (Stage.OPENED, ())


async def test_a_letter_that_has_arrived_is_asked_about_until_it_is_opened():
    async with svarut(opened_every_s=600) as here:
        parcel, reference = await taken(here)
        here.office.unopened, here.office.awaited = here.office.awaited, []
        here.server.post.happen(reference, "LEVERT_SDP")
        first = await told(here, 1)
        here.server.post.happen(reference, "LEST")
        both = first + await told(here, 3)
        assert [one.stage for one in both][-1] is Stage.OPENED
        assert {one.key for one in both} == {parcel.key}


async def test_letters_of_offices_without_an_account_here_and_answers_about_strangers_are_left_alone():
    async with svarut() as here:
        _, reference = await taken(here)
        stranger = letter()
        outcome = await here.road.outbound.send(stranger)
        here.server.post.happen(outcome.partner_reference, "LEST")
        here.server.post.happen(reference, "LEST")
        assert [one.partner_reference for one in await told(here)] == [reference]


async def observed(here, count):
    watching = here.road.watch.observations()
    seen = [await anext(watching) for _ in range(count)]
    await watching.aclose()
    return seen


async def test_whoever_does_not_let_us_in_or_does_not_answer_is_told_of_until_it_does():
    async with svarut() as here:
        await taken(here)
        here.server.register.add_integration(Integration(INTEGRATION, PASSWORD, kit.ORGANISATION, frozenset()))
        await told(here, 2)
        assert Observation(Trouble.REFUSED, KONTO, well=False) in await observed(here, 3)
        here.server.register.add_integration(Integration(INTEGRATION, PASSWORD, kit.ORGANISATION, frozenset({KONTO})))
        here.server.faults.arm(SvarUtFault.DOWN, 5)
        await told(here, len(here.server.requests) + 4)
        assert Observation(Trouble.UNREACHABLE, KONTO, well=False) in await observed(here, 3)
        here.server.faults.arm(SvarUtFault.DOWN, 0)
        await told(here, len(here.server.requests) + 2)
        assert all(one.well for one in await observed(here, 3))


async def test_a_certificate_that_runs_out_is_told_of():
    async with svarut() as here:
        assert (await observed(here, 1))[0] == Observation(Trouble.KEY_DIFFERS, "svarut-certificate", well=True)
        here.clock.turn(100 * 365 * 86400)
        assert not (await observed(here, 1))[0].well
