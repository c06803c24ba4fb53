"""The REST half of the Fiks adapter: what stands in its calls, and what it makes of each answer."""

import asyncio
import json
import uuid
from contextlib import suppress
from email.message import Message

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from adapters.fiks import catalogue
from gateway import limits
from gateway.errors import CertificateError
from gateway.spi import (
    Answered,
    ConfigError,
    Fate,
    Observation,
    PartnerRefusedError,
    PartnerUnavailableError,
    Refused,
    Taken,
    Trouble,
    TryLater,
    Uncertain,
    UnknownResourceError,
)
from gateway.testing.pki import certificate_pem, receive_key
from tests import fiks_rest_kit as kit
from tests.fiks_rest_kit import (
    MELDING,
    PORTAL,
    REGISTER_ACCOUNT,
    REPORT,
    REPORTS_ACCOUNT,
    parcel,
    receipt,
    small_fiks,
    whole,
)

KATALOG = "/fiks-io/katalog/api/v1/kontoer"
KEY = f"{KATALOG}/{PORTAL}/offentligNokkel"
NEDLASTING = "/dokumentlager/nedlasting"
TOLD = "Kari Nordmann 01810112345"


@pytest.fixture
async def fiks():
    async with small_fiks() as running:
        yield running


@pytest.fixture(scope="module")
def pems():
    return [certificate_pem(receive_key(f"Mottaker {number}").certificate).decode() for number in range(2)]


def laid(fiks, pem, **changes):
    """The catalogue gives this certificate, in its own manner."""
    fiks.server.paths[KEY] = (200, {"nokkel": pem, "valid": True, "noe nytt": {"felt": [1]}} | changes)


# --- Every call ------------------------------------------------------------------------------------------------------


async def test_each_call_carries_the_three_headers_and_reads_the_password_anew(fiks):
    await fiks.sender.send(parcel())
    fiks.passwords["file:password"] = " passord-2\n"
    await fiks.sender.send(parcel())
    first, second = (asked.headers for asked in fiks.server.asked)
    assert (first["Authorization"], first["IntegrasjonId"]) == ("Bearer token-0", kit.INTEGRATION)
    assert (first["IntegrasjonPassord"], second["IntegrasjonPassord"]) == ("passord-1", "passord-2")


async def test_each_call_has_a_connection_of_its_own(fiks):
    for _ in range(3):
        await fiks.sender.send(parcel())
    assert len({asked.peer for asked in fiks.server.asked}) == 3


async def test_a_token_that_is_not_taken_is_replaced_once_and_the_whole_is_sent_again(fiks):
    fiks.server.once = [(401, {"message": TOLD})]
    assert isinstance(await fiks.sender.send(parcel(b"x" * 100_000)), Taken)
    assert fiks.tokens.thrown == ["token-0"]
    assert [len(asked.parts[1][1]) for asked in fiks.server.asked] == [100_000, 100_000]
    assert fiks.server.asked[1].headers["Authorization"] == "Bearer token-1"


async def test_a_second_refusal_is_not_answered_by_a_third_try(fiks):
    fiks.server.once = [(401, {}), (401, {})]
    assert await fiks.sender.send(parcel()) == TryLater("status-401")
    fiks.server.once = [(401, {}), (401, {})]
    with pytest.raises(PartnerRefusedError):
        await fiks.catalogue.status(PORTAL)
    assert len(fiks.server.asked) == 4


async def test_an_errors_number_is_logged_and_its_words_are_not(fiks):
    number = str(uuid.uuid4())
    fiks.server.once = [(400, {"errorId": number, "message": TOLD, "errorJson": "{}"}), (400, {"errorId": TOLD})]
    for _ in range(2):
        assert await fiks.sender.send(parcel()) == Refused("status-400")
    assert number in fiks.log.getvalue()
    assert "Nordmann" not in fiks.log.getvalue()


