"""What a message on an account's queue is to the gateway: a delivery with or without a fault, a receipt, or an answer."""

import json
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.fiks.delivery import BLOB_TRIES, Arrived, FiksDelivery, Reader
from adapters.fiks.headers import read_headers
from adapters.fiks.protocols import PLATFORM_RECEIPTS
from adapters.fiks.settings import FiksAccount
from gateway.errors import PartnerUnavailableError, UnknownResourceError
from gateway.spi import UNKNOWN_TYPE, Address, Receipt
from gateway.testing.clock import HandClock
from tests.fiks_kit import REPORT, REPORTS, TYPES
from tests.unit.fiks.test_headers import TABLES, VALUES

SSB = "no.ssb.barnevern.fagsystem.v1"
SENDER, REFERENCE = str(uuid.uuid4()), str(uuid.uuid4())
ACCOUNT = FiksAccount(id=str(uuid.uuid4()), kommunenummer="4601", bydelsnummer="02", protocols=(REPORTS, SSB))
KNOWN = TYPES | {f"{SSB}.valideringsrapport": "valideringsrapport.v1"}


class Lager:
    """A Dokumentlager in memory that fails so many times first."""

    def __init__(self, failures=0, error=PartnerUnavailableError):
        self.failures, self.error, self.asked = failures, error, 0

    async def blob(self, headers):
        self.asked += 1
        if self.asked <= self.failures:
            raise self.error("")
        for piece in (b"for", b"seglet"):
            yield piece


async def nothing():
    pass


def arrived(kind=REPORT, body=b"forseglet", *, redelivered=False, table=None, account=ACCOUNT, **more):
    given = {"melding-id": str(uuid.uuid4()), "type": kind, "avsender-id": SENDER, **more}
    headers = read_headers(given if table is None else table, None)
    return Arrived(account, headers, body, redelivered, nothing, nothing)


def read(message, lager=None):
    return Reader(KNOWN, lager or Lager(), HandClock()).read(message)


async def parts(delivery):
    return [(name, b"".join([chunk async for chunk in stream])) async for name, stream in delivery.parts()]


def test_every_recorded_delivery_is_what_it_says(reference):
    recorded = json.loads((reference / "fiks/fiksio-kvittering/delivery-fixtures.json").read_text())["deliveries"]
    kinds = [
        type(brought)
        for one in recorded
        for brought in read(arrived(table=one["headers"], body=b"" if not one["body"] else b"x"))
    ]
    assert kinds == [FiksDelivery, FiksDelivery, FiksDelivery, Receipt, Receipt]


@pytest.mark.parametrize(("kind", "code"), PLATFORM_RECEIPTS.items())
def test_a_receipt_of_the_platform_says_what_became_of_ours_and_is_never_answered(kind, code):
    message = arrived(kind, b"", **{"svar-til": REFERENCE})
    [receipt] = read(message)
    assert isinstance(receipt, Receipt)
    assert (receipt.road, receipt.partner_reference, receipt.refused.code) == ("fiks", REFERENCE, code)
    assert not receipt.refused.proof
    assert receipt.acknowledge is message.acknowledge
    by_platform = code in {"tidsavbrudd", "serverfeil"}
    assert receipt.recipient == (None if by_platform else SENDER)


@pytest.mark.proves("S24")
@pytest.mark.parametrize("code", ["serverfeil", "ugyldigforespoersel", "ugyldigforespørsel", "ikkefunnet"])
def test_a_protocols_own_error_is_a_receipt_of_the_account_that_sent_it(code):
    [receipt] = read(arrived(f"{SSB}.feilmelding.{code}", b"", **{"svar-til": REFERENCE}))
    assert (receipt.recipient, receipt.refused.code) == (SENDER, code.replace("ø", "oe"))


@pytest.mark.parametrize("svar_til", [{}, {"svar-til": "nei"}, {"svar-til": b"\xff"}])
@pytest.mark.parametrize("kind", ["no.ks.fiks.kvittering.tidsavbrudd", f"{SSB}.feilmelding.ikkefunnet"])
def test_a_receipt_for_nothing_that_can_be_found_is_kept_for_a_person_and_has_nobody_to_answer(kind, svar_til):
    [delivery] = read(arrived(kind, b"", **svar_til))
    assert delivery.fault in {"reply-to-missing", "header-malformed"}
    assert (delivery.message_type, delivery.answer_to) == (UNKNOWN_TYPE, None)


def test_an_answer_is_first_the_proof_that_ours_arrived_and_then_a_delivery():
    receipt, delivery = read(arrived(f"{SSB}.valideringsrapport", **{"svar-til": REFERENCE}))
    assert (receipt.recipient, receipt.partner_reference, receipt.refused) == (SENDER, REFERENCE, None)
    assert (delivery.message_type, delivery.fault) == ("valideringsrapport.v1", None)
    assert delivery.answer_to is None  # its protocol has no receipts


