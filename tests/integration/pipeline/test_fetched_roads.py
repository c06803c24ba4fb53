"""Roads that are fetched from and answered over: faults, large parts, receipts that are sent, and what becomes of them."""

import asyncio
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.app import engine
from gateway.crashpoints import Point
from gateway.crypto.asice import verify_container
from gateway.crypto.certificates import TrustPolicy
from gateway.crypto.cms import open_envelope
from gateway.crypto.keys import SoftwareKey
from gateway.crypto.profiles import FIKS_ENVELOPE, STRICT_CONTAINER
from gateway.domain.lifecycle import State
from gateway.errors import PartnerUnavailableError, UnknownResourceError
from gateway.pipeline.accept import Intake
from gateway.pipeline.people import Decision, decide
from gateway.pipeline.roads import Roads
from gateway.pipeline.traffic import prepare
from gateway.pipeline.worker import Incarnation
from gateway.spi import (
    UNKNOWN_TYPE,
    Adapter,
    Address,
    Fate,
    Outcome,
    Parcel,
    Receipt,
    Refused,
    Seal,
    Stream,
    Taken,
    TryLater,
    Uncertain,
)
from gateway.store import alarms, journal, messages
from gateway.store.alarms import AlarmCode
from gateway.store.tables import queue_item
from tests.work import state_of, work_off

PORTAL = "22222222-2222-4222-8222-222222222222"
ACCOUNT = Address("4601", "02")


def as_fiks(delivery, melding_id, **more):
    """The same report as the platform delivers it: the container alone, under an id of the platform's."""
    return replace(
        delivery,
        part_bytes={"asice": delivery.part_bytes["asice"]} if "asice" in delivery.part_bytes else {},
        road="fiks-io",
        sender=PORTAL,
        remote_id=melding_id,
        answer_to=PORTAL,
        headers={"type": "no.ks.fiks.bekymringsmelding.offentlig.v2", "account": "a"} | more.pop("headers", {}),
        **more,
    )


@dataclass
class Platform:
    """Takes receipts by script, knows one key, and keeps what was too large."""

    certificate: str = ""
    answers: list = field(default_factory=lambda: [Taken("m-1")])
    sent: list[tuple[Parcel, bytes]] = field(default_factory=list)
    kept: dict[str, bytes] = field(default_factory=dict)
    away: int = 0
    hangs: asyncio.Event | None = None
    idempotent: bool = False

    async def send(self, parcel: Parcel) -> Outcome:
        self.sent.append((parcel, b"".join([chunk async for chunk in parcel.content()])))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    async def status(self, parcel: Parcel) -> Outcome | None:
        return None

    async def certificate_of(self, recipient: str) -> str:
        return self.certificate

    async def blob(self, headers: Mapping[str, str]) -> Stream:
        if self.hangs is not None:
            await self.hangs.wait()
        if self.away:
            self.away -= 1
            raise PartnerUnavailableError
        if headers["dokumentlager-id"] not in self.kept:
            raise UnknownResourceError("gone")
        yield self.kept[headers["dokumentlager-id"]]


class _Keys:
    def __init__(self, platform: Platform) -> None:
        self.certificate = platform.certificate_of


@pytest.fixture
def platform(sender):
    return Platform(sender.site.sender.chain[0].public_bytes(Encoding.PEM).decode())


@pytest.fixture
async def here(env, platform):
    """The gateway with the road ``fiks`` open, and its sender's own key in the directory."""
    made = replace(env, roads=Roads())
    await prepare(made, "fiks")
    made.roads.open("fiks", Adapter(outbound=platform, directory=_Keys(platform), seal=Seal.FIKS, blobs=platform))
    return made


@pytest.fixture
def fiks(here):
    return Intake(here, "fiks")


async def person(env, message_id, verb, reference=None):
    await decide(env, message_id, Decision(verb, "kari", "prøve", reference))


async def open_alarms(env, code):
    return await env.store.read(lambda conn: alarms.open_subjects(conn, code))


async def make_due(env):
    await env.store.write(lambda conn: conn.execute(queue_item.update().values(run_at=0)), Point.ADMIN)


async def refused(env, fiks, delivery):
    accepted = await fiks.accept(delivery)
    await work_off(env)
    await person(env, accepted.id, "hold")
    await person(env, accepted.id, "refuse")
    return accepted.id


# --- The receipt ----------------------------------------------------------------------------------------------------