async def test_a_password_that_no_header_can_hold_leaves_nothing(fiks):
    fiks.passwords["file:password"] = "linje\r\nEkstra: 1"
    assert await fiks.sender.send(parcel()) == TryLater("no-credentials")
    with pytest.raises(ConfigError):
        await fiks.catalogue.status(PORTAL)
    assert fiks.server.asked == []


@pytest.mark.proves("S54")
@pytest.mark.parametrize("call", ["send", "status", "certificate", "blob"])
async def test_no_redirect_is_followed(fiks, call):
    fiks.server.once = [(307, {}, {"Location": "/elsewhere"})]
    calls = {
        "send": lambda: fiks.sender.send(parcel()),
        "status": lambda: fiks.catalogue.status(PORTAL),
        "certificate": lambda: fiks.catalogue.certificate(PORTAL),
        "blob": lambda: whole(fiks),
    }
    with suppress(PartnerUnavailableError):
        assert await calls[call]() == TryLater("status-307")
    assert [asked.path == "/elsewhere" for asked in fiks.server.asked] == [False]


# --- What is sent ----------------------------------------------------------------------------------------------------


def disposition(headers):
    """Name and file name of a part, read by the standard library."""
    message = Message()
    message["Content-Disposition"] = headers["Content-Disposition"]
    parameters = dict(message.get_params(header="Content-Disposition"))
    return parameters["name"], parameters.get("filename")


async def test_a_message_is_two_parts_in_the_order_that_the_platform_wants(fiks):
    content = bytes(range(256)) * 4000
    sent = parcel(content)
    assert await fiks.sender.send(sent) == Taken(MELDING, final=False)  # the register answers it
    [(first, metadata), (second, data)] = fiks.server.asked[0].parts
    assert (disposition(first), first["Content-Type"]) == (("metadata", None), "application/json; charset=UTF-8")
    name, filename = disposition(second)
    assert (name, second["Content-Type"], data) == ("data", "application/octet-stream", content)
    assert str(uuid.UUID(filename)) == filename
    assert json.loads(metadata) == {
        "avsenderKontoId": REGISTER_ACCOUNT,
        "mottakerKontoId": PORTAL,
        "meldingType": "no.ssb.barnevern.fagsystem.v1.innrapportering",
        "svarPaMelding": None,
        "ttl": 604_800_000,
        # Whatever answers it copies the dialogue's id, and so says which message of ours it answers.
        "headere": {"klientMeldingId": sent.key, "klientKorrelasjonsId": sent.key, "klientKorrelasjonId": sent.key},
    }


async def test_our_receipt_has_no_payload_and_answers_in_both_spellings(fiks):
    sent = receipt()
    assert await fiks.sender.send(sent) == Taken(MELDING, final=True)
    [asked] = fiks.server.asked
    assert len(asked.parts) == 1
    assert asked.metadata == {
        "avsenderKontoId": REPORTS_ACCOUNT,
        "mottakerKontoId": PORTAL,
        "meldingType": "no.ks.fiks.bekymringsmelding.mottatt.v1",
        "svarPaMelding": MELDING,
        "ttl": 86_400_000,
        "headere": {
            "klientMeldingId": sent.key,
            "klientKorrelasjonsId": "samtale-1",
            "klientKorrelasjonId": "samtale-1",
        },
    }


