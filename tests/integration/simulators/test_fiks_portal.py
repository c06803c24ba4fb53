"""The national portal, the producer API before it, and a partner with a protocol of its own (fiks.md 8 to 10 and 12)."""

import csv
import io
import json
import uuid
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
import pytest_asyncio

from gateway.crypto.certificate_facts import facts_of
from gateway.crypto.keys import SoftwareKey
from gateway.errors import DecryptionError
from gateway.simulators.feil import Feil
from gateway.simulators.fiks.faults import FiksFault
from gateway.simulators.fiks.figures import as_csv, per_office_and_day
from gateway.simulators.fiks.parcel import open_parcel, seal_parcel
from gateway.simulators.fiks.portal import FEILET, MOTTATT
from gateway.simulators.fiks.protocol_account import SSB, ssb
from gateway.simulators.ledger import Ledger
from gateway.simulators.produsent import Integration as Sender
from gateway.simulators.produsent import Produsent
from gateway.simulators.sample import Form, Office, make_report
from tests.broker import running_fiks
from tests.integration.simulators.fiks_kit import connected, consuming, receive, send

ENDED_S = 10


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def fiks(tmp_path_factory):
    """One platform for the file; each test makes members of its own."""
    async with running_fiks(tmp_path_factory.mktemp("fiks")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def kontor(fiks):
    return await fiks.member("Barnevernet")


def opened(member, body):
    return open_parcel(body, SoftwareKey(member.receive.key, (member.receive.certificate,)), datetime.now(UTC))


async def answer(fiks, kontor, message, kind, documents=None):
    """Answer the portal as a case system's gateway does."""
    data = None
    if documents:
        key = fiks.platform.place.keys
        data = seal_parcel(documents, facts_of(key.receive.certificate), key.signing, datetime.now(UTC))
    body = {
        "avsenderKontoId": kontor.konto_id,
        "mottakerKontoId": message.headers["avsender-id"],
        "meldingType": kind,
        "svarPaMelding": message.headers["melding-id"],
    }
    await send(fiks, kontor, kontor, data, **body)


def tilstander(report):
    return [row.tilstand for row in report.history]


@pytest.mark.parametrize("version", ["V1", "V2"])
@pytest.mark.parametrize("form", list(Form))
async def test_a_report_comes_sealed_for_the_office_with_the_portals_headers(fiks, kontor, form, version):
    office = fiks.office(kontor)
    report = await fiks.platform.reporter.report(office, form, version)
    message = await receive(fiks, kontor)
    assert message.headers["type"] == f"no.ks.fiks.bekymringsmelding.{form}.{version.lower()}"
    assert message.headers["bydel-ressurs-id"] == office.ressurs_id
    expected = report.bekymringsmelding_id if version == "V2" else None
    assert message.headers.get("bekymringsmelding-id") == expected
    documents = opened(kontor, message.body)
    assert json.loads(documents["bekymringsmelding.json"])["kommunenummer"] == "4601"
    assert documents["bekymringsmelding.pdf"].startswith(b"%PDF")


async def test_mottatt_makes_a_report_delivered_and_nothing_later_changes_that(fiks, kontor):
    report = await fiks.platform.reporter.report(fiks.office(kontor))
    message = await receive(fiks, kontor)
    for kind in (MOTTATT, MOTTATT, FEILET):
        await answer(fiks, kontor, message, kind)
    await fiks.platform.portal.until(report.bekymringsmelding_id, "LEVERT", ENDED_S)
    await answer(fiks, kontor, message, "no.ukjent.v1")
    while len(report.late) < 3:
        await receive_nothing(fiks)
    assert tilstander(report) == ["AKSEPTERT", "SENDT_FAGSYSTEM", "LEVERT"]
    assert report.late == [MOTTATT, FEILET, "no.ukjent.v1"]


async def receive_nothing(fiks):
    """Let the portal read on."""
    await fiks.platform.mail.counts(fiks.platform.portal.konto_id)


async def test_feilet_sends_a_report_to_print_with_what_the_receiver_said(fiks, kontor):
    report = await fiks.platform.reporter.report(fiks.office(kontor))
    message = await receive(fiks, kontor)
    await answer(fiks, kontor, message, FEILET, {"feilmelding.json": b'{"melding": "kan ikke lagres"}'})
    await fiks.platform.portal.until(report.bekymringsmelding_id, "SENDT_PRINT", ENDED_S)
    assert tilstander(report) == ["AKSEPTERT", "SENDT_FAGSYSTEM", "AVVIST_FAGSYSTEM", "SENDT_PRINT"]
    assert report.feilmelding == "kan ikke lagres"


async def test_a_report_that_nobody_takes_in_time_goes_to_print(fiks, kontor, monkeypatch):
    monkeypatch.setattr(fiks.platform.portal, "ttl", timedelta(milliseconds=1))
    report = await fiks.platform.reporter.report(fiks.office(kontor))
    await fiks.platform.portal.until(report.bekymringsmelding_id, "SENDT_PRINT", ENDED_S)
    assert tilstander(report) == ["AKSEPTERT", "SENDT_FAGSYSTEM", "SENDT_PRINT"]


async def test_a_report_sent_again_has_a_new_melding_id_and_all_else_the_same(fiks, kontor):
    report = await fiks.platform.reporter.report(fiks.office(kontor))
    await fiks.platform.portal.resend(report.bekymringsmelding_id)
    fiks.platform.faults.arm(FiksFault.PREFIXED_REPORT_HEADERS)
    await fiks.platform.portal.resend(report.bekymringsmelding_id)
    one, two, three = [await receive(fiks, kontor) for _ in range(3)]
    assert [message.headers["melding-id"] for message in (one, two, three)] == report.melding_ids
    assert len(set(report.melding_ids)) == 3
    assert one.body == two.body == three.body
    name = "egendefinert-header.klientMeldingId"
    assert one.headers[name] == two.headers[name] == three.headers[name]
    assert two.headers["bekymringsmelding-id"] == three.headers["egendefinert-header.bekymringsmelding-id"]
    assert "bekymringsmelding-id" not in three.headers


async def test_a_report_sealed_for_somebody_else_does_not_open(fiks, kontor):
    await fiks.platform.reporter.report(fiks.office(kontor), feil=Feil.WRONG_KEY)
    with pytest.raises(DecryptionError):
        opened(kontor, (await receive(fiks, kontor)).body)


async def test_the_operators_list_and_figures_count_what_happened(fiks, kontor):
    office = fiks.office(kontor)
    reports = [await fiks.platform.reporter.report(office) for _ in range(3)]
    async with connected(fiks, kontor) as channel, consuming(channel, kontor) as messages:
        for kind in (MOTTATT, FEILET):
            message = await anext(messages)
            await answer(fiks, kontor, message, kind)
            await message.ack()
    await fiks.platform.portal.until(reports[0].bekymringsmelding_id, "LEVERT", ENDED_S)
    await fiks.platform.portal.until(reports[1].bekymringsmelding_id, "SENDT_PRINT", ENDED_S)
    rows = list(csv.DictReader(as_csv(reports).splitlines()))
    assert [row["status"] for row in rows] == ["LEVERT", "SENDT_PRINT", "SENDT_FAGSYSTEM"]
    assert [row["bekymringsmelding-id"] for row in rows] == [report.bekymringsmelding_id for report in reports]
    assert [row["melding-id"] for row in rows] == [report.melding_ids[0] for report in reports]
    [figures] = per_office_and_day(reports)
    assert {name: value for name, value in figures.items() if name.startswith("antall")} == {
        "antallSendt": 3,
        "antallLevertFiksIO": 1,
        "antallAvvist": 1,
        "antallPrint": 1,
    }


@pytest.mark.parametrize("api", ["v1", "v2"])
async def test_our_producer_client_sends_through_the_portal_and_reads_levert(fiks, kontor, tmp_path, api):
    office = fiks.office(kontor, stottet_versjon=api.upper())
    skole = await fiks.member("Skolen")
    ledger = Ledger(tmp_path / "produsent.jsonl")
    url = f"{fiks.platform.base_url}/bekymringsmelding/api"
    org = fiks.platform.register.account(skole.konto_id).fiks_org_id
    sender = Sender(url, org, skole.integrasjon_id, skole.passord, api=api)
    produsent = Produsent(fiks.session, sender, skole.tokens, fiks.supplier, ledger)
    receiver = await produsent.receiver("4601")
    address = Office("4601", "Bergen", office.bydelsnummer, office.bydelsnavn)
    sent = await produsent.send(make_report(Form.OFFENTLIG, receiver.version, address, number=1), receiver)
    assert sent.status == 201
    message = await receive(fiks, kontor)
    assert message.headers["type"] == f"no.ks.fiks.bekymringsmelding.offentlig.{api}"
    assert "bekymringsmelding.pdf" in opened(kontor, message.body)
    await answer(fiks, kontor, message, MOTTATT)
    assert await produsent.follow(sent.uuid, within_s=ENDED_S) == ["AKSEPTERT", "SENDT_FAGSYSTEM", "LEVERT"]
    ledger.close()


async def test_version_1_of_the_producer_api_holds_its_own_fields_only(fiks, kontor):
    fiks.office(kontor)
    url = f"{fiks.platform.base_url}/bekymringsmelding/api"
    headers = await kontor.headers()

    async def get(path):
        async with fiks.session.get(f"{url}/{path}", headers=headers) as response:
            return await response.json()

    assert (await get("v1/kommuner/4601/bydeler"))[0].keys() == {"bydelsnummer", "bydelsnavn", "standardMottaker"}
    assert (await get("v2/kommuner/4601/bydeler"))[0]["stottetVersjon"] == "V2"
    nokler = (await get("v1/mottak/fagsystem/4601/02/krypteringsnokler"))["fiksIOOffentligNokkel"]
    assert nokler.keys() == {"nokkel", "validFrom", "validTo", "serial", "subjectDN", "issuerDN"}
    assert datetime.fromisoformat(nokler["validTo"]).tzinfo is None
    assert await get("v1/kommuner/1103/bydeler") == []
    assert (await get("v1/kommuner/1103"))["status"] == 404


async def test_an_upload_that_does_not_hold_is_refused_and_nothing_is_sent(fiks, kontor):
    fiks.office(kontor, stottet_versjon="V1")
    sealed = seal_parcel(
        {"x.json": b"{}"}, fiks.certificate_of(kontor), fiks.platform.place.keys.signing, datetime.now(UTC)
    )
    org = fiks.platform.register.account(kontor.konto_id).fiks_org_id

    async def upload(parts, version="v1", fra=org):
        form = aiohttp.FormData()
        for name, content in parts:
            form.add_field(name, io.BytesIO(content), filename=name)
        url = f"{fiks.platform.base_url}/bekymringsmelding/api/{version}/mottak/fagsystem/{fra}/4601/02/offentlig"
        async with fiks.session.post(url, data=form, headers=await kontor.headers()) as answer:
            return answer.status

    right = [("bekymringsmelding", sealed), ("asice", sealed)]
    assert await upload(right[:1]) == 400
    assert await upload([*right, right[0]]) == 400
    assert await upload([right[0], ("asice", b"ikke forseglet")]) == 400
    assert await upload([right[0], ("asice", sealed + bytes(5_000_000))]) == 413
    assert await upload(right, fra=str(uuid.uuid4())) == 403
    assert await upload(right, version="v2") == 400
    assert (await fiks.platform.mail.counts(kontor.konto_id)).waiting == 0
    assert await upload(right[::-1]) == 201


async def test_the_register_answers_a_submission_with_its_validation(fiks, kontor):
    partner = await fiks.platform.open_account(ssb(), fiks.platform.place.keys, "SSB", "971526920")
    key = fiks.platform.place.keys

    async def submitted(payload):
        data = seal_parcel({"payload.json": payload}, facts_of(key.receive.certificate), key.signing, datetime.now(UTC))
        sent = await send(
            fiks, kontor, kontor, data, mottakerKontoId=partner.konto_id, meldingType=f"{SSB}.innrapportering",
            headere={"klientKorrelasjonsId": "k1"},
        )  # fmt: skip
        message = await receive(fiks, kontor)
        assert message.headers["svar-til"] == sent["meldingId"]
        assert message.headers["type"] == f"{SSB}.valideringsrapport"
        assert message.headers["egendefinert-header.klientKorrelasjonsId"] == "k1"
        return json.loads(opened(kontor, message.body)["payload.json"])

    assert await submitted(b'{"xsdVersion": 4, "xmlBody": "<Barnevern Id=\'1\'/>"}') == {
        "severity": "OK",
        "reportEntries": [],
    }
    assert (await submitted(b'{"xsdVersion": 4, "xmlBody": "<Barnevern"}'))["severity"] == "FATAL"
    await send(fiks, kontor, kontor, None, mottakerKontoId=partner.konto_id, meldingType=f"{SSB}.annet")
    assert (await receive(fiks, kontor)).headers["type"] == f"{SSB}.feilmelding.ugyldigforespoersel"
