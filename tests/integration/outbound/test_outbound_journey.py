"""A letter goes out: handed in, held against the rules, sealed once, sent, receipted."""

import json
from dataclasses import replace

import pytest
from sqlalchemy import select

from adapters.loopback.road import LoopbackRoad
from adapters.loopback.settings import LoopbackSettings
from gateway.crashpoints import Point
from gateway.domain.lifecycle import State
from gateway.errors import ConflictError, StoreError
from gateway.pipeline import case_events, people
from gateway.pipeline.accept import Intake
from gateway.pipeline.send import code_of
from gateway.pipeline.texts import HOLDS
from gateway.pipeline.withdraw import withdraw
from gateway.spi import Adapter, Receipt, Refused, Taken, TryLater, Uncertain
from gateway.store.tables import journal, queue_item
from tests.integration.outbound.kit import (
    BREV,
    RECIPIENT,
    Scripted,
    alarms_of,
    attempts_of,
    cause_of,
    hand_in,
    melding,
    opened,
    parcels_of,
    read,
    with_roads,
)
from tests.work import state_of, work_off


async def test_a_letter_goes_out_over_the_loopback_road_and_its_receipt_comes_back(env, site, client):
    road = LoopbackRoad(LoopbackSettings())
    env.roads.open("loopback", Adapter(inbound=road, outbound=road))
    from gateway.pipeline.traffic import prepare

    await prepare(env, "loopback")
    message_id = await hand_in(env, client)
    await work_off(env)
    assert await state_of(env, message_id) == State.SENT
    receipt = await anext(road.deliveries())
    assert await Intake(env).receipt(receipt) is True
    assert await state_of(env, message_id) == State.DELIVERED
    ticks = await case_events.receipts(env, client, message_id)
    assert [(tick["kind"], tick["value"]) for tick in ticks] == [("transport", "taken"), ("application", "delivered")]


async def test_the_recipient_gets_the_envelope_and_the_documents_signed_by_the_office_and_sealed_for_itself(
    env, site, client
):
    partner = Scripted()
    env = await with_roads(env, site.tenant, partner=partner)
    envelope = melding()
    message_id = await hand_in(env, client, envelope)
    await work_off(env)
    ((key, raw),) = partner.sent
    documents = opened(env, site, raw)
    assert json.loads(documents.pop("melding.json")) == envelope
    assert documents == {"brev.pdf": BREV}
    (parcel,) = await parcels_of(env, message_id)
    assert (parcel.key, parcel.adapter, parcel.recipient) == (key, "partner", RECIPIENT)


async def test_every_attempt_sends_the_same_bytes_under_the_same_key(env, site, client):
    partner = Scripted([TryLater("busy"), TryLater("busy"), Taken("ref-1", final=True)])
    env = await with_roads(env, site.tenant, partner=partner)
    message_id = await hand_in(env, client)
    await work_off(env)
    assert len(partner.sent) == 3
    assert len(set(partner.sent)) == 1
    assert await state_of(env, message_id) == State.DELIVERED
    assert await attempts_of(env, message_id) == ["not-taken:busy", "not-taken:busy", "taken"]


@pytest.mark.parametrize("failure", [Uncertain("silence"), ValueError("the partner said 01010112345")])
async def test_a_silent_partner_is_asked_before_anything_is_sent_again(env, site, client, failure):
    partner = Scripted([failure, Taken("ref-1")], [Uncertain("silence"), TryLater("not-here")])
    env = await with_roads(env, site.tenant, partner=partner)
    message_id = await hand_in(env, client)
    await work_off(env)
    assert await state_of(env, message_id) == State.SENT
    assert (len(partner.asked), len(partner.sent), len(set(partner.sent))) == (2, 2, 1)


async def test_what_the_partner_turns_out_to_have_taken_is_not_sent_again(env, site, client):
    partner = Scripted([Uncertain("silence")], [Taken("ref-1")])
    env = await with_roads(env, site.tenant, partner=partner)
    message_id = await hand_in(env, client)
    await work_off(env)
    assert await state_of(env, message_id) == State.SENT
    assert len(partner.sent) == 1