async def test_the_receipt_answers_the_delivery_by_its_id_and_carries_nothing(here, fiks, sender, platform):
    accepted = await fiks.accept(as_fiks(sender.delivery(), "melding-1", headers={"klientKorrelasjonsId": "k"}))
    await work_off(here)
    assert not platform.sent  # opened and offered, and nobody is told anything yet
    await person(here, accepted.id, "confirm", "SAK-1")
    await work_off(here)
    assert await state_of(here, accepted.id) == State.RECEIPTED
    [(parcel, content)] = platform.sent
    assert (parcel.recipient, parcel.office, parcel.size_bytes, content) == (PORTAL, ACCOUNT, 0, b"")
    assert (parcel.answers.fate, parcel.answers.remote_id) == (Fate.RECEIVED, "melding-1")
    assert parcel.answers.channel_type == "no.ks.fiks.bekymringsmelding.offentlig.v2"
    assert parcel.answers.headers["klientKorrelasjonsId"] == "k"


async def test_a_refusal_carries_a_text_that_only_the_sender_can_read(here, fiks, sender, platform):
    message_id = await refused(here, fiks, as_fiks(sender.delivery(), "melding-1"))
    await work_off(here)
    assert await state_of(here, message_id) == State.RECEIPTED
    [(parcel, content)] = platform.sent
    assert (parcel.answers.fate, parcel.size_bytes) == (Fate.FAILED, len(content))
    key = SoftwareKey(sender.site.sender.key, sender.site.sender.chain)
    plain = io.BytesIO(b"".join(open_envelope(io.BytesIO(content), [key], FIKS_ENVELOPE)))
    profile = replace(STRICT_CONTAINER, deliver_with_warning=True)
    container = verify_container(
        plain, profile, TrustPolicy(roots=(sender.site.pki.root.certificate,)), here.clock.now()
    )
    assert [document.name for document in container.documents] == ["feilmelding.json"]
    assert list(json.loads(b"".join(container.open("feilmelding.json")))) == ["melding"]


async def test_a_receipt_of_unknown_fate_is_sent_again_under_the_same_key_with_the_same_bytes(
    here, fiks, sender, platform
):
    platform.answers = [Uncertain("silence"), TryLater("503"), Taken("m-1")]
    message_id = await refused(here, fiks, as_fiks(sender.delivery(), "melding-1"))
    for _ in range(3):
        await work_off(here)
        await make_due(here)
    assert await state_of(here, message_id) == State.RECEIPTED
    assert len({(parcel.key, content) for parcel, content in platform.sent}) == 1
    assert len(platform.sent) == 3


async def test_a_receipt_that_the_platform_refuses_waits_for_a_person(here, fiks, sender, platform):
    platform.answers = [Refused("no-account"), Taken("m-1")]
    accepted = await fiks.accept(as_fiks(sender.delivery(), "melding-1"))
    await work_off(here)
    await person(here, accepted.id, "confirm", "SAK-1")
    await work_off(here)
    await make_due(here)
    await work_off(here)
    assert len(platform.sent) == 1
    assert await state_of(here, accepted.id) == State.CONFIRMED
    assert await open_alarms(here, AlarmCode.EFFECT_PARKED) == {accepted.id}
    await person(here, accepted.id, "release")
    await work_off(here)
    assert await state_of(here, accepted.id) == State.RECEIPTED


async def test_a_receipt_that_was_lost_warns_of_a_letter_once(here, fiks, sender, platform):
    accepted = await fiks.accept(as_fiks(sender.delivery(), "melding-1"))
    await work_off(here)
    await person(here, accepted.id, "confirm", "SAK-1")
    await work_off(here)
    lost = Receipt("fiks", None, "m-1", refused=Refused("tidsavbrudd"))
    assert await fiks.receipt(lost)
    assert await fiks.receipt(lost)
    assert await open_alarms(here, AlarmCode.RECEIPT_LOST) == {accepted.id}
    assert await open_alarms(here, AlarmCode.RECEIPT_MISMATCH) == set()
    codes = await here.store.read(lambda conn: [row.code for row in messages.warnings(conn, accepted.id)])
    assert codes.count("paper-copy-possible") == 1
    events = await here.store.read(lambda conn: [row.event for row in journal.of_message(conn, accepted.id)])
    assert events.count(journal.RECEIPT_LOST) == 1
    assert await state_of(here, accepted.id) == State.RECEIPTED


async def test_a_platform_receipt_for_nothing_of_ours_rings_and_moves_nothing(here, fiks):
    assert not await fiks.receipt(Receipt("fiks", None, "unheard-of", refused=Refused("tidsavbrudd")))
    assert await open_alarms(here, AlarmCode.RECEIPT_MISMATCH) == {"road/fiks"}


# --- Duplicates -------------------------------------------------------------------------------------------------------


