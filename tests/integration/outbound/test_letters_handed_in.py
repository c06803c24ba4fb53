"""POST /messages with decisions, plans, summonses and feedback: written here, or brought as PDF and kept as it is."""

import io
import json
import uuid
from dataclasses import replace

import aiohttp
import pytest
from pypdfium2 import PdfDocument

from gateway.domain.routing import Road
from gateway.pipeline import letter_writing
from gateway.pipeline.accept import Intake
from gateway.pipeline.roads import Roads
from gateway.simulators.sample import Form
from gateway.store.tables import message
from tests.conftest import ROOT
from tests.integration.http.conftest import case_system_listener
from tests.integration.outbound.kit import SAMPLE, melding, read
from tests.reports import Sender
from tests.work import work_off

PDF = b"%PDF-1.7 et brev som fagsystemet laget"
PERSON = {"fodselsnummer": "17912099997", "navn": "Prøve Márjá Čáhppes", "aktortype": "A05", "rolle": "MOR"}
REPORTER = {"fodselsnummer": "29822099635", "navn": "Prøve Melder", "aktortype": "A13"}
SCHOOL = SAMPLE["mottaker"]
FORMS = {
    "vedtak": "hjelpetiltak",
    "plan": "tiltaksplan",
    "innkalling": "samtale",
    "tilbakemelding.melder": "privat-mottatt",
}
TYPES = {"vedtak": "vedtak", "plan": "plan", "innkalling": "innkalling", "tilbakemelding.melder": "tilbakemelding"}


def sample(kind: str, label: str | None = None) -> dict:
    return json.loads((ROOT / "schemas" / kind / "v1" / "samples" / f"valid-{label or FORMS[kind]}.json").read_bytes())


def vedlegg(name: str, media_type: str | None = None) -> dict:
    known = "application/pdf" if name.endswith(".pdf") else "application/json"
    return {**SAMPLE["vedlegg"][0], "filnavn": name, "mimeType": media_type or known, "inneholder": ["INGEN"]}


def letter(kind: str = "vedtak", document: dict | bytes | None = None, more: dict | None = None, **changes) -> dict:
    """The parts of one request: the envelope, then the documents that it names."""
    name = f"{TYPES[kind]}.json"
    raw = (
        document if isinstance(document, bytes) else json.dumps(sample(kind) if document is None else document).encode()
    )
    documents = {name: raw} | (more or {})
    envelope = {"mottaker": PERSON, "vedlegg": [vedlegg(each) for each in documents], "avsendersRef": "2026/4711"}
    return {"melding": melding(meldingstype=kind, **envelope | changes)} | documents


def feedback(report: str, document: dict | None = None, more: dict | None = None, **changes) -> dict:
    told = sample("tilbakemelding.melder") | {"gjelderMeldingId": report} | (document or {})
    answers = {"oppfolgingAvMeldingId": report, "meldingsforbindelse": "Svar", "mottaker": REPORTER}
    return letter("tilbakemelding.melder", told, more, **answers | changes)


@pytest.fixture
async def office(env, site):
    """The listener of a gateway with a road for each of the types; nothing is sent in these tests."""
    roads = Roads({f"{kind}.v1": (Road("partner"),) for kind in FORMS}, (), env.roads.bases)
    async with case_system_listener(replace(env, roads=roads), site.tenant) as running:
        yield running


@pytest.fixture
async def report(env, site) -> str:
    accepted = await Intake(env).accept(Sender(site, env).delivery(1))
    await work_off(env)
    return accepted.id


pytestmark = pytest.mark.parametrize("env", ["sqlite"], indirect=True)


async def post(office, parts: dict, key: str = "nokkel"):
    body = aiohttp.FormData(quote_fields=False)
    for name, content in parts.items():
        given = json.dumps(content) if isinstance(content, dict) else content
        media_type = "application/pdf" if name.endswith(".pdf") else "application/json"
        body.add_field(name, given, content_type=media_type, filename=name)
    status, answer, _ = await office.call("POST", "/messages", headers={"Idempotency-Key": key}, data=body)
    return status, answer


async def documents(office, message_id: str) -> dict[str, bytes | dict]:
    """By name; JSON as it reads."""
    _, head, _ = await office.call("GET", f"/messages/{message_id}")
    found = {}
    for one in head["documents"]:
        _, raw, _ = await office.call("GET", f"/messages/{message_id}/documents/{one['name']}")
        found[one["name"]] = raw
    return found