async def test_a_negative_receipt_carries_its_message(fiks):
    assert isinstance(await fiks.sender.send(receipt(Fate.FAILED, b"forseglet")), Taken)
    [asked] = fiks.server.asked
    assert (asked.metadata["meldingType"], len(asked.parts)) == ("no.ks.fiks.bekymringsmelding.feilet.v1", 2)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (parcel(recipient="974760673"), "recipient-no-account"),
        (parcel(channel_type="no.ks.fiks.bekymringsmelding.offentlig.v2"), "type-not-spoken"),  # comes in only
        (parcel(channel_type="no.ks.fiks.bekymringsmelding.mottatt.v1"), "type-not-spoken"),  # a receipt of nothing
        (parcel(office=None), "type-not-spoken"),
        (parcel(b""), "payload-missing"),
        (receipt(Fate.RECEIVED, b"forseglet"), "payload-not-allowed"),
        (receipt(Fate.FAILED), "payload-missing"),
        (receipt(account=REGISTER_ACCOUNT), "type-not-spoken"),  # came to an account that has no reports
        (receipt(account=str(uuid.uuid4())), "type-not-spoken"),
        (receipt(answered=Answered("x", REPORT, {}, Fate.RECEIVED)), "answered-id-missing"),
        *(
            (receipt(answered=Answered(MELDING, kind, {}, Fate.RECEIVED)), "type-not-spoken")
            for kind in ("no.ks.fiks.kvittering.tidsavbrudd", "no.ks.fiks.bekymringsmelding.mottatt.v1", "")
        ),
    ],
)
async def test_what_the_protocol_does_not_allow_does_not_leave(fiks, sent, code):
    assert await fiks.sender.send(sent) == Refused(code)
    assert fiks.server.asked == []


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, Taken(MELDING)),
        (202, Taken(MELDING)),
        (400, Refused("status-400")),
        (403, Refused("status-403")),
        (404, Refused("status-404")),
        (408, TryLater("status-408", 7.0)),
        (413, Refused("status-413")),
        (429, TryLater("status-429", 7.0)),
        (500, TryLater("status-500", 7.0)),
        (502, Uncertain("status-502")),
        (503, TryLater("status-503", 7.0)),
        (504, Uncertain("status-504")),
    ],
)
async def test_each_status_has_its_outcome(fiks, status, outcome):
    fiks.server.once = [(status, {"meldingId": MELDING}, {"Retry-After": "7"})]
    assert await fiks.sender.send(parcel()) == outcome


@pytest.mark.parametrize("body", [{}, {"meldingId": None}, {"meldingId": TOLD}, [MELDING], "x"], ids=repr)
async def test_a_yes_without_the_messages_id_is_uncertain(fiks, body):
    fiks.server.once = [(202, body)]
    assert await fiks.sender.send(parcel()) == Uncertain("unreadable-answer")


async def test_a_large_upload_is_given_more_time(fiks):
    async def slow(_):
        await asyncio.sleep(0.6)
        return web.json_response({"meldingId": MELDING}, status=202)

    async with small_fiks(session_s=0.3) as hurried:
        hurried.server.once = [slow, slow]
        assert await hurried.sender.send(parcel()) == Uncertain("no-answer")
        assert isinstance(await hurried.sender.send(parcel(b"x" * 256 * limits.KIB)), Taken)


async def test_without_a_token_nothing_leaves(fiks, monkeypatch):
    async def none():
        raise PartnerRefusedError("maskinporten: refused with 400, MP-120")

    monkeypatch.setattr(fiks.tokens, "token", none)
    assert await fiks.sender.send(parcel()) == TryLater("no-credentials")
    assert fiks.server.asked == []


# --- The catalogue ---------------------------------------------------------------------------------------------------


async def test_a_certificate_is_asked_for_without_credentials_and_kept_for_ten_minutes(fiks, pems):
    laid(fiks, pems[0])
    assert await fiks.catalogue.certificate(PORTAL.upper()) == pems[0]
    laid(fiks, pems[1])
    fiks.clock.turn(599)
    assert await fiks.catalogue.certificate(PORTAL) == pems[0]
    assert await fiks.catalogue.published_certificate(PORTAL) == pems[1], "what is checked is asked for anew"
    fiks.clock.turn(2)
    assert await fiks.catalogue.certificate(PORTAL) == pems[1]
    assert not any({"Authorization", "IntegrasjonPassord"} & asked.headers.keys() for asked in fiks.server.asked)


