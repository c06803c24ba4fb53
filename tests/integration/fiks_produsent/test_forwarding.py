"""A report goes on to another service: two real gateways, and KS's producer API as our own facade speaks it."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from gateway.domain.lifecycle import State
from gateway.pipeline import confirm, hand_over, people
from gateway.pipeline.confirm import Readback
from gateway.pipeline.hand_over import CaseSystemClient
from gateway.pipeline.offices import Offices
from gateway.simulators.sample import JSON_NAME, PDF_NAME
from gateway.spi import Adapter, Seal
from gateway.store.tables import message, payload
from gateway.testing.clock import HandClock
from tests.integration.fiks_produsent.kit import OFFENTLIG, PRIVAT, envelope, forwarding, producer_api, report
from tests.integration.outbound.kit import OwnDirectory, Scripted, attempts_of, cause_of, parcels_of, read
from tests.work import state_of, work_off

OTHER = CaseSystemClient("fagsystem-2", ("4601-02", "4601-03"))


@pytest.fixture
async def server(receiving):
    async with producer_api(receiving) as running:
        yield running


@pytest.fixture
async def way(sending, server):
    async with forwarding(*sending, server) as made:
        yield made


def with_offices(env, **changes):
    """Let the receiving gateway's offices be otherwise, by district."""
    offices = [replace(one, **changes.get(f"b{one.tenant.bydelsnummer}", {})) for one in env.offices.all()]
    env.offices.renew(Offices(offices))


async def arrived(env):
    """The one report that came: its head and documents as the case system gets them."""
    await work_off(env)
    (claim,) = await hand_over.claim(env, OTHER, 10, 600, ())
    head = await hand_over.head(env, OTHER, claim.message_id)
    documents = {}
    for one in head["documents"]:
        served = await hand_over.fetch(env, OTHER, claim.message_id, one["name"])
        documents[one["name"]] = b"".join(served.pieces(0, served.size))
    return claim.message_id, head, documents


async def confirmed(env, message_id, documents):
    names = tuple((name, hashlib.sha256(raw).hexdigest()) for name, raw in documents.items())
    await confirm.confirm(env, OTHER, message_id, Readback("SAK-7", names))
    await work_off(env)


@pytest.mark.parametrize(
    ("sending", "form", "kind"),
    [("sqlite", "offentlig", OFFENTLIG), ("postgresql", "privat", PRIVAT)],
    indirect=["sending"],
)
async def test_a_report_is_delivered_once_the_other_services_case_system_has_it(way, server, receiving, form, kind):
    documents = report(form)
    message_id = await way.hand_in(envelope(kind), documents)
    assert await state_of(way.env, message_id) == State.SENT
    (upload,) = server.uploads
    assert upload.endswith(f"/v2/mottak/fagsystem/{server.fiks_org_id}/4601/03/{form}")

    other_id, head, got = await arrived(receiving)
    assert got == documents
    assert {warning["code"] for warning in head["warnings"]} <= {"signer-unknown", "signer-untrusted"}
    (row,) = await read(receiving, select(message.c.tenant, message.c.type))
    assert row == ("4601-03", f"bekymringsmelding.{form}.v2")
    await way.hears_nothing()
    assert any(path.endswith(f"/{server.fiks_org_id}/bekymringsmelding/{other_id}/status") for _, path in server.asked)

    await confirmed(receiving, other_id, got)
    await way.receipts()
    assert await state_of(way.env, message_id) == State.DELIVERED
    assert await way.awaiting() == []


async def test_an_office_that_reads_version_1_gets_version_1_and_the_same_pdf(way, server, receiving):
    with_offices(receiving, b03={"version": "V1"})
    documents = report()
    await way.hand_in(envelope(), documents)
    (upload,) = server.uploads
    assert "/v1/mottak/" in upload
    _, head, got = await arrived(receiving)
    sent = json.loads(documents[JSON_NAME])
    assert sent["melding"].pop("andreSynspunkter")
    assert json.loads(got[JSON_NAME]) == sent
    assert got[PDF_NAME] == documents[PDF_NAME]
    assert "print-copy-differs" not in {warning["code"] for warning in head["warnings"]}