def text_of(pdf: bytes) -> str:
    with PdfDocument(io.BytesIO(pdf)) as opened:
        return " ".join("\n".join(page.get_textpage().get_text_range() for page in opened).split())


WRITTEN = [
    ("vedtak", "nb", "Fristen er tre uker fra den dagen du fikk dette brevet."),
    ("vedtak", "nn", "Fristen er tre veker frå den dagen du fekk dette brevet."),
    ("plan", "nb", "Dette er en tiltaksplan etter barnevernsloven § 8-1."),
    ("innkalling", "nn", "Vi ber deg om å vere med på ein samtale."),
]


async def test_a_letter_is_written_in_its_language_where_the_case_system_brings_none(office):
    for kind, language, words in WRITTEN:
        status, answer = await post(office, letter(kind, brev={"sprak": language}), key=f"{kind}-{language}")
        assert status == 202, answer
        found = await documents(office, answer["id"])
        assert list(found) == [f"{kind}.json", "brev.pdf"]
        assert found[f"{kind}.json"] == sample(kind)
        for expected in (words, PERSON["navn"], "Vår referanse: 2026/4711", "Kommunen"):
            assert expected in text_of(found["brev.pdf"])


async def test_pdfs_that_the_case_system_brings_are_kept_as_they_are_and_none_is_written(office):
    own = sample("vedtak", "eget-brev") | {"dokument": "Vedtak om tiltak.pdf"}
    status, answer = await post(office, letter("vedtak", own, {"Vedtak om tiltak.pdf": PDF, "plan.pdf": PDF + b"!"}))
    assert status == 202, answer

    found = await documents(office, answer["id"])

    assert found["Vedtak om tiltak.pdf"] == PDF
    assert found["plan.pdf"] == PDF + b"!"
    assert list(found) == ["vedtak.json", "Vedtak om tiltak.pdf", "plan.pdf"]


async def test_the_same_request_is_the_same_message_though_another_version_would_write_the_letter_otherwise(
    office, monkeypatch
):
    parts = letter("plan")
    _, first = await post(office, parts)
    monkeypatch.setattr(letter_writing, "render", lambda *_: b"%PDF-1.7 en nyere mal")

    status, again = await post(office, parts)
    other_status, other = await post(office, letter("plan"))

    assert (status, again) == (202, first)
    assert (other_status, other["code"]) == (409, "idempotency-conflict")
    assert len(await documents(office, first["id"])) == 2


REFUSED = {
    "no document of the type": (lambda: letter(vedlegg=[vedlegg("brev.pdf")]) | {"brev.pdf": PDF}, "bad-request"),
    "a document that it does not have": (lambda: letter(more={"notat.xml": b"<a/>"}), "bad-request"),
    "a second form": (lambda: letter(more={"annet.json": b"{}"}), "bad-request"),
    "a PDF that says it is none": (
        lambda: letter(more={"a.pdf": PDF}, vedlegg=[vedlegg("vedtak.json"), vedlegg("a.pdf", "application/json")]),
        "bad-request",
    ),
    "a form that says it is a PDF": (
        lambda: letter(vedlegg=[vedlegg("vedtak.json", "application/pdf")]),
        "bad-request",
    ),
    "a letter that is named and did not come": (
        lambda: letter(document=sample("vedtak", "eget-brev")),
        "bad-request",
    ),
    "another letter than the one that is named": (
        lambda: letter(document=sample("vedtak", "eget-brev"), more={"annet.pdf": PDF}),
        "bad-request",
    ),
    "the letter after its attachment": (
        lambda: letter(document=sample("vedtak", "eget-brev"), more={"annet.pdf": PDF, "vedtak.pdf": PDF}),
        "bad-request",
    ),
    "against the schema": (lambda: letter(document=sample("vedtak") | {"dato": "i dag"}), "schema"),
    "not JSON": (lambda: letter(document=b"{"), "schema"),
    "a key twice": (lambda: letter(document=b'{"dato": "2026-11-22", "dato": "2026-11-23"}'), "schema"),
    "a sign that no letter font has": (
        lambda: letter(document=sample("vedtak") | {"vedtak": "hemmelig 漢字"}),
        "letter-not-written",
    ),
}


