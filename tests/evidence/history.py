"""A store with something in every table, made by the real verbs: what the tests of tampering edit."""

from dataclasses import replace

from gateway.crashpoints import Point
from gateway.domain.lifecycle import State
from gateway.domain.retention import RetentionPolicy
from gateway.pipeline import case_events, confirm, hand_over, people, retention
from gateway.pipeline.accept import Intake
from gateway.pipeline.case_events import CaseEvent
from gateway.pipeline.clients import Clients
from gateway.pipeline.hand_over import CaseSystemClient
from gateway.pipeline.people import Decision
from gateway.pipeline.stamps import stamp_newest
from gateway.store import journal
from gateway.store.succession import Beginning, begin_log
from gateway.testing.site import ORGANISATION
from tests.integration.outbound.kit import Scripted, hand_in, with_roads
from tests.integration.pipeline.test_bad_input import readback_of
from tests.integration.pipeline.test_retention import Later
from tests.reports import Sender, TestDelivery
from tests.work import state_of, work_off

FILE_BYTES = 300_000
BLOCK = 256


async def live_through(env, site):
    """Reports that are read back, repeated, linked, held, refused, broken and shredded; one sent out; clients and a new log."""
    intake, sender, client = Intake(env), Sender(site, env), CaseSystemClient("fagsystem-1", (site.tenant,))
    old = (await intake.accept(sender.delivery(9))).id
    await work_off(env)
    await people.decide(env, old, Decision("confirm", "kari", "on paper", "2026/1"))
    await work_off(env)
    policy = (("bekymringsmelding.offentlig", RetentionPolicy(40)),)
    assert await retention.purge(replace(env, clock=Later(env.clock, 41), retention=policy)) == 1

    first = await _read_back(env, intake, sender, client)
    await _repeated(env, intake, sender)
    held = (await intake.accept(sender.delivery(3))).id
    await work_off(env)
    await confirm.reject(env, client, held, "wrong-office", "ikke vår")
    await people.decide(env, held, Decision("refuse", "kari", "feil adressat"))
    broken = (await intake.accept(TestDelivery({"bekymringsmelding": b"no", "asice": b"0\x80no"}))).id
    await work_off(env)
    assert await state_of(env, broken) == State.QUARANTINED
    sending = await with_roads(env, site.tenant, loopback=Scripted())
    await hand_in(sending, client, documents={"brev.pdf": bytes(FILE_BYTES)})
    await work_off(sending)
    await _half_released(env, site, client)
    await _clients(env, site)
    await number(env)
    await _followed(env)
    return first


async def _read_back(env, intake, sender, client):
    """One report to its end, with a part that is large enough for a file."""
    delivery = sender.delivery(1)
    delivery.part_bytes["bekymringsmelding"] += bytes(FILE_BYTES)
    message_id = (await intake.accept(delivery)).id
    await work_off(env)
    await hand_over.claim(env, client, 5, 600, [])
    for _ in range(BLOCK):
        await hand_over.head(env, client, message_id)
    await case_events.event(env, client, message_id, CaseEvent("undersokelse_startet", env.now()))
    await confirm.confirm(env, client, message_id, await readback_of(env, client, message_id))
    await work_off(env)
    assert await state_of(env, message_id) == State.RECEIPTED
    return message_id


async def _repeated(env, intake, sender):
    """The same report sealed anew, with another PDF, which is a warning for both; and the same octets again."""
    report = sender.report(1)
    documents = {"bekymringsmelding.json": report.json, "bekymringsmelding.pdf": report.pdf + b"\n"}
    parts = {"bekymringsmelding": sender.printed(report.pdf), "asice": sender.sealed(sender.container(documents))}
    again = TestDelivery(parts, message_type="bekymringsmelding.offentlig.v2")
    message_id = (await intake.accept(again)).id
    await work_off(env)
    assert (await intake.accept(again)).repeated
    assert await state_of(env, message_id) == State.RECEIPTED


async def _half_released(env, site, client):
    """A message that two people must release, and one has."""
    guarded = await with_roads(env, site.tenant, guards=["R18"], loopback=Scripted())
    message_id = await hand_in(guarded, client)
    await work_off(guarded)
    assert await people.decide(guarded, message_id, Decision("release", "kari", "riktig mottaker")) == State.HELD


async def _clients(env, site):
    clients = Clients(env.store, env.clock)
    await clients.add_fagsystem(
        "fagsystem-7", organisations=[ORGANISATION], tenants=[site.tenant], certificate=None, actor="kari"
    )
    for actor in ("kari", "ola"):
        client_id, _ = await clients.add_produsent(
            fiks_org_id="11111111-2222-4333-8444-555566667777", organisations=[ORGANISATION], actor=actor
        )
    await clients.rotate(client_id, actor="kari")
    await clients.revoke(client_id, actor="kari")


async def _followed(env):
    """A time stamp under the log, and another log after it."""

    async def stamp(octets):
        return b"stamp of " + octets[:4]

    await stamp_newest(env, stamp)
    beginning = Beginning("test/2", "test", 3, b"r" * 32, "kari", "disk-lost", env.now())
    await env.store.write(lambda conn: begin_log(conn, beginning), Point.ADMIN)
    while await env.store.write(journal.number_pending, Point.NUMBER):
        pass


async def number(env):
    """Leaf numbers for what waits, and a head over them."""
    while await env.store.write(journal.number_pending, Point.NUMBER):
        pass
    await env.heads.publish(env.store, env.now())