async def test_a_partner_that_cannot_be_asked_leaves_it_to_a_person(env, site, client):
    partner = Scripted([Uncertain("silence"), Taken("ref-1")], [None])
    env = await with_roads(env, site.tenant, partner=partner)
    message_id = await hand_in(env, client)
    await work_off(env)
    assert await state_of(env, message_id) == State.HELD
    assert await alarms_of(env, message_id) == ["outbound-held"]
    assert await cause_of(env, message_id) == "cannot-ask"
    await people.decide(env, message_id, people.Decision("release", "ola", "mottaker sier at den ikke kom"))
    await work_off(env)
    assert await state_of(env, message_id) == State.SENT
    assert len(partner.sent) == 2


async def test_a_hanging_call_counts_as_silence(env, site, client):
    import asyncio

    partner = Scripted([asyncio.Event().wait], [Taken("ref-1")])
    env = await with_roads(env, site.tenant, partner=partner)
    message_id = await hand_in(env, client)
    await work_off(env)
    assert await attempts_of(env, message_id) == ["uncertain:silence"]
    assert await state_of(env, message_id) == State.SENT


async def test_a_final_no_is_for_a_person_although_another_road_is_there(env, site, client):
    first, second = Scripted([Refused("unknown-recipient")]), Scripted()
    env = await with_roads(env, site.tenant, first=first, second=second)
    message_id = await hand_in(env, client)
    await work_off(env)
    assert await state_of(env, message_id) == State.HELD
    assert await cause_of(env, message_id) == "partner-refused"
    assert second.sent == []


async def test_the_next_road_is_taken_only_after_proof_and_the_last_one_leads_to_a_person(env, site, client):
    first, second = Scripted([Refused("closed", proof=True)]), Scripted([Refused("closed", proof=True)])
    env = await with_roads(env, site.tenant, first=first, second=second)
    message_id = await hand_in(env, client)
    await work_off(env)
    assert [len(first.sent), len(second.sent)] == [1, 1]
    assert first.sent[0][0] != second.sent[0][0]
    assert await state_of(env, message_id) == State.HELD
    assert [parcel.adapter for parcel in await parcels_of(env, message_id)] == ["first", "second"]


async def test_an_attempt_owed_by_an_earlier_clearing_is_made_no_more(env, site, client):
    partner = Scripted([TryLater("busy"), Taken("ref-1")])
    env = await with_roads(env, site.tenant, partner=partner)
    engine = env.settings.engine.model_copy(update={"backoff_first_s": 3600.0})
    env = replace(env, settings=env.settings.model_copy(update={"engine": engine}))
    message_id = await hand_in(env, client)
    await work_off(env)
    for verb in ("hold", "release"):
        await people.decide(env, message_id, people.Decision(verb, "ola", "se"))
    await env.store.write(lambda conn: conn.execute(queue_item.update().values(run_at=0)), Point.SWEEP)
    await work_off(env)
    assert await state_of(env, message_id) == State.SENT
    assert len(partner.sent) == 2
    assert "overtaken" in await attempts_of(env, message_id)


async def test_an_answer_that_could_not_be_stored_is_asked_for_again(env, site, client):
    partner = Scripted([Taken("ref-1")], [Taken("ref-1")])
    env = await with_roads(env, site.tenant, partner=partner)
    message_id = await hand_in(env, client)
    await work_off(replace(env, store=FailsOnce(env.store, Point.SENT)))
    assert await state_of(env, message_id) == State.SENT
    assert (len(partner.sent), len(partner.asked)) == (1, 1)


class FailsOnce:
    """A store whose first commit of one kind fails."""

    def __init__(self, store, point) -> None:
        self.store, self.point = store, point
        self.read, self.watch = store.read, store.watch

    async def write(self, work, point, *lane):
        if point is self.point:
            self.point = None
            raise StoreError("the database cannot be written")
        return await self.store.write(work, point, *lane)

    def for_tenants(self, _tenants):
        return self


async def test_what_is_held_while_it_is_sent_is_told_to_a_person_and_never_sent_twice(env, site, client):
    async def held_meanwhile():
        await people.decide(env, message_id, people.Decision("hold", "ola", "feil vedlegg"))
        return Taken("ref-1")

    partner = Scripted([held_meanwhile, Taken("ref-2")], [Taken("ref-1")])
    env = await with_roads(env, site.tenant, partner=partner)
    message_id = await hand_in(env, client)
    await work_off(env)
    assert await state_of(env, message_id) == State.HELD
    assert "late-event" in await alarms_of(env, message_id)
    await people.decide(env, message_id, people.Decision("release", "ola", "likevel riktig"))
    await work_off(env)
    assert await state_of(env, message_id) == State.SENT
    assert len(partner.sent) == 1


