"""What is wrong after the 201: shown as a warning, or quarantined to a person. Nothing is lost, nothing tells the sender."""

import dataclasses
import hashlib
import io
import json
from datetime import UTC, datetime

import pytest
from prometheus_client import generate_latest

from gateway.crypto.certificate_facts import facts_of
from gateway.crypto.certificates import TrustPolicy
from gateway.crypto.revocation import RevocationCache, RevocationSource
from gateway.domain.lifecycle import State
from gateway.errors import ConflictError, MalformedRequestError
from gateway.observability import logging, metrics
from gateway.pipeline import confirm, hand_over, people
from gateway.pipeline.accept import Intake
from gateway.pipeline.confirm import Readback
from gateway.pipeline.people import Decision
from gateway.pipeline.texts import WARNINGS
from gateway.simulators.feil import Bench, Feil, build
from gateway.simulators.sample import Form
from gateway.simulators.seal import Receivers
from gateway.spi import Caller
from gateway.store import alarms, messages
from gateway.testing.sha1 import sha1_signer
from tests.reports import SENDER_FIKS_ORG_ID, TestDelivery
from tests.work import state_of, work_off

CALLER = Caller("produsent-1", "987654325", SENDER_FIKS_ORG_ID)

QUARANTINED = {
    Feil.WRONG_KEY: {"decryption"},
    Feil.TAMPERED_CIPHERTEXT: {"decryption", "structure", "signature"},
    Feil.UNSIGNED_CONTAINER: {"signature"},
    Feil.BROKEN_SIGNATURE: {"signature"},
    Feil.SWAPPED_SIGNATURE: {"signature"},
    Feil.UNLISTED_FILE: {"signature", "structure"},
    Feil.ZIP_BOMB: {"structure"},
    Feil.PATH_TRAVERSAL: {"structure"},
    Feil.DUPLICATE_NAMES: {"structure"},
}
WARNED = {
    Feil.SHA1_SIGNATURE: {"sha1-signature"},
    Feil.UNKNOWN_SIGNER: {"signer-unknown"},
    Feil.WITHOUT_JSON: {"json-missing"},
    Feil.WITHOUT_PDF: {"pdf-missing", "print-copy"},
    Feil.NAN_JSON: {"json-nan"},
    Feil.DUPLICATE_KEYS: {"json-duplicate-keys"},
    Feil.OTHER_MUNICIPALITY: {"kommunenummer-differs"},
    Feil.SCHEMA_FLAW: {"schema"},
    Feil.UNKNOWN_FIELDS: set(),
}
KEPT = {
    Feil.NAN_JSON: b'"vekt": NaN',
    Feil.DUPLICATE_KEYS: b'"leveringskanal": "en annen"',
    Feil.OTHER_MUNICIPALITY: b'"kommunenummer": "9902"',
    Feil.SCHEMA_FLAW: b": 1772439885",
    Feil.UNKNOWN_FIELDS: b'"nyttFelt": {"navn": "ukjent", "verdier": [1, null]}',
}
SQLITE = pytest.mark.parametrize("env", ["sqlite"], indirect=True)  # for what does not depend on the store


def spoilt(sender, feil: Feil | None, number: int = 1, form: Form = Form.OFFENTLIG) -> TestDelivery:
    receivers = Receivers(
        container=facts_of(sender.office.receive.decryption_keys()[0].certificate),
        print_part=facts_of(sender.office.print_part.decryption_keys()[0].certificate),
    )
    bench = Bench(
        sender.report(number, form), receivers, sender.key, datetime.now(UTC), sha1_signer(sender.site.sender.key_pem)
    )
    sealed = build(feil, bench)
    return TestDelivery({"bekymringsmelding": sealed.print_part, "asice": sealed.container})


async def readback_of(env, client, message_id: str, reference: str = "SAK-9") -> Readback:
    found = []
    for document in (await hand_over.head(env, client, message_id))["documents"]:
        served = await hand_over.fetch(env, client, message_id, document["name"])
        found.append((document["name"], hashlib.sha256(b"".join(served.pieces(0, served.size))).hexdigest()))
    return Readback(reference, tuple(found))


