"""What we send over Fiks IO reaches its receiver, by the real platform and broker; the adapter is opened as the gateway does it."""

import uuid
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from adapters.fiks import ADAPTER
from adapters.fiks.settings import FiksAccount, FiksSettings
from gateway.app.maskinporten import Client, Maskinporten
from gateway.crypto.maskinporten import GrantRequest, GrantSigner
from gateway.errors import CertificateError
from gateway.simulators.fiks.faults import FiksFault
from gateway.simulators.fiks.platform import ISSUER
from gateway.spi import (
    Address,
    Answered,
    Fate,
    Parcel,
    PartnerUnavailableError,
    Refused,
    Taken,
    TryLater,
    Uncertain,
    UnknownResourceError,
)
from tests.broker import CLIENT
from tests.fiks_kit import REPORT, REPORTS, counted, make_office, take
from tests.fiks_rest_kit import fingerprint

REGISTER = "no.ssb.barnevern.fagsystem.v1"
OFFICE = Address("4601", "00")


@asynccontextmanager
async def opened(office, **settings):
    """The whole adapter, with tokens bought as the gateway buys them."""
    client = Client(
        GrantRequest(ISSUER, CLIENT, ""), GrantSigner(office.fiks.supplier), office.fiks.platform.token_endpoint
    )
    maskinporten = Maskinporten({"fiks": client}, office.fiks.session, office.clock, office.context.log)
    accounts = tuple(
        FiksAccount(id=one.id, kommunenummer="4601", protocols=(REPORTS, REGISTER)) for one in office.io.accounts
    )
    io = office.io.model_copy(update={"accounts": accounts} | settings)
    async with ADAPTER.open(FiksSettings(io=io), replace(office.context, tokens=maskinporten.tokens)) as adapter:
        yield adapter


def parcel(recipient, content=b"forseglet", **changes):
    async def pieces():
        for start in range(0, len(content), 65536):
            yield content[start : start + 65536]

    kind = f"{REGISTER}.innrapportering"
    made = Parcel(str(uuid.uuid4()), "bvr.innrapportering.v1", recipient, len(content), pieces, OFFICE, kind)
    return replace(made, **changes)


async def test_a_message_reaches_its_receiver_with_the_key_that_stays_over_retries(fiks, office):
    receiver = await make_office(fiks)
    async with opened(office) as adapter, receiver.open() as coming:
        sent = parcel(receiver.account)
        outcome = await adapter.outbound.send(sent)
        [delivery] = await take(coming)
        assert outcome == Taken(delivery.remote_id, final=False)
        assert delivery.sender == office.account
        assert delivery.headers["type"] == sent.channel_type
        assert delivery.headers["klientMeldingId"] == sent.key
        assert delivery.headers["ttl-ms"] == str(7 * 86_400_000)
        assert [[piece async for piece in stream] async for _, stream in delivery.parts()] == [[b"forseglet"]]


async def test_our_receipt_answers_the_message_that_came(fiks, office):
    sender = await make_office(fiks)
    office.sender = sender.account
    await office.send(headers={"klientKorrelasjonId": "samtale-1"})
    async with opened(office) as adapter, office.open() as coming, sender.open() as answers:
        [report] = await take(coming)
        answered = Answered(report.remote_id, REPORT, report.headers, Fate.RECEIVED)
        receipt = parcel(report.answer_to, b"", channel_type="", answers=answered)
        outcome = await adapter.outbound.send(receipt)
        [answer] = await take(answers)
        assert outcome == Taken(answer.remote_id, final=True)
        assert answer.headers["type"] == "no.ks.fiks.bekymringsmelding.mottatt.v1"
        assert answer.headers["svar-til"] == report.remote_id
        assert answer.headers["klientKorrelasjonsId"] == "samtale-1"
        assert answer.headers["ttl-ms"] == str(86_400_000)


async def test_a_large_payload_is_fetched_from_dokumentlager_byte_for_byte(fiks, office):
    fiks.platform.dispatch.inline_bytes_max = 1000
    content = bytes(range(256)) * 2000
    receiver = await make_office(fiks)
    async with opened(office) as ours, opened(receiver) as theirs, receiver.open() as coming:
        await ours.outbound.send(parcel(receiver.account, content))
        [delivery] = await take(coming)
        headers = {"dokumentlager-id": delivery.blob}
        assert b"".join([piece async for piece in theirs.blobs.blob(headers)]) == content
        fiks.platform.faults.arm(FiksFault.TRUNCATED_DOWNLOAD)
        with pytest.raises(PartnerUnavailableError):
            assert [piece async for piece in theirs.blobs.blob(headers)] != []
        with pytest.raises(UnknownResourceError):
            assert [piece async for piece in theirs.blobs.blob({"dokumentlager-id": str(uuid.uuid4())})]


async def test_what_the_platform_did_with_a_call_is_told_by_the_outcome(fiks, office):
    receiver = await fiks.member("Mottaker")
    async with opened(office) as adapter:
        fiks.platform.faults.arm(FiksFault.UNAUTHORISED)
        assert isinstance(await adapter.outbound.send(parcel(receiver.konto_id)), Taken)
        fiks.platform.faults.arm(FiksFault.UNAVAILABLE)
        assert await adapter.outbound.send(parcel(receiver.konto_id)) == TryLater("status-503")
        fiks.platform.faults.arm(FiksFault.SILENT_SEND)
        assert await adapter.outbound.send(parcel(receiver.konto_id)) == Uncertain("no-answer")
        assert isinstance(await adapter.outbound.send(parcel(str(uuid.uuid4()))), Refused)
        assert len(fiks.platform.dispatch.sent) == 2


async def test_a_wrong_password_leaves_nothing_and_the_right_one_is_taken_without_a_restart(fiks, office):
    receiver = await fiks.member("Mottaker")
    right = office.secrets["file:passord"]
    async with opened(office) as adapter:
        office.secrets["file:passord"] = "et annet"
        assert await adapter.outbound.send(parcel(receiver.konto_id)) == TryLater("status-401")
        office.secrets["file:passord"] = right
        assert isinstance(await adapter.outbound.send(parcel(receiver.konto_id)), Taken)


async def test_the_catalogue_says_whom_to_seal_for_and_who_listens(fiks, office):
    member = await fiks.member("Mottaker")
    async with opened(office) as adapter, office.open() as coming:
        pem = await adapter.directory.certificate(member.konto_id)
        assert pem.encode() == member.receive.chain_pem
        await office.send(2)
        await take(coming)
        await counted(office, consumers=1, waiting=0)
        status = await adapter.directory.status(office.account)
        assert status.consumers == 1


async def test_a_strangers_certificate_in_the_catalogue_is_not_sealed_for_where_the_right_one_is_pinned(fiks, office):
    member = await fiks.member("Mottaker")
    fiks.platform.faults.arm(FiksFault.WRONG_CATALOGUE_KEY)
    pins = {member.konto_id: (fingerprint(member.receive.chain_pem.decode()),)}
    async with opened(office, pins=pins) as adapter:
        with pytest.raises(CertificateError):
            await adapter.directory.certificate(member.konto_id)
        assert (await adapter.directory.certificate(member.konto_id)).encode() == member.receive.chain_pem