async def test_where_no_district_is_given_the_standard_receiver_gets_it_though_another_one_is_standard_by_then(
    way, server, receiving
):
    swapped = {"b02": {"standard_receiver": False}, "b03": {"standard_receiver": True}}
    server.busy = [lambda: with_offices(receiving, **swapped)]
    documents = report(bydelsnummer="99")
    await way.hand_in(envelope(district=None), documents)
    assert await state_of(way.env, (await read(way.env, select(message.c.id)))[0].id) == State.SENT
    assert [path.split("/")[-3:-1] for path in server.uploads] == [["4601", "02"]] * 2
    _, _, got = await arrived(receiving)
    assert got == documents


async def test_an_answer_that_is_lost_is_for_a_person_and_the_same_bytes_again_make_no_second_report(
    way, server, receiving
):
    server.lost = ("/offentlig",)
    message_id = await way.hand_in(envelope(), report())
    assert await state_of(way.env, message_id) == State.HELD
    assert await cause_of(way.env, message_id) == "cannot-ask"
    assert await attempts_of(way.env, message_id) == ["uncertain:no-answer"]
    assert len(server.uploads) == 1

    server.lost = ()
    await people.decide(way.env, message_id, people.Decision("release", "kari", "mottaker finner den ikke"))
    await work_off(way.env)
    assert await state_of(way.env, message_id) == State.SENT
    assert len(server.uploads) == 2
    await arrived(receiving)  # one, not two


async def test_a_municipality_that_is_not_active_is_proof_that_another_road_may_be_tried(sending, server):
    configuration, env = sending
    post = Scripted()
    then = {"brev": Adapter(outbound=post, directory=OwnDirectory(env, "4601-02"), seal=Seal.FIKS)}
    async with forwarding(configuration, env, server, then=then) as way:
        message_id = await way.hand_in(envelope(kommunenummer="0301"), report(kommunenummer="0301"))
        assert await state_of(way.env, message_id) == State.SENT
        assert await attempts_of(way.env, message_id) == ["refused:not-active", "taken"]
        assert [one.adapter for one in await parcels_of(way.env, message_id)] == ["ks-produsent", "brev"]
        assert server.uploads == []


@pytest.mark.parametrize(
    ("district", "offices", "code"),
    [
        (None, {"b02": {"standard_receiver": False}}, "refused:no-standard-receiver"),
        ("04", {}, "refused:no-such-district"),
    ],
)
async def test_an_office_is_never_guessed(way, server, receiving, district, offices, code):
    with_offices(receiving, **offices)
    message_id = await way.hand_in(envelope(district=district), report())
    assert await state_of(way.env, message_id) == State.HELD
    assert await attempts_of(way.env, message_id) == [code]
    assert server.uploads == []
    sealed = select(payload.c.id).where(payload.c.purpose.startswith("parcel:"))
    assert await read(way.env, sealed) == []


async def test_nothing_is_sealed_for_a_key_that_ks_calls_invalid(sending, receiving):
    async with (
        producer_api(receiving, HandClock(datetime.now(UTC) + timedelta(days=36500))) as server,
        forwarding(*sending, server) as way,
    ):
        message_id = await way.hand_in(envelope(), report())
        assert await cause_of(way.env, message_id) == "cannot-seal"
        assert server.uploads == []


async def test_a_report_above_ks_bound_never_leaves_and_another_road_may_be_tried(sending, server):
    async with forwarding(*sending, server, body_bytes_max=9_000) as way:
        message_id = await way.hand_in(envelope(), report())
        assert await attempts_of(way.env, message_id) == ["refused:too-large"]
        assert await cause_of(way.env, message_id) == "partner-refused"
        assert server.uploads == []


@pytest.mark.parametrize("wrong", [{"bydelsnummer": "02"}, {"kommunenummer": "0301"}])
async def test_a_report_that_names_another_office_than_it_is_addressed_to_is_held(way, server, wrong):
    message_id = await way.hand_in(envelope(), report(**wrong))
    assert await state_of(way.env, message_id) == State.HELD
    assert await cause_of(way.env, message_id) == "address-differs"
    assert server.uploads == []