def test_every_fault_of_seal_and_content_has_its_expected_end():
    sending = {Feil.SEND_TWICE, Feil.CUT_UPLOAD, Feil.WRONG_PASSWORD}
    assert set(QUARANTINED) | set(WARNED) == set(Feil) - sending


@pytest.mark.parametrize("feil", WARNED, ids=str)
async def test_a_fault_that_can_be_lived_with_is_delivered_with_a_visible_warning(env, intake, sender, client, feil):
    accepted = await intake.accept(spoilt(sender, feil))
    await work_off(env)
    assert await state_of(env, accepted.id) == State.READY
    found = {
        warning["code"]: warning["text"] for warning in (await hand_over.head(env, client, accepted.id))["warnings"]
    }
    assert WARNED[feil] <= set(found)
    assert set(found) <= set(WARNINGS), "every warning has a sentence for the caseworker"
    assert set(found) - WARNED[feil] <= {"signer-revocation-unknown"}
    if feil in KEPT:
        served = await hand_over.fetch(env, client, accepted.id, "bekymringsmelding.json")
        assert KEPT[feil] in b"".join(served.pieces(0, served.size)), "what is odd was not kept as it came"
    await confirm.confirm(env, client, accepted.id, await readback_of(env, client, accepted.id))


@pytest.mark.proves("promise-7")
@SQLITE
@pytest.mark.parametrize("revoked", [True, False], ids=["revoked", "the control"])
async def test_a_report_whose_signer_was_revoked_is_delivered_and_says_so(env, sender, client, revoked):
    pki = sender.site.pki
    lists = {"https://mellom.test/": pki.intermediate.crl([sender.site.sender.certificate] if revoked else [])}
    lists["https://rot.test/"] = pki.root.crl()
    issuers = (pki.intermediate, pki.root)
    sources = [RevocationSource(one.certificate, url) for one, url in zip(issuers, lists, strict=True)]
    known = RevocationCache(sources, lambda url, _: lists[url], lambda: datetime.now(UTC))
    env = dataclasses.replace(env, trust=TrustPolicy((pki.root.certificate,), revocation=known))
    accepted = await Intake(env).accept(sender.delivery())
    await work_off(env)
    head = await hand_over.head(env, client, accepted.id)
    assert [warning["code"] for warning in head["warnings"]] == (["signer-revoked"] if revoked else [])
    assert head["signer"]["trust"] == ("revoked" if revoked else "trusted")


@pytest.mark.proves("promise-7")
@pytest.mark.proves("S19")
@pytest.mark.parametrize("feil", QUARANTINED, ids=str)
async def test_a_seal_that_does_not_hold_is_quarantined_with_alarm_and_clock(env, intake, sender, client, feil):
    accepted = await intake.accept(spoilt(sender, feil))
    await work_off(env)
    assert await state_of(env, accepted.id) == State.QUARANTINED
    rows = await env.store.read(lambda conn: messages.warnings(conn, accepted.id))
    assert {row.detail for row in rows if row.code == "quarantined"} <= QUARANTINED[feil]
    opened = await env.store.read(alarms.open_alarms)
    assert [(row.code, row.subject) for row in opened] == [("quarantined", accepted.id)]
    clocks = {row.clock_id: row.status for row in await env.store.read(lambda conn: messages.clocks(conn, accepted.id))}
    assert clocks["F02"] == "AAPEN"
    assert await hand_over.claim(env, client, 10, 600, ()) == []
    with pytest.raises(hand_over.UnknownResourceError):
        await hand_over.head(env, client, accepted.id)


@pytest.mark.proves("S17")
@pytest.mark.parametrize("feil", [None, *QUARANTINED, *WARNED], ids=str)
async def test_the_sender_cannot_see_whether_its_container_could_be_opened(env, intake, sender, feil):
    # The control is None: a report without fault, which must look no other.
    accepted = await intake.accept(spoilt(sender, feil))
    before = [row.status for row in await intake.history(accepted.id, CALLER)]
    await work_off(env)
    assert [row.status for row in await intake.history(accepted.id, CALLER)] == before == ["AKSEPTERT"]