# --- the rules ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"hjemmel": None}, "r01-no-legal-basis"),
        ({"formal": None}, "r01-no-purpose"),
        ({"formal": "  "}, "r01-no-purpose"),
        ({"hjemmel": [{"lov": "FVL", "paragraf": "13"}]}, "r01-unknown-legal-basis"),
        ({"hjemmel": [{"lov": "BVL2021", "paragraf": "2-1"}]}, "r01-unknown-legal-basis"),
    ],
)
async def test_a_disclosure_without_a_known_basis_and_a_purpose_is_held(env, site, client, changes, cause):
    partner = Scripted()
    env = await with_roads(env, site.tenant, guards=["R01"], partner=partner)
    message_id = await hand_in(env, client, melding(**changes))
    await work_off(env)
    assert await state_of(env, message_id) == State.HELD
    assert await cause_of(env, message_id) == cause
    assert HOLDS[cause]
    assert await alarms_of(env, message_id) == ["outbound-held"]
    assert partner.sent == []


async def test_a_disclosure_with_basis_and_purpose_passes(env, site, client):
    env = await with_roads(env, site.tenant, guards=["R01"], partner=Scripted())
    message_id = await hand_in(env, client)
    await work_off(env)
    assert await state_of(env, message_id) == State.SENT


async def test_the_rules_are_asked_before_every_attempt(env, site, client):
    partner = Scripted([TryLater("busy"), Taken("ref-1")])
    lax = await with_roads(env, site.tenant, partner=partner)
    engine = lax.settings.engine.model_copy(update={"backoff_first_s": 3600.0})
    lax = replace(lax, settings=lax.settings.model_copy(update={"engine": engine}))
    message_id = await hand_in(lax, client, melding(hjemmel=None))
    await work_off(lax)
    assert (await state_of(env, message_id), len(partner.sent)) == (State.CLEARED, 1)
    await env.store.write(lambda conn: conn.execute(queue_item.update().values(run_at=0)), Point.SWEEP)
    await work_off(replace(lax, roads=replace(lax.roads, guards=("R01",))))
    assert (await state_of(env, message_id), len(partner.sent)) == (State.HELD, 1)
    assert await cause_of(env, message_id) == "r01-no-legal-basis"
    await withdraw(env, client, message_id, "mangler hjemmel")  # the stopped attempt called nobody


# --- taking back ----------------------------------------------------------------------------------------------------


async def test_what_has_not_left_can_be_taken_back_and_is_not_sent(env, site, client):
    partner = Scripted()
    env = await with_roads(env, site.tenant, partner=partner)
    message_id = await hand_in(env, client)
    await withdraw(env, client, message_id, "feil mottaker")
    await withdraw(env, client, message_id, "feil mottaker")
    await work_off(env)
    assert await state_of(env, message_id) == State.WITHDRAWN
    assert partner.sent == []


async def test_what_got_a_proven_no_can_be_taken_back(env, site, client):
    env = await with_roads(env, site.tenant, partner=Scripted([Refused("unknown-recipient")]))
    message_id = await hand_in(env, client)
    await work_off(env)
    await withdraw(env, client, message_id, "feil mottaker")
    assert await state_of(env, message_id) == State.WITHDRAWN


@pytest.mark.parametrize("outcome", [Taken("ref-1"), Uncertain("silence")], ids=code_of)
async def test_what_may_have_left_cannot_be_taken_back(env, site, client, outcome):
    env = await with_roads(env, site.tenant, partner=Scripted([outcome], [None]))
    message_id = await hand_in(env, client)
    await work_off(env)
    before = await state_of(env, message_id)
    with pytest.raises(ConflictError) as caught:
        await withdraw(env, client, message_id, "feil mottaker")
    assert caught.value.instance_code == "already-left"
    assert await state_of(env, message_id) == before


# --- receipts -------------------------------------------------------------------------------------------------------


