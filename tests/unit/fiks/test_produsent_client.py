"""What the sender of reports asks KS, when, and what it makes of the answers."""

import json
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import SimpleNamespace

import jsonschema_rs
import pytest
from pydantic import ValidationError

from adapters.fiks.produsent_client_directory import ProdusentDirectory
from adapters.fiks.produsent_client_settings import KsProdusentSettings
from adapters.fiks.produsent_client_status import ReportStatus
from gateway.crypto.published import published
from gateway.errors import CertificateError, DocumentError, PolicyError
from gateway.observability import logging
from gateway.pipeline.seal_report import render
from gateway.spi import Address, Awaited, PartnerRefusedError, PartnerUnavailableError, Refused, ReportOffice
from gateway.testing.clock import HandClock
from gateway.testing.pki import receive_key
from tests.conftest import ROOT

OFFICE = Address("4601", "02")
UUID = "0198f0a0-1111-4222-8333-444455556666"
HOUR = 3600.0


@pytest.fixture(scope="module")
def pem():
    return published(receive_key("Mottak").certificate).pem


@dataclass
class Ks:
    """Offices and keys as the API tells them."""

    nokkel: dict
    rows: tuple = ({"bydelsnummer": "02", "standardMottaker": True, "stottetVersjon": "V2", "nytt": 1},)
    print_nokkel: dict | None = None
    asked: list = field(default_factory=list)

    async def rows_(self, path):
        self.asked.append(path)
        return self.rows

    async def get(self, path):
        self.asked.append(path)
        return {"fiksIOOffentligNokkel": self.nokkel, "printOffentligNokkel": self.print_nokkel or self.nokkel}

    def directory(self):
        return ProdusentDirectory(SimpleNamespace(rows=self.rows_, get=self.get), "/api", HandClock())


def local(days):
    return (datetime.now() + timedelta(days=days)).isoformat(timespec="milliseconds")  # noqa: DTZ005  as KS writes it


async def test_the_office_and_both_keys_are_asked_for_in_version_2(pem):
    ks = Ks({"nokkel": pem, "gyldig": True, "validFrom": local(-9), "validTo": local(9)})
    keys = await ks.directory().report_keys("4601")
    assert keys.office == ReportOffice(OFFICE, "V2")
    assert keys.container == keys.print_part == pem
    assert ks.asked == ["/api/v2/kommuner/4601/bydeler", "/api/v2/mottak/fagsystem/4601/02/krypteringsnokler"]
    assert await ks.directory().certificate("4601-02") == pem


@pytest.mark.parametrize(
    ("rows", "recipient", "refusal"),
    [
        ((), "4601", Refused("not-active", proof=True)),
        ((), "4601-02", Refused("not-active", proof=True)),
        (({"bydelsnummer": "02", "standardMottaker": False},), "4601", Refused("no-standard-receiver")),
        (({"bydelsnummer": "02", "standardMottaker": "true"},), "4601", Refused("no-standard-receiver")),
        (({"bydelsnummer": "02", "standardMottaker": True},) * 2, "4601", Refused("no-standard-receiver")),
        (({"bydelsnummer": "02", "standardMottaker": True},), "4601-03", Refused("no-such-district")),
        (({"bydelsnummer": "02", "standardMottaker": True},), "964338531", Refused("address-malformed")),
    ],
)
async def test_no_office_is_guessed(pem, rows, recipient, refusal):
    assert await Ks({"nokkel": pem}, rows).directory().report_keys(recipient) == refusal


@pytest.mark.parametrize("said", [{}, {"stottetVersjon": "V1"}, {"stottetVersjon": None}, {"stottetVersjon": "V3"}])
async def test_an_office_that_does_not_say_that_it_reads_v2_gets_what_every_office_reads(pem, said):
    row = {"bydelsnummer": "02", "standardMottaker": True} | said
    assert (await Ks({"nokkel": pem}, (row,)).directory().report_keys("4601")).office.version == "V1"