async def test_a_person_may_let_the_print_copy_of_a_quarantined_report_through(env, intake, sender, client):
    accepted = await intake.accept(spoilt(sender, Feil.WRONG_KEY))
    await work_off(env)
    assert await people.decide(env, accepted.id, Decision("accept", "kari", "lest på papir")) == State.READY
    head = await hand_over.head(env, client, accepted.id)
    assert [document["name"] for document in head["documents"]] == ["bekymringsmelding-utskrift.pdf"]
    assert {"quarantined", "print-copy"} <= {warning["code"] for warning in head["warnings"]}
    served = await hand_over.fetch(env, client, accepted.id, "bekymringsmelding-utskrift.pdf")
    assert b"".join(served.pieces(0, served.size)) == sender.report().pdf
    await confirm.confirm(env, client, accepted.id, await readback_of(env, client, accepted.id))
    await work_off(env)
    assert [row.status for row in await intake.history(accepted.id, CALLER)][-1] == "LEVERT"


async def test_only_a_named_person_with_a_reason_refuses_and_then_the_sender_is_told(env, intake, sender):
    accepted = await intake.accept(spoilt(sender, Feil.UNSIGNED_CONTAINER))
    await work_off(env)
    for decision in (Decision("refuse", "", "ugyldig"), Decision("refuse", "kari", " ")):
        with pytest.raises(MalformedRequestError):
            await people.decide(env, accepted.id, decision)
    assert await people.decide(env, accepted.id, Decision("refuse", "kari", "ikke til oss")) == State.REFUSED
    await work_off(env)
    assert await state_of(env, accepted.id) == State.RECEIPTED
    assert [row.status for row in await intake.history(accepted.id, CALLER)] == ["AKSEPTERT", "AVVIST_FAGSYSTEM"]


async def test_a_repeat_of_a_refused_report_reaches_a_person(env, intake, sender):
    first = await intake.accept(spoilt(sender, None))
    await work_off(env)
    await people.decide(env, first.id, Decision("hold", "kari", "feil adressat"))
    await people.decide(env, first.id, Decision("refuse", "kari", "feil adressat"))
    await work_off(env)
    second = await intake.accept(spoilt(sender, None))
    await work_off(env)
    assert await state_of(env, second.id) == State.HELD
    assert "seen-refused" in {row.code for row in await env.store.read(alarms.open_alarms)}


async def test_a_confirmation_by_hand_counts_and_a_later_refusal_rings(env, intake, sender):
    accepted = await intake.accept(spoilt(sender, Feil.WRONG_KEY))
    await work_off(env)
    by_hand = Decision("confirm", "kari", "registrert manuelt", "SAK-77")
    assert await people.decide(env, accepted.id, by_hand) == State.CONFIRMED
    with pytest.raises(ConflictError):
        await people.decide(env, accepted.id, Decision("refuse", "ola", "ser feil ut"))
    assert "late-event" in {row.code for row in await env.store.read(alarms.open_alarms)}
    await work_off(env)
    assert [row.status for row in await intake.history(accepted.id, CALLER)][-1] == "LEVERT"


@pytest.mark.proves("promise-7")
@pytest.mark.proves("S88")
async def test_no_content_and_no_name_reaches_logs_alarms_or_metrics(env, intake, sender, client):
    written = io.StringIO()
    env = dataclasses.replace(env, log=logging.to(written))
    intake = Intake(env)
    marked = {"Merkesen", "01010199999", "merket-hemmelighet"}
    for number, feil in enumerate([None, *QUARANTINED, *WARNED], start=1):
        delivery = spoilt(sender, feil, number)
        report = sender.report(number)
        document = json.loads(report.json) | {"Merkesen": "01010199999"}
        document["melding"]["melding"] = "merket-hemmelighet"
        parts = {"bekymringsmelding.json": json.dumps(document).encode(), "bekymringsmelding.pdf": report.pdf}
        if feil is None:
            delivery.part_bytes["asice"] = sender.sealed(sender.container(parts))
        await intake.accept(delivery)
    await work_off(env)
    rows = await env.store.read(alarms.open_alarms)
    seen = written.getvalue() + generate_latest(metrics.REGISTRY).decode() + repr(rows)
    assert "message.accepted" in seen
    for mark in (*marked, "Foresatt", "Barnesen", "bekymringsmelding.json"):
        assert mark not in seen
