"""R18 sees a recipient's changed key: what is delivered sets it, two people release it, and nothing is sealed for another one."""

import hashlib
from dataclasses import dataclass
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import select

from gateway.backup import checks
from gateway.crashpoints import Point
from gateway.domain.lifecycle import State
from gateway.pipeline.people import Decision, decide
from gateway.pipeline.recipient_keys import recipient_keys
from gateway.pipeline.roads import OpenRoad
from gateway.spi import (
    Adapter,
    Address,
    PartnerUnavailableError,
    Refused,
    ReportKeys,
    ReportOffice,
    Seal,
    Taken,
    TryLater,
)
from gateway.store import journal
from gateway.store.parcels import StoredParcel
from gateway.store.tables import approval, parcel
from gateway.testing import pki
from tests.integration.outbound.kit import (
    Scripted,
    attempts_of,
    cause_of,
    hand_in,
    parcels_of,
    read,
    with_roads,
)
from tests.work import state_of, work_off

FINAL = Taken("ref-1", final=True)


def pem(certificate) -> str:
    return pki.certificate_pem(certificate).decode()


def fingerprint(*credentials) -> str:
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(b"".join(one.key.public_key().public_bytes(*form) for one in credentials)).hexdigest()


@pytest.fixture(scope="module")
def old():
    return pki.receive_key("Skolen")


@pytest.fixture(scope="module")
def new():
    return pki.receive_key("Skolen")


class Directory:
    """Gives these certificates one after the other, the last one for ever; an exception is raised."""

    def __init__(self, *answers) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def certificate(self, recipient: str) -> str:
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return pem(answer.certificate)


async def opened(env, site, directory, partner=None, guards=("R18",)):
    """A gateway with one road, whose directory is this one."""
    partner = partner or Scripted([FINAL])
    made = await with_roads(env, site.tenant, guards=guards, partner=partner)
    made.roads.open("partner", Adapter(outbound=partner, directory=directory))
    return made, partner


async def release(env, message_id, *persons):
    return [await decide(env, message_id, Decision("release", person, "ringt og spurt")) for person in persons]


async def delivered(env, client) -> str:
    """The first message, which two people let go."""
    message_id = await hand_in(env, client)
    await work_off(env)
    if await cause_of(env, message_id) == "r18-four-eyes":
        await release(env, message_id, "kari", "ola")
        await work_off(env)
    assert await state_of(env, message_id) is State.DELIVERED
    return message_id


async def sealed_for(env, message_id):
    return [row.sealed_for for row in await parcels_of(env, message_id)]


async def judged(env, client) -> tuple[str, str | None]:
    """One more message that was worked on: its id, and what it is held by."""
    message_id = await hand_in(env, client, documents={"brev.pdf": b"%PDF-1.7 noe annet"})
    await work_off(env)
    return message_id, await cause_of(env, message_id)


async def test_a_key_that_is_another_than_at_the_last_delivery_is_released_by_two_people_and_then_known(
    env, site, client, old, new
):
    directory = Directory(old)
    env, partner = await opened(env, site, directory)
    first = await delivered(env, client)
    assert await sealed_for(env, first) == [fingerprint(old)]
    directory.answers = [new]
    message_id, cause = await judged(env, client)
    assert (await state_of(env, message_id), cause, len(partner.sent)) == (State.HELD, "r18-key-changed", 1)
    stop = await env.store.read(lambda conn: journal.newest(conn, message_id, "guards-stopped"))
    assert stop["refs"]["key"] == fingerprint(new)
    assert await release(env, message_id, "kari", "Kari ", "ola") == [State.HELD, State.HELD, State.ACCEPTED]
    await work_off(env)
    assert (await state_of(env, message_id), len(partner.sent)) == (State.DELIVERED, 2)
    assert await sealed_for(env, message_id) == [fingerprint(new)]
    _, cause = await judged(env, client)
    assert (cause, len(partner.sent)) == (None, 3)


@pytest.mark.parametrize("env", ["sqlite"], indirect=True)
async def test_a_release_counts_for_the_key_that_was_stopped_and_for_none_that_comes_later(env, site, client, old, new):
    directory = Directory(old)
    env, partner = await opened(env, site, directory)
    await delivered(env, client)
    directory.answers = [new]
    message_id, _ = await judged(env, client)
    assert await release(env, message_id, "kari") == [State.HELD]
    later = pki.receive_key("Skolen")
    directory.answers = [later]
    assert await release(env, message_id, "ola") == [State.ACCEPTED]
    await work_off(env)
    assert (await state_of(env, message_id), await cause_of(env, message_id)) == (State.HELD, "r18-key-changed")
    assert (await release(env, message_id, "kari"), len(partner.sent)) == ([State.HELD], 1)
    assert await release(env, message_id, "ola") == [State.ACCEPTED]
    await work_off(env)
    assert await sealed_for(env, message_id) == [fingerprint(later)]
    codes = {row.code for row in await read(env, select(approval).where(approval.c.message_id == message_id))}
    assert codes == {f"r18-key-changed:{fingerprint(key)[:48]}" for key in (new, later)}


@pytest.mark.parametrize("env", ["sqlite"], indirect=True)
async def test_a_key_that_changes_between_judging_and_sealing_is_not_sealed_for_and_is_judged(
    env, site, client, old, new
):
    directory = Directory(old)
    env, partner = await opened(env, site, directory)
    await delivered(env, client)
    directory.answers, directory.asked = [old, old, new], 0  # for the road, for the attempt, for sealing
    message_id, cause = await judged(env, client)
    assert await attempts_of(env, message_id) == ["not-taken:key-not-judged", "guards-stopped:r18-key-changed"]
    assert (cause, directory.asked, len(partner.sent)) == ("r18-key-changed", 4, 1)
    assert await sealed_for(env, message_id) == [None]