def test_a_report_that_claims_to_answer_something_is_a_report():
    [delivery] = read(arrived(**{"svar-til": REFERENCE}))
    assert (delivery.fault, delivery.answer_to) == (None, SENDER)


def test_a_delivery_is_for_the_office_of_its_account_whatever_its_headers_say():
    [delivery] = read(arrived(**{"bydel-ressurs-id": str(uuid.uuid4())}))
    assert delivery.address == Address("4601", "02")
    assert delivery.headers["account"] == ACCOUNT.id


@pytest.mark.parametrize(
    ("message", "fault", "message_type"),
    [
        (arrived("no.ks.fiks.noe.annet.v1"), "type-unknown", UNKNOWN_TYPE),
        (arrived("no.ks.fiks.bekymringsmelding.mottatt.v1"), "type-unknown", UNKNOWN_TYPE),
        (
            arrived(account=FiksAccount(id=SENDER, kommunenummer="4601", protocols=(SSB,))),
            "type-not-allowed",
            "bekymringsmelding.offentlig.v2",
        ),
        (arrived(body=b""), "payload-missing", "bekymringsmelding.offentlig.v2"),
        (arrived(table={"type": REPORT}), "header-missing", "bekymringsmelding.offentlig.v2"),
    ],
)
async def test_what_cannot_be_understood_is_brought_with_its_fault_and_whatever_came(message, fault, message_type):
    [delivery] = read(message)
    assert (delivery.fault, delivery.message_type) == (fault, message_type)
    assert await parts(delivery) == ([("asice", message.body)] if message.body else [])


def test_the_headers_of_a_message_are_the_same_when_it_comes_again():
    first, again = (arrived(table={"type": REPORT}, redelivered=flag) for flag in (False, True))
    assert read(first)[0].headers == read(again)[0].headers


async def test_a_large_payload_comes_from_where_it_lies_however_the_first_tries_fail():
    lager = Lager(failures=BLOB_TRIES - 1)
    [delivery] = read(arrived(body=b"ikke nyttelasten", **{"dokumentlager-id": REFERENCE}), lager)
    assert delivery.blob == REFERENCE
    assert delivery.fault is None
    assert await parts(delivery) == [("asice", b"forseglet")]


@pytest.mark.parametrize(("error", "tries"), [(PartnerUnavailableError, BLOB_TRIES), (UnknownResourceError, 1)])
async def test_a_large_payload_that_cannot_be_had_now_is_left_where_it_lies(error, tries):
    lager = Lager(failures=9, error=error)
    [delivery] = read(arrived(body=b"", **{"dokumentlager-id": REFERENCE}), lager)
    assert await parts(delivery) == []
    assert (lager.asked, delivery.fault) == (tries, None)


async def test_a_large_payload_of_a_message_that_comes_again_is_not_waited_for():
    lager = Lager()
    [delivery] = read(arrived(body=b"", redelivered=True, **{"dokumentlager-id": REFERENCE}), lager)
    assert await parts(delivery) == []
    assert lager.asked == 0


@pytest.mark.proves("S33")
@given(table=TABLES, body=st.binary(max_size=3), redelivered=st.booleans(), kind=VALUES | st.sampled_from([*KNOWN]))
def test_any_header_table_is_a_delivery_or_a_receipt(table, body, redelivered, kind):
    for brought in read(arrived(table=table | {"type": kind}, body=body, redelivered=redelivered)):
        if isinstance(brought, Receipt):
            assert brought.partner_reference
        else:
            assert brought.fault is None or brought.fault.isascii()
            assert brought.message_type in {*KNOWN.values(), UNKNOWN_TYPE}
            assert brought.answer_to in {None, brought.sender}


@pytest.mark.parametrize("kind", [*PLATFORM_RECEIPTS, f"{SSB}.valideringsrapport"])
@pytest.mark.parametrize("spelling", ["klientKorrelasjonsId", "klientKorrelasjonId"])
def test_what_answers_a_dialogue_of_ours_names_our_parcel_even_before_we_know_its_id_at_the_platform(kind, spelling):
    key = str(uuid.uuid4())
    custom = {f"egendefinert-header.{spelling}": key}
    first = read(arrived(kind, **{"svar-til": REFERENCE}, **custom))[0]
    assert (type(first), first.key) == (Receipt, key)
    foreign = read(arrived(kind, **{"svar-til": REFERENCE, f"egendefinert-header.{spelling}": "dialog-1"}))[0]
    assert foreign.key is None  # a dialogue of others has an id of theirs
