"""S22, S23, S50: an id, a key or an envelope that somebody else used hides no message and makes none another's."""

import dataclasses
import json

import aiohttp
import pytest
from sqlalchemy import select

from gateway.domain.lifecycle import State
from gateway.errors import ConflictError
from gateway.pipeline import confirm, hand_over, people
from gateway.pipeline.accept import Intake
from gateway.pipeline.hand_over import CaseSystemClient
from gateway.pipeline.people import Decision
from gateway.pipeline.texts import WARNINGS
from gateway.store import alarms
from gateway.store.tables import dedupe, message
from tests.edge_kit import CLIENT_ID, SCHOOL_OWNER, mottak, partner
from tests.integration.outbound.kit import BREV, Scripted, hand_in, melding, with_roads
from tests.integration.pipeline.test_bad_input import readback_of
from tests.reports import TestDelivery
from tests.work import state_of, work_off

OTHER_SENDER = "99999999-2222-4333-8444-555566667777"


@pytest.fixture
def client(site):
    return CaseSystemClient("fagsystem-1", (site.tenant,))


async def came(env, delivery):
    accepted = await Intake(env).accept(delivery)
    await work_off(env)
    return accepted.id


# --- S23: the same id, other content -------------------------------------------------------------------------------

# Who takes the id, and where it stands: in the delivery itself, or among its road's headers.
SQUATTED = {
    "melding-id": {"remote_id": "11111111-aaaa-4333-8444-555566667777"},
    "bekymringsmelding-id": {"headers": {"bekymringsmelding-id": "22222222-aaaa-4333-8444-555566667777"}},
    "klientMeldingId": {"headers": {"klientMeldingId": "33333333-aaaa-4333-8444-555566667777"}},
}


@pytest.mark.proves("S23")
async def test_squatting_an_id_suppresses_nothing(env, sender, client):
    """Whichever of the two is the true one: both are kept, one waits for a person, and both can be confirmed."""
    for number, (kind, values) in enumerate(SQUATTED.items()):
        reports = [sender.report(10 + 2 * number), sender.report(11 + 2 * number)]
        ids = [await came(env, TestDelivery(sender.parts(report), **values)) for report in reports]
        assert [await state_of(env, one) for one in ids] == ["READY", "QUARANTINED"], kind
        rung = {(row.code, row.subject) for row in await env.store.read(alarms.open_alarms)}
        assert ("content-differs", ids[1]) in rung
        if kind == "melding-id":  # never opened yet: nothing of it could be offered, so nobody can let it pass as empty
            with pytest.raises(ConflictError, match="release it"):
                await people.decide(env, ids[1], Decision("accept", "kari", "egen melding"))
            await people.decide(env, ids[1], Decision("release", "kari", "egen melding"))
            await work_off(env)
        else:
            await people.decide(env, ids[1], Decision("accept", "kari", "egen melding"))
        for one, report in zip(ids, reports, strict=True):
            assert await document(env, client, one, "bekymringsmelding.json") == report.json, kind
            await confirm.confirm(env, client, one, await readback_of(env, client, one, f"SAK-{one}"))
        await work_off(env)
        assert [await state_of(env, one) for one in ids] == ["RECEIPTED", "RECEIPTED"], kind


@pytest.mark.proves("S23")
async def test_control_the_same_id_with_the_same_content_is_one_report_and_another_id_another(env, sender):
    report = sender.report(30)
    headers = {"bekymringsmelding-id": "44444444-aaaa-4333-8444-555566667777"}
    ids = [await came(env, TestDelivery(sender.parts(report), headers=headers)) for _ in range(2)]  # sealed anew
    other = await came(env, TestDelivery(sender.parts(sender.report(31)), headers={"bekymringsmelding-id": "x"}))
    assert [await state_of(env, one) for one in (*ids, other)] == ["READY", "DUPLICATE", "READY"]


async def document(env, client, message_id, name):
    served = await hand_over.fetch(env, client, message_id, name)
    return b"".join(served.pieces(0, served.size))


@pytest.mark.proves("S23")
async def test_nothing_that_a_producer_can_write_in_its_request_makes_two_reports_one(env, sender):
    """The producer API has no id of its own, and none is made of what came along."""
    same = {"X-Request-Id": "1", "klientMeldingId": "1", "bekymringsmelding-id": "1", "meldingId": "1"}
    async with partner(wrap=lambda _: Intake(env)) as here, aiohttp.ClientSession() as session:
        ids = []
        for number in (40, 41):
            form = aiohttp.FormData()
            for name, octets in sender.parts(sender.report(number)).items():
                form.add_field(name, octets, filename="melding-1.bin", content_type="application/octet-stream")
            address = here.url + mottak(office="4601/02")
            async with session.post(address, data=form, headers=here.headers() | same) as answer:
                assert answer.status == 201
                ids.append((await answer.json())["uuid"])
    await work_off(env)
    assert len(set(ids)) == 2
    assert [await state_of(env, one) for one in ids] == ["READY", "READY"]