async def test_a_redelivery_is_one_message_and_the_same_bytes_under_another_id_get_a_receipt_of_their_own(
    here, fiks, sender, platform
):
    delivery = sender.delivery()
    first = await fiks.accept(as_fiks(delivery, "melding-1"))
    again = await fiks.accept(as_fiks(delivery, "melding-1"))
    assert (again.id, again.repeated) == (first.id, True)
    other = await fiks.accept(as_fiks(delivery, "melding-2"))
    assert not other.repeated
    await work_off(here)
    assert await state_of(here, other.id) == State.DUPLICATE
    await person(here, first.id, "confirm", "SAK-1")
    await work_off(here)
    assert [await state_of(here, one) for one in (first.id, other.id)] == [State.RECEIPTED] * 2
    assert {parcel.answers.remote_id for parcel, _ in platform.sent} == {"melding-1", "melding-2"}
    assert {parcel.answers.fate for parcel, _ in platform.sent} == {Fate.RECEIVED}


# --- What cannot be understood ------------------------------------------------------------------------------------------


async def test_a_fault_is_stored_as_it_came_and_a_person_can_have_it_opened_and_let_it_through(here, fiks, sender):
    delivery = as_fiks(sender.delivery(), "melding-1", fault="type-unknown", message_type=UNKNOWN_TYPE)
    accepted = await fiks.accept(delivery)
    again = await fiks.accept(delivery)
    assert (again.id, again.repeated) == (accepted.id, True)
    assert delivery.acknowledged == 2
    await work_off(here)
    assert await state_of(here, accepted.id) == State.QUARANTINED
    assert await open_alarms(here, AlarmCode.QUARANTINED) == {accepted.id}
    await person(here, accepted.id, "release")
    await work_off(here)
    assert await state_of(here, accepted.id) == State.READY
    names = await here.store.read(lambda conn: [row.name for row in messages.documents(conn, accepted.id)])
    assert names == ["bekymringsmelding.json", "bekymringsmelding.pdf"]


async def test_a_delivery_without_anything_in_it_is_kept_by_its_headers(here, fiks, sender):
    empty = replace(sender.delivery(), part_bytes={})
    one = await fiks.accept(as_fiks(empty, None, fault="payload-missing", headers={"n": "1"}))
    same = await fiks.accept(as_fiks(empty, None, fault="payload-missing", headers={"n": "1"}))
    other = await fiks.accept(as_fiks(empty, None, fault="payload-missing", headers={"n": "2"}))
    assert (same.id, same.repeated, other.repeated) == (one.id, True, False)
    assert await state_of(here, one.id) == State.QUARANTINED


# --- What did not come with the delivery ----------------------------------------------------------------------------------


async def test_a_part_that_lay_elsewhere_is_fetched_when_it_can_be_and_a_redelivery_meanwhile_is_the_same(
    here, fiks, sender, platform
):
    delivery = sender.delivery()
    platform.kept["blob-1"], platform.away = delivery.part_bytes["asice"], 1
    pointer = replace(delivery, part_bytes={})
    headers = {"dokumentlager-id": "blob-1"}
    accepted = await fiks.accept(as_fiks(pointer, "melding-1", blob="blob-1", headers=headers))
    again = await fiks.accept(as_fiks(delivery, "melding-1", blob="blob-1", headers=headers))  # now it came along
    assert (again.id, again.repeated) == (accepted.id, True)
    await work_off(here)
    assert await state_of(here, accepted.id) == State.RECEIVED
    await make_due(here)
    await work_off(here)
    assert await state_of(here, accepted.id) == State.READY
    events = await here.store.read(lambda conn: [row.event for row in journal.of_message(conn, accepted.id)])
    assert events.count(journal.FETCHED) == 1


@pytest.mark.proves("promise-8")
async def test_where_large_parts_lie_may_hang_and_other_reports_are_opened_all_the_same(here, fiks, sender, platform):
    platform.hangs = asyncio.Event()
    for number in (1, 2, 3):
        pointer = replace(sender.delivery(number), part_bytes={})
        headers = {"dokumentlager-id": f"blob-{number}"}
        await fiks.accept(as_fiks(pointer, f"melding-{number}", blob=f"blob-{number}", headers=headers))
    whole = await fiks.accept(sender.delivery(4))
    async with engine(here, Incarnation("11111111-1111-4111-8111-111111111111")):
        async with asyncio.timeout(10):
            while await state_of(here, whole.id) != State.READY:
                await asyncio.sleep(0.02)
        platform.hangs.set()


async def test_a_part_that_is_gone_quarantines_and_is_never_taken_for_an_empty_report(here, fiks, sender):
    pointer = replace(sender.delivery(), part_bytes={})
    headers = {"dokumentlager-id": "gone"}
    accepted = await fiks.accept(as_fiks(pointer, "melding-1", blob="gone", headers=headers))
    await work_off(here)
    assert await state_of(here, accepted.id) == State.QUARANTINED