async def test_no_more_than_a_hundred_certificates_are_kept(fiks, pems):
    for _ in range(101):
        konto_id = str(uuid.uuid4())
        fiks.server.once = [(200, {"nokkel": pems[0], "valid": True})]
        await fiks.catalogue.certificate(konto_id)
    assert len(fiks.catalogue._kept) == 100


@pytest.mark.parametrize(
    "wrong", [{"valid": False}, {"validTo": "2020-01-01T00:00:00Z"}, {"validTo": "2020-01-01T00:00:00"}]
)
async def test_a_certificate_that_is_not_valid_is_not_sealed_for_unless_it_is_allowed(fiks, pems, wrong):
    laid(fiks, pems[0], **wrong)
    with pytest.raises(CertificateError):
        await fiks.catalogue.certificate(PORTAL)
    async with small_fiks(allow_invalid_key=True) as lenient:
        laid(lenient, pems[0], **wrong)
        assert await lenient.catalogue.certificate(PORTAL) == pems[0]


async def test_another_certificate_than_the_pinned_one_is_not_sealed_for_and_rings(pems):
    async with small_fiks(pins={PORTAL.upper(): (kit.fingerprint(pems[0]),)}) as pinned:
        laid(pinned, pems[1])
        with pytest.raises(CertificateError):
            await pinned.catalogue.certificate(PORTAL)
        assert pinned.health.news() == [Observation(Trouble.KEY_DIFFERS, PORTAL, well=False)]
        laid(pinned, pems[0])
        assert await pinned.catalogue.certificate(PORTAL) == pems[0]
        assert pinned.health.news() == [Observation(Trouble.KEY_DIFFERS, PORTAL, well=True)]


@pytest.mark.parametrize("text", [None, 17, "", "x", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----"])
async def test_what_is_no_certificate_is_not_sealed_for(fiks, text):
    laid(fiks, text)
    with pytest.raises(CertificateError):
        await fiks.catalogue.certificate(PORTAL)


async def test_of_two_certificates_in_one_answer_the_first_is_judged_and_sealed_for(pems):
    async with small_fiks(pins={PORTAL: (kit.fingerprint(pems[0]),)}) as pinned:
        laid(pinned, pems[1] + pems[0])
        with pytest.raises(CertificateError):
            await pinned.catalogue.certificate(PORTAL)
        laid(pinned, pems[0] + pems[1])
        assert await pinned.catalogue.certificate(PORTAL) == pems[0]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@pytest.mark.proves("S33")
@given(json_values, st.text())
def test_whatever_the_catalogue_answers_is_read_or_refused_in_our_own_words(value, inner):
    for nokkel in (value, f"-----BEGIN CERTIFICATE-----{inner}-----END CERTIFICATE-----"):
        with suppress(CertificateError):
            assert catalogue._canonical({"nokkel": nokkel}).startswith("-----BEGIN CERTIFICATE-----\n")
    with suppress(PartnerUnavailableError):
        assert catalogue._count({"antall": value}, "antall") >= 0
    at = catalogue._time(value)
    assert at is None or at.tzinfo is not None


async def test_an_unknown_account_is_not_on_this_road(fiks):
    fiks.server.paths[KEY] = (404, {})
    for recipient in (PORTAL, "974760673", "../status"):
        with pytest.raises(UnknownResourceError):
            await fiks.catalogue.certificate(recipient)
    assert len(fiks.server.asked) == 1


async def test_the_status_is_two_figures_or_no_answer(fiks):
    path = f"{KATALOG}/{PORTAL}/status"
    fiks.server.paths[path] = (200, {"antallKonsumenter": 2, "antallUavhentedeMeldinger": 17, "melding": None})
    status = await fiks.catalogue.status(PORTAL)
    assert (status.consumers, status.waiting) == (2, 17)
    for wrong in ({}, {"antallKonsumenter": "2", "antallUavhentedeMeldinger": 1}, {"antallKonsumenter": True}, []):
        fiks.server.paths[path] = (200, wrong)
        with pytest.raises(PartnerUnavailableError):
            await fiks.catalogue.status(PORTAL)