@pytest.mark.parametrize(
    "spoilt",
    [{"gyldig": False}, {"validTo": local(-1)}, {"validFrom": local(1)}, {"nokkel": "ingen"}, {"nokkel": None}],
)
@pytest.mark.parametrize("of_print", [True, False])
async def test_a_key_that_ks_calls_invalid_is_not_sealed_for(pem, spoilt, of_print):
    good = {"nokkel": pem, "gyldig": True, "validFrom": local(-9), "validTo": local(9)}
    bad = good | spoilt
    ks = Ks(good, print_nokkel=bad) if of_print else Ks(bad, print_nokkel=good)
    with pytest.raises(CertificateError):
        await ks.directory().report_keys("4601-02")


# --- following --------------------------------------------------------------------------------------------------


class History:
    """Answers as they are laid there, and when each was asked for."""

    def __init__(self, clock, *told):
        self.clock, self.told, self.asked_at = clock, list(told), []

    async def __call__(self, office, uuid):
        assert (office, uuid) == (OFFICE, UUID)
        self.asked_at.append(self.clock.monotonic())
        told = self.told.pop(0) if len(self.told) > 1 else self.told[0]
        if isinstance(told, Exception):
            raise told
        return [{"bekymringsmeldingId": UUID.upper(), "tilstand": tilstand, "nytt": 1} for tilstand in told]


def following(clock, history, taken_s_ago=0.0, **changes):
    sender = {
        "kommunenummer": "4601", "fiks_org_id": UUID, "integration_id": UUID, "integration_password": "file:keys/ks"
    }  # fmt: skip
    settings = KsProdusentSettings(api_url="https://ks.example", senders=(sender,))
    parcel = Awaited("key", OFFICE, "4601", UUID, clock.now() - timedelta(seconds=taken_s_ago))

    async def awaiting():
        return changes.get("awaited", [parcel])

    context = SimpleNamespace(clock=clock, log=logging.get(), awaiting=awaiting)
    return ReportStatus(settings, context, history)


async def first(status):
    async with aclosing(status.deliveries()) as coming:
        return await anext(coming)


async def test_ks_is_asked_after_1_5_and_15_minutes_and_then_every_hour():
    clock = HandClock()
    history = History(clock, *[["AKSEPTERT", "SENDT_FAGSYSTEM"]] * 6, ["AKSEPTERT", "LEVERT"])
    receipt = await first(following(clock, history))
    assert (receipt.road, receipt.recipient, receipt.partner_reference) == ("ks-produsent", "4601", UUID)
    assert receipt.refused is None
    due = [60, 300, 900, 900 + HOUR, 900 + 2 * HOUR, 900 + 3 * HOUR, 900 + 4 * HOUR]
    assert [at - due_at for at, due_at in zip(history.asked_at, due, strict=True)] == [0.0] * 7


async def test_after_a_start_what_was_taken_long_ago_is_asked_about_at_once():
    clock = HandClock()
    history = History(clock, ["LEVERT"])
    await first(following(clock, history, taken_s_ago=26 * HOUR))
    assert history.asked_at == [0.0]


async def test_a_platform_that_is_away_is_asked_again_soon_and_a_no_to_one_question_is_no_word_on_the_rest():
    clock = HandClock()
    history = History(clock, PartnerUnavailableError("away"), PartnerRefusedError("400"), ["LEVERT"])
    await first(following(clock, history))
    assert history.asked_at == [60.0, 75.0, 300.0]


@pytest.mark.parametrize(
    ("told", "refused"),
    [
        (["SENDT_PRINT", "AVVIST_PRINT"], Refused("avvist-print")),
        (["AVVIST_FAGSYSTEM", "SENDT_PRINT", "AVVIST_PRINT", "LEVERT"], None),
        (["AVVIST_FAGSYSTEM", "SENDT_PRINT", "LEVERT"], None),
    ],
)
async def test_levert_is_the_receipt_and_only_a_failed_print_is_a_no(told, refused):
    clock = HandClock()
    assert (await first(following(clock, History(clock, told)))).refused == refused


