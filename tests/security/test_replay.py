"""S26: whoever sends the same again has the first one's effect and no other: at once, after a restart, 400 days later."""

import dataclasses
import json
from contextlib import asynccontextmanager
from datetime import timedelta

import aiohttp
import pytest
from sqlalchemy import select

from gateway import config
from gateway.app import environment
from gateway.app.parts import data_dir
from gateway.http.case_system import BASE, case_system_routes
from gateway.pipeline import hand_over
from gateway.pipeline.accept import Intake
from gateway.pipeline.hand_over import CaseSystemClient
from gateway.ports import SystemClock
from gateway.simulators.serving import serving
from gateway.spi import Receipt
from gateway.store import migrate, tables
from tests.edge_kit import MULTIPART, mottak, multipart, partner
from tests.integration.http.conftest import case_system_listener
from tests.integration.outbound.kit import BREV, RECIPIENT, Scripted, hand_in, melding, with_roads
from tests.integration.pipeline.test_bad_input import readback_of
from tests.reports import Sender, TestDelivery
from tests.security.test_webhooks import SECRET, Receiver
from tests.work import state_of, work_off

LATER = timedelta(days=400)
# What may grow with a repeat: evidence that it came, and alarms. All else is compared, but for what is sealed anew.
EVIDENCE = {"journal", "leaf", "leaf_pending", "log_state", "alarm", "attempt", "incarnation"}
SEALED_ANEW = {"webhook": {"wrapped", "secret"}}
LETTER = {"office": "4601-02", "reporter": "privat", "cameBy": "brev", "registeredBy": "kari"}
SCAN = b"%PDF-1.7 et brev"
READING = {"GET"}  # a second look is a second look
WITHOUT_EFFECT = {("POST", "/test/echo")}


class LaterClock(SystemClock):
    def now(self):
        return super().now() + LATER


async def effects(env):
    """Every row that says what is so, without what a repeat may add."""
    compared = [table for table in tables.metadata.sorted_tables if table.name not in EVIDENCE]

    def work(conn):
        return {
            table.name: sorted(
                repr([value for name, value in row.items() if name not in SEALED_ANEW.get(table.name, ())])
                for row in conn.execute(select(table)).mappings()
            )
            for table in compared
        }

    return await env.store.read(work)


@pytest.fixture
def configuration(site, tmp_path):
    made = config.load(site.configuration, {"BUDSTIKKE__DATA_DIR": str(tmp_path / "replay")})
    migrate.create_sqlite(data_dir(made), origin="test")
    return made


@asynccontextmanager
async def life(configuration, site, clock=None):
    """A gateway, as it is after each start; its partner takes everything."""
    async with environment(configuration) as made:
        timed = dataclasses.replace(made, clock=clock or made.clock)
        env = await with_roads(timed, site.tenant, loopback=Scripted())
        async with partner(wrap=lambda _: Intake(env)) as producers, case_system_listener(env, site.tenant) as systems:
            yield env, producers, systems


class Requests:
    """One of each kind, octet for octet the same whenever it is sent."""

    def __init__(self, ids, parts, digests, envelope, hook):
        self.delivery = TestDelivery(parts[1], remote_id="11111111-aaaa-4333-8444-555566667777")
        self.upload = multipart(parts[0].items())
        self.outgoing = multipart([("melding", json.dumps(envelope).encode()), ("brev.pdf", BREV)])
        self.letter = multipart([("registrering", json.dumps(LETTER).encode()), ("bekymringsmelding.pdf", SCAN)])
        self.sent, self.ids = None, ids
        claimed, confirmed, batched, rejected, withdrawn = ids
        self.of_case_system = {
            ("POST", f"/messages/{claimed}/events"): {"type": "undersokelse_startet", "at": "2026-11-01T00:00:00Z"},
            ("POST", f"/messages/{confirmed}/confirm"): digests[confirmed],
            ("POST", "/messages/confirm"): {"items": [{"id": batched} | digests[batched]]},
            ("POST", f"/messages/{rejected}/reject"): {"reason": "wrong-office", "text": "gjelder nabokommunen"},
            ("POST", f"/messages/{withdrawn}/withdraw"): {"reason": "sendt for tidlig"},
            ("PUT", "/webhook"): {"url": hook, "secret": SECRET},
            ("POST", "/messages/claim"): {"max": 50, "leaseSeconds": 600},  # the last: all that came waits by then
        }

    async def all(self, env, producers, systems):
        """Send everything; returns the answers' states and ids."""
        answers = {}
        async with aiohttp.ClientSession() as session:
            headers, address = producers.headers() | MULTIPART, producers.url + mottak(office="4601/02")
            async with session.post(address, data=self.upload, headers=headers) as answer:
                answers["upload"] = (answer.status, await answer.json())
        answers["delivery"] = (await Intake(env).accept(self.delivery)).id
        headers = MULTIPART | {"Idempotency-Key": "nokkel-1"}
        answers["outgoing"] = (await systems.call("POST", "/messages", headers=headers, data=self.outgoing))[:2]
        headers = MULTIPART | {"Idempotency-Key": "nokkel-2"}
        answers["letter"] = (await systems.call("POST", "/registrations", headers=headers, data=self.letter))[:2]
        for (method, path), body in self.of_case_system.items():
            if path.endswith("/claim"):
                await work_off(env)
            answers[path] = (await systems.call(method, path, json=body))[:2]
        await work_off(env)
        self.sent = self.sent or await self._sent(env, answers["outgoing"][1]["id"])
        answers["receipt"] = await Intake(env).receipt(self.sent)
        await work_off(env)
        return answers

    async def _sent(self, env, message_id):
        query = select(tables.parcel.c.key).where(tables.parcel.c.message_id == message_id)
        key = await env.store.read(lambda conn: conn.execute(query).scalar_one())
        return Receipt("loopback", RECIPIENT, "ref-1", key=key)