@pytest.mark.parametrize("env", ["sqlite"], indirect=True)
async def test_a_key_that_cannot_be_learned_stops_nothing_and_nothing_is_sealed_for_it_unjudged(
    env, site, client, old, new
):
    directory = Directory(old)
    env, partner = await opened(env, site, directory)
    await delivered(env, client)
    away = PartnerUnavailableError("away")
    directory.answers = [away, away, away, away, new, new]
    message_id, cause = await judged(env, client)
    assert await attempts_of(env, message_id) == [
        "not-called:directory-failed",
        "not-taken:key-not-judged",
        "guards-stopped:r18-key-changed",
    ]
    assert (cause, len(partner.sent)) == ("r18-key-changed", 1)


@pytest.mark.parametrize("env", ["sqlite"], indirect=True)
async def test_a_certificate_that_is_renewed_with_its_key_is_no_change(env, site, client, old):
    directory = Directory(old)
    env, partner = await opened(env, site, directory)
    await delivered(env, client)
    renewal = pki.Make(usage=pki.SEALING_USAGE)
    renewed = pki.Credential(old.key, pki._certificate(old.certificate.subject, old.key, renewal, None))
    assert renewed.certificate.serial_number != old.certificate.serial_number
    directory.answers = [renewed]
    _, cause = await judged(env, client)
    assert (cause, len(partner.sent)) == (None, 2)


@pytest.mark.parametrize("env", ["sqlite"], indirect=True)
async def test_what_was_sealed_is_sent_as_it_is_whatever_the_directory_says_by_then(env, site, client, old, new):
    directory = Directory(old)
    env, partner = await opened(env, site, directory, Scripted([FINAL, TryLater("busy"), FINAL]))
    await delivered(env, client)
    directory.answers = [old, old, old, new]
    message_id, cause = await judged(env, client)
    assert (cause, await state_of(env, message_id)) == (None, State.DELIVERED)
    assert (await sealed_for(env, message_id), partner.sent[1] == partner.sent[2]) == ([fingerprint(old)], True)


@pytest.mark.parametrize("env", ["sqlite"], indirect=True)
async def test_where_the_rule_is_not_listed_the_key_is_kept_and_nobody_is_stopped(env, site, client, old, new):
    directory = Directory(old, new)
    env, partner = await opened(env, site, directory, guards=("R01",))
    first = await delivered(env, client)
    message_id, cause = await judged(env, client)
    assert (cause, directory.asked, len(partner.sent)) == (None, 2, 2)
    assert [*await sealed_for(env, first), *await sealed_for(env, message_id)] == [fingerprint(old), fingerprint(new)]


@pytest.mark.parametrize("env", ["sqlite"], indirect=True)
async def test_what_was_not_delivered_sets_no_key(env, site, client, old, new):
    directory = Directory(old)
    env, partner = await opened(env, site, directory, Scripted([FINAL, Refused("no"), FINAL]))
    await delivered(env, client)
    directory.answers = [new]
    refused, _ = await judged(env, client)
    await release(env, refused, "kari", "ola")
    await work_off(env)
    assert (await cause_of(env, refused), await sealed_for(env, refused)) == ("partner-refused", [fingerprint(new)])
    _, cause = await judged(env, client)
    assert cause == "r18-key-changed"
    directory.answers = [old]
    _, cause = await judged(env, client)
    assert (cause, len(partner.sent)) == (None, 3)


@pytest.mark.parametrize("env", ["sqlite"], indirect=True)
async def test_the_row_with_the_key_is_vouched_for_and_an_edit_of_the_key_is_found(env, site, client, old):
    env, _ = await opened(env, site, Directory(old))
    message_id = await delivered(env, client)
    while await env.store.write(journal.number_pending, Point.NUMBER):
        pass
    await env.heads.publish(env.store, env.now())
    assert await env.store.read(lambda conn: checks.evidence_faults(conn, env.heads.signer)) == []
    other = parcel.update().where(parcel.c.message_id == message_id).values(sealed_for="0" * 64)
    await env.store.write(lambda conn: conn.execute(other), Point.ADMIN)
    assert await env.store.read(lambda conn: checks.evidence_faults(conn, env.heads.signer)) != []


@dataclass
class Portal(Directory):
    """Knows the office that reports go to."""

    container: Any
    printer: Any

    async def report_keys(self, recipient: str) -> ReportKeys:
        office = ReportOffice(Address("4601", "02"), "V2")
        return ReportKeys(office, pem(self.container.certificate), pem(self.printer.certificate))


@pytest.mark.parametrize("env", ["sqlite"], indirect=True)
async def test_a_report_is_known_by_its_readers_key_and_its_printers(env, site, old, new):
    chosen = StoredParcel(site.tenant, "a-message", 1, "portal:bydel", "portal", "4601-02", "a-key")
    for container, printer in ((old, new), (new, old), (old, old)):
        road = OpenRoad("portal", Scripted(), Portal(container, printer), Seal.FIKS_REPORT)
        keys = await recipient_keys(env, site.tenant, road, chosen)
        assert keys.fingerprint == fingerprint(container, printer)