async def test_rows_of_another_report_say_nothing():
    clock = HandClock()

    async def another(office, uuid):
        if clock.monotonic() < 300:
            return [{"bekymringsmeldingId": "en annen", "tilstand": "LEVERT"}, {}]
        return [{"bekymringsmeldingId": UUID, "tilstand": "LEVERT"}]

    await first(following(clock, another))
    assert clock.monotonic() == 300


# --- the JSON that leaves ---------------------------------------------------------------------------------------


V1, V2 = ReportOffice(OFFICE, "V1"), ReportOffice(OFFICE, "V2")
RAW = b'\xef\xbb\xbf{"kommunenummer":"4601", "bydelsnummer":"02","melding":{"melding":"a","andreSynspunkter":"b"}}'


def test_what_the_office_reads_leaves_as_the_very_same_bytes():
    assert render(RAW, V2, any_district=False) == RAW
    without = RAW.replace(b',"andreSynspunkter":"b"', b"")
    assert render(without, V1, any_district=False) == without
    private = RAW.replace(b'{"melding":"a","andreSynspunkter":"b"}', b'"andreSynspunkter"')
    assert render(private, V1, any_district=False) == private


def test_for_version_1_the_field_that_it_does_not_know_is_left_out_and_nothing_else():
    made = json.loads(render(RAW, V1, any_district=False))
    assert made == {"kommunenummer": "4601", "bydelsnummer": "02", "melding": {"melding": "a"}}


def test_a_report_is_not_sealed_for_an_office_that_it_does_not_name():
    other = ReportOffice(replace(OFFICE, bydelsnummer="03"), "V2")
    assert render(RAW, other, any_district=True) == RAW
    for office, any_district in ((other, False), (ReportOffice(Address("0301", "02"), "V2"), True)):
        with pytest.raises(PolicyError, match="address-differs"):
            render(RAW, office, any_district=any_district)
    for broken in (b"", b"[]", b"\xff", b"{"):
        with pytest.raises(DocumentError):
            render(broken, V2, any_district=True)


# --- settings and schemas ---------------------------------------------------------------------------------------


def test_a_municipality_sends_under_one_integration_and_a_password_is_a_reference():
    sender = {"kommunenummer": "4601", "fiks_org_id": UUID, "integration_id": UUID, "integration_password": "file:a"}
    good = {"api_url": "https://ks.example", "senders": [sender]}
    assert KsProdusentSettings(**good).senders[0].fiks_org_id == UUID
    for spoilt in (
        {"senders": []},
        {"senders": [sender, sender]},
        {"senders": [sender | {"integration_password": "a"}]},
    ):
        with pytest.raises(ValidationError):
            KsProdusentSettings(**(good | spoilt))


@pytest.mark.parametrize("form", ["offentlig", "privat"])
def test_what_our_schema_for_senders_takes_ks_takes_too(reference, form):
    domain = reference / "fiks" / "bekymringsmelding-protokoll" / "domain"
    address = json.loads((domain / "adresse.json").read_bytes()) | {"$id": "https://fiks.ks.no/adresse.json"}
    registry = jsonschema_rs.Registry([(address["$id"], address)])
    source = json.loads((domain / f"v2/{form}.bekymringsmelding.v2.json").read_bytes())
    official = jsonschema_rs.Draft201909Validator(source, registry=registry, offline=True)
    samples = sorted(ROOT.glob(f"schemas/bekymringsmelding.videresendt.{form}/v1/samples/valid-*.json"))
    assert len(samples) == 2
    assert all(official.is_valid(json.loads(sample.read_bytes())) for sample in samples)
    own = jsonschema_rs.validator_for(
        json.loads((ROOT / f"schemas/bekymringsmelding.videresendt.{form}/v1/schema.json").read_bytes())
    )
    examples = domain.parent / "examples" / f"{form}BekymringsmeldingV2.json"
    assert own.is_valid(json.loads(examples.read_bytes()))