async def sent(env, site, client, **partners):
    env = await with_roads(env, site.tenant, **(partners or {"partner": Scripted()}))
    message_id = await hand_in(env, client)
    await work_off(env)
    (parcel,) = await parcels_of(env, message_id)
    return env, message_id, parcel


@pytest.mark.proves("S24")
@pytest.mark.parametrize(
    "wrong",
    [
        {"road": "other"},
        {"recipient": "974760673"},
        {"partner_reference": "ref-2"},
        {"key": "8c3f4f0e-0000-4000-8000-000000000000"},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
@pytest.mark.parametrize("keyed", [True, False])
async def test_a_receipt_for_another_message_changes_nothing_and_rings(env, site, client, wrong, keyed):
    env, message_id, parcel = await sent(env, site, client)
    right = {"road": "partner", "recipient": RECIPIENT, "partner_reference": "ref-1"}
    right |= {"key": parcel.key} if keyed else {}
    assert await Intake(env).receipt(Receipt(**(right | wrong))) is False
    assert await state_of(env, message_id) == State.SENT
    assert await alarms_of(env) == ["receipt-mismatch"]
    assert await Intake(env).receipt(Receipt(**right)) is True
    assert await state_of(env, message_id) == State.DELIVERED


@pytest.mark.proves("S24")
async def test_a_receipt_moves_only_the_one_message_whose_reference_it_has(env, site, client):
    partner = Scripted([Taken("ref-1"), Taken("ref-2"), Taken("ref-2")])
    env = await with_roads(env, site.tenant, partner=partner)
    ids = []
    for _ in range(3):  # one after the other: the script's references are theirs in this order
        ids.append(await hand_in(env, client))
        await work_off(env)
    intake = Intake(env)
    assert await intake.receipt(Receipt("partner", RECIPIENT, "ref-1")) is True  # the control
    assert await intake.receipt(Receipt("partner", RECIPIENT, "ref-2")) is False  # the partner used it twice
    assert [await state_of(env, one) for one in ids] == [State.DELIVERED, State.SENT, State.SENT]


async def test_the_same_receipt_again_is_harmless(env, site, client):
    env, message_id, parcel = await sent(env, site, client)
    receipt = Receipt("partner", RECIPIENT, "ref-1", key=parcel.key)
    for _ in range(3):
        assert await Intake(env).receipt(receipt) is True
    assert await state_of(env, message_id) == State.DELIVERED
    assert await alarms_of(env) == []
    assert await read(env, select(journal.c.id).where(journal.c.event == "late")) == []


async def test_a_receipt_that_overtakes_the_answer_delivers_and_nothing_is_sent_again(env, site, client):
    async def receipted_meanwhile():
        (parcel,) = await parcels_of(env, message_id)
        assert await Intake(env).receipt(Receipt("partner", RECIPIENT, "ref-1", key=parcel.key)) is True
        return Uncertain("silence")

    partner = Scripted([receipted_meanwhile])
    env = await with_roads(env, site.tenant, partner=partner)
    message_id = await hand_in(env, client)
    await work_off(env)
    assert await state_of(env, message_id) == State.DELIVERED
    assert (len(partner.sent), await alarms_of(env)) == (1, [])


async def test_a_receipt_after_withdrawal_is_journalled_and_rings(env, site, client):
    env, message_id, parcel = await sent(env, site, client, partner=Scripted([Refused("no")]))
    await withdraw(env, client, message_id, "feil mottaker")
    assert await Intake(env).receipt(Receipt("partner", RECIPIENT, "ref-1", key=parcel.key)) is True
    assert await state_of(env, message_id) == State.WITHDRAWN
    assert await alarms_of(env, message_id) == ["late-event"]


async def test_a_refusing_receipt_is_for_a_person(env, site, client):
    env, message_id, parcel = await sent(env, site, client)
    receipt = Receipt("partner", RECIPIENT, "ref-1", key=parcel.key, refused=Refused("unreadable"))
    for _ in range(2):
        assert await Intake(env).receipt(receipt) is True
    assert await state_of(env, message_id) == State.HELD
    assert await alarms_of(env, message_id) == ["outbound-held"]
    await people.decide(env, message_id, people.Decision("release", "ola", "rettet"))
    await work_off(env)
    assert await state_of(env, message_id) == State.SENT