async def prepared(env, site, hook):
    """Messages for each request to act on."""
    sender, client = Sender(site, env), CaseSystemClient("fagsystem-1", (site.tenant,))
    ids = [(await Intake(env).accept(sender.delivery(number))).id for number in range(1, 5)]
    await work_off(env)
    digests = {}
    for one in ids:
        found = await readback_of(env, client, one)
        documents = [{"name": name, "sha256": digest} for name, digest in found.documents]
        digests[one] = {"reference": f"SAK-{one}", "documents": documents}
    ids.append(await hand_in(env, client))  # not worked off: nothing of it has left
    parts = [sender.parts(sender.report(number)) for number in (8, 9)]
    return Requests(ids, parts, digests, melding(), hook)


@pytest.mark.proves("S26")
@pytest.mark.timeout(120)
async def test_every_entry_point_twice(configuration, site):
    receiver = Receiver()
    async with serving(receiver.routes()) as base:
        async with life(configuration, site) as (env, *doors):
            requests = await prepared(env, site, f"{base}/webhook")
            before = await effects(env)
            first = await requests.all(env, *doors)
            once = await effects(env)
            changed = {name for name in once if once[name] != before[name]}
            assert changed >= {"message", "case_event", "confirmation", "receipt", "note", "webhook", "idempotency"}
            states = [await state_of(env, one) for one in requests.ids]
            assert states == [
                "OFFERED",
                "RECEIPTED",
                "RECEIPTED",
                "HELD",
                "WITHDRAWN",
            ]  # the control: each had its effect
            again = await requests.all(env, *doors)
            assert await effects(env) == once
        async with life(configuration, site) as (env, *doors):
            restarted = await requests.all(env, *doors)
            assert await effects(env) == once
        async with life(configuration, site, LaterClock()) as (env, *doors):
            much_later = await requests.all(env, *doors)
            assert await effects(env) == once
    assert told(restarted) == told(again)
    assert much_later.pop("/webhook")[1]["code"] == "webhook-unproven"  # its receiver lives 400 days earlier
    assert told(much_later).items() <= told(again).items()
    assert again["letter"][1]["id"] == first["letter"][1]["id"]  # its state has moved on meanwhile
    for name in ("upload", "delivery", "outgoing", f"/messages/{requests.ids[1]}/confirm", "/messages/confirm"):
        assert again[name] == first[name], name  # and the same answer


def told(answers):
    """An answer without what differs between any two refusals."""
    return {
        name: (answer[0], answer[1].get("code") if answer[0] >= 400 else answer[1])
        if isinstance(answer, tuple) and isinstance(answer[1], dict)
        else answer
        for name, answer in answers.items()
    }


@pytest.mark.proves("S26")
async def test_removing_a_webhook_twice_removes_one(configuration, site):
    receiver = Receiver()
    async with serving(receiver.routes()) as base, life(configuration, site) as (env, _, systems):
        await systems.call("PUT", "/webhook", json={"url": f"{base}/webhook", "secret": SECRET})
        found = []
        for _ in range(2):
            status, _, _ = await systems.call("DELETE", "/webhook")
            found.append((status, await effects(env)))
        assert found[0][1] == found[1][1]
        assert found[0][1]["webhook"] == []


@pytest.mark.proves("S26")
def test_every_route_that_changes_something_is_among_those_sent_twice(env, site):
    sent = Requests(["{id}"] * 5, [{}, {}], {"{id}": {}}, {}, "").of_case_system
    routes = {
        (route.method, route.path.removeprefix(BASE))
        for route in case_system_routes(env, None)
        if route.method not in READING
    }
    apart = {("POST", "/messages"), ("POST", "/registrations"), ("DELETE", "/webhook")}
    assert routes - WITHOUT_EFFECT == {*sent, *apart}


@pytest.mark.proves("S26")
async def test_a_claim_that_is_sent_again_takes_what_came_since_and_nothing_twice(env, intake, sender, client):
    """A claim asks for work: sent again it is a new question, and what it took before is not taken again."""
    taken = []
    for number in (1, 2):
        await intake.accept(sender.delivery(number))
        await work_off(env)
        taken.append([claim.message_id for claim in await hand_over.claim(env, client, 50, 600, ())])
    assert [len(ids) for ids in taken] == [1, 1]
    assert taken[0] != taken[1]


@pytest.fixture
def client(site):
    return CaseSystemClient("fagsystem-1", (site.tenant,))