async def test_what_cannot_become_the_letter_that_it_says_is_refused_and_nothing_of_it_is_stored(office):
    for label, (made, code) in REFUSED.items():
        status, problem = await post(office, made())
        assert (status, problem["code"]) == (400, code), label
        assert "hemmelig" not in problem["detail"]
    assert await read(office.env, message.select()) == []
    assert [path for path in office.env.vault.folder.root.rglob("*") if path.is_file()] == []


async def test_a_private_reporter_gets_a_letter_that_tells_of_receipt_and_no_case(office, report):
    status, answer = await post(office, feedback(report))
    assert status == 202, answer

    told = text_of((await documents(office, answer["id"]))["brev.pdf"])

    assert "Takk for meldingen din" in told
    for case in ("4711", "referanse", "undersøkelse", report):
        assert case not in told


async def test_a_public_reporter_is_an_organisation_and_hears_what_became_of_it(office, report):
    told = {"mottakerType": "OFFENTLIG", "innhold": "HENLAGT"}
    status, answer = await post(office, feedback(report, told, mottaker=SCHOOL))
    assert status == 202, answer
    assert "Vi har henlagt saken." in text_of((await documents(office, answer["id"]))["brev.pdf"])


WRONG = {
    "a private reporter told more": (lambda report: feedback(report, {"innhold": "HENLAGT"}), "schema"),
    "a person told as a public body": (
        lambda report: feedback(report, {"mottakerType": "OFFENTLIG", "innhold": "HENLAGT"}),
        "bad-request",
    ),
    "a school told as a private person": (lambda report: feedback(report, mottaker=SCHOOL), "bad-request"),
    "a party of the case": (lambda report: feedback(report, mottaker=PERSON), "bad-request"),
    "somebody anonymous": (lambda report: feedback(report, mottaker=REPORTER | {"aktortype": "A14"}), "bad-request"),
    "no answer": (
        lambda report: feedback(report, oppfolgingAvMeldingId=None, meldingsforbindelse=None),
        "bad-request",
    ),
    "an addition, not an answer": (lambda report: feedback(report, meldingsforbindelse="Tillegg"), "bad-request"),
    "another report in the document": (
        lambda report: feedback(report, {"gjelderMeldingId": "0198f0a0-2222-4222-8333-444455556666"}),
        "bad-request",
    ),
    "a report that is not here": (
        lambda _: feedback("0198f0a0-2222-4222-8333-444455556666"),
        "unknown-report",
    ),
}


async def test_feedback_that_answers_nothing_or_somebody_else_is_refused(office, report):
    for label, (made, code) in WRONG.items():
        status, problem = await post(office, made(report))
        assert (status, problem["code"]) == (400, code), label
        assert report not in problem["detail"]
    assert len(await read(office.env, message.select())) == 1  # the report


async def test_feedback_may_name_the_report_by_the_senders_id(office, env, site):
    named = "0198f0a0-7777-4222-8333-444455556666"
    await Intake(env).accept(replace(Sender(site, env).delivery(2), remote_id=named))
    await work_off(env)

    assert (await post(office, feedback(named)))[0] == 202


async def test_no_organisation_is_told_what_became_of_a_private_persons_report(office, env, site):
    accepted = await Intake(env).accept(Sender(site, env).delivery(1, Form.PRIVAT))
    await work_off(env)

    told = {"mottakerType": "OFFENTLIG", "innhold": "UNDERSOKELSE_APNET"}
    status, problem = await post(office, feedback(accepted.id, told, mottaker=SCHOOL))

    assert (status, problem["code"]) == (400, "private-report")
    assert (await post(office, feedback(accepted.id)))[0] == 202


async def test_the_decision_of_the_guide_is_taken_as_it_stands_there(office):
    guide = (ROOT / "docs" / "case-system-guide.md").read_text("utf-8")
    shown = guide.split("cat > melding.json <<END\n")[1].split("\nEND\n")[0]
    shown = shown.replace("$(uuidgen)", str(uuid.uuid4())).replace("$(date +%FT%T%:z)", SAMPLE["sendtTidspunkt"])

    status, answer = await post(office, {"melding": json.loads(shown), "vedtak.json": json.dumps(sample("vedtak"))})

    assert status == 202, answer
    assert "brev.pdf" in await documents(office, answer["id"])