@pytest.mark.proves("S23")
@pytest.mark.proves("S50")
async def test_a_key_or_message_id_that_another_client_used_first_stops_nobody(env, site, client):
    road = Scripted()
    env = await with_roads(env, site.tenant, loopback=road)
    stranger = dataclasses.replace(client, id="fagsystem-9")
    envelope = melding()
    squatted = await hand_in(env, stranger, envelope | {"formal": "først"}, {"brev.pdf": BREV + b"1"}, key="k")
    true = await hand_in(env, client, envelope, key="k")
    assert squatted != true  # whoever came first: each is a message, and neither is told of the other
    for key, changed in (("k", melding()), ("k2", envelope | {"formal": "annet"})):  # its own key, its own meldingId
        with pytest.raises(ConflictError) as caught:
            await hand_in(env, client, changed, key=key)
        assert caught.value.instance_code == "idempotency-conflict"
    assert await hand_in(env, client, envelope, key="k") == true  # the control: the very same is the very same
    third = await hand_in(env, client, melding(), key="k3")  # as the answer asks for
    await work_off(env)
    stored = await env.store.read(lambda conn: {row.id for row in conn.execute(select(message.c.id))})
    assert stored == {squatted, true, third}


@pytest.mark.proves("S50")
async def test_another_senders_sealed_bytes_are_a_message_of_their_own_and_its_sender_is_told_nothing(env, sender):
    parts = sender.parts(sender.report(50))
    first = await Intake(env).accept(TestDelivery(parts))
    other = await Intake(env).accept(TestDelivery(parts, sender=OTHER_SENDER))
    again = await Intake(env).accept(TestDelivery(parts))  # the control: the same sender
    assert (other.repeated, other.id == first.id, again.id, again.repeated) == (False, False, first.id, True)
    rows = await env.store.read(lambda conn: conn.execute(select(dedupe)).all())
    assert not {OTHER_SENDER, CLIENT_ID, SCHOOL_OWNER} & {value for row in rows for value in row}


# --- S22: signed for somebody else ---------------------------------------------------------------------------------


@pytest.mark.proves("S22")
async def test_what_was_signed_for_another_office_and_sealed_again_for_us_is_shown_with_a_warning(env, sender, client):
    """The one receiver that a container of KS names stands in the report itself, under the signature."""
    report = sender.report(60)
    for field, other, warned in (
        (b'"bydelsnummer": "02"', b'"bydelsnummer": "03"', "bydelsnummer-differs"),
        (b'"kommunenummer": "4601"', b'"kommunenummer": "0301"', "kommunenummer-differs"),
    ):
        assert field in report.json
        signed = sender.container(
            {"bekymringsmelding.json": report.json.replace(field, other), "bekymringsmelding.pdf": report.pdf}
        )
        parts = {"bekymringsmelding": sender.printed(report.pdf), "asice": sender.sealed(signed)}
        message_id = await came(env, TestDelivery(parts))
        assert await state_of(env, message_id) == "READY"  # a report is never refused for it (decisions 1.4)
        head = await hand_over.head(env, client, message_id)
        assert {"code": warned, "detail": None, "text": WARNINGS[warned]} in head["warnings"]
        listed = await hand_over.waiting(env, client, State.READY, (), "", 100)
        assert {"code": warned} in next(row for row in listed if row["id"] == message_id)["warnings"]  # in the list too
        assert await document(env, client, message_id, "bekymringsmelding.pdf") == report.pdf


@pytest.mark.proves("S22")
async def test_a_container_that_names_no_receiver_does_not_come_without_a_warning_either(env, sender, client):
    report = sender.report(61)
    document = json.loads(report.json)
    for gone, warned in ((("kommunenummer",), "schema"), (("bydelsnummer",), "schema"), (None, "json-missing")):
        documents = {"bekymringsmelding.pdf": report.pdf}
        if gone is not None:
            left = {name: value for name, value in document.items() if name not in gone}
            documents["bekymringsmelding.json"] = json.dumps(left).encode()
        parts = {"bekymringsmelding": sender.printed(report.pdf), "asice": sender.sealed(sender.container(documents))}
        head = await hand_over.head(env, client, await came(env, TestDelivery(parts)))
        assert warned in {warning["code"] for warning in head["warnings"]}


@pytest.mark.proves("S22")
async def test_control_what_was_signed_for_us_has_no_such_warning(env, sender, client):
    head = await hand_over.head(env, client, await came(env, sender.delivery(62)))
    assert {warning["code"] for warning in head["warnings"]} <= {"signer-revocation-unknown"}
