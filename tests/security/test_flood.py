"""S101 to S103: whoever floods meets its own bounds; nothing accepted is lost, and nobody's report is hidden by it.

The broken reports of S103 are a few hundred here; ``pytest tests/security/test_flood.py --broken 10000`` sends the
number that the requirement names (some minutes).
"""

import asyncio
import json
import random
import time
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

import aiohttp
import pytest
from sqlalchemy import func, select

from gateway import config, limits
from gateway.app import engine, incarnate
from gateway.domain.lifecycle import State
from gateway.pipeline import hand_over
from gateway.pipeline.accept import Intake
from gateway.pipeline.hand_over import CaseSystemClient
from gateway.pipeline.sweeper import sweep
from gateway.pipeline.watch import watch_disk
from gateway.ports import SystemClock
from gateway.store import consistency, turns
from gateway.store.tables import alarm, message, message_state
from tests.edge_kit import CLIENT_ID, MULTIPART, Client, mottak, partner, raw, report, sealed
from tests.integration.http.conftest import case_system_listener
from tests.integration.http.test_operations import operations
from tests.integration.outbound.kit import Scripted, hand_in, melding, with_roads
from tests.reports import TestDelivery
from tests.work import state_of, work_off

PORTAL = "00000001-7f0f-4d1c-9f53-6f3f3c1f9a10"
OFFICE = "4601/02"
MESSAGE = limits.MESSAGE_OVERHEAD_BYTES


def set_to(env, **intake):
    """The same gateway with other bounds of its intake."""
    bounds = env.settings.intake.model_copy(update=intake)
    return replace(env, settings=env.settings.model_copy(update={"intake": bounds}))


async def send(here, session, body, **changes):
    """Status and uuid."""
    headers = here.headers(**changes) | MULTIPART
    async with session.post(here.url + mottak(office=OFFICE), data=body, headers=headers) as answer:
        return answer.status, (await answer.json()).get("uuid")


async def count(env, query):
    return await env.store.read(lambda conn: conn.execute(query).scalar_one())


# --- S101: every entry at once ----------------------------------------------------------------------------------------------


@dataclass
class Flooded:
    """Every entry of one gateway, its workers at work, and what was answered."""

    env: object
    producers: object
    case_system: object
    operations: str
    session: aiohttp.ClientSession
    answers: dict
    accepted: set

    def note(self, road, status):
        self.answers.setdefault(road, Counter())[status] += 1

    async def reports(self, number, sender):
        """Sound ones, broken ones and the same ones again."""
        container = sender.sealed(b"no container %d" % number) if number % 3 else sealed(b"%d" % (number % 9))
        status, uuid = await send(self.producers, self.session, report(container=container))
        self.note("reports", status)
        if status == 201:
            self.accepted.add(uuid)

    async def strangers(self, number):
        status, _ = await send(self.producers, self.session, report(), IntegrasjonPassord=f"guess {number}")
        self.note("strangers", status)

    async def case_systems(self, number):
        calls = (
            ("GET", "/messages", {}),
            ("POST", "/messages/claim", {"json": {"max": 50, "leaseSeconds": 60}}),
            ("GET", "/events?wait=1", {}),
            ("PUT", "/webhook", {"json": {"url": "ftp://x.example", "secret": "x"}}),
            ("POST", "/messages/confirm", {"data": b"{" * 1000, "headers": {"Content-Type": "application/json"}}),
        )
        method, path, more = calls[number % len(calls)]
        status, _, _ = await self.case_system.call(method, path, **more)
        self.note("case systems", status)

    async def outgoing(self, number):
        form = aiohttp.FormData(quote_fields=False)
        form.add_field("melding", json.dumps(melding()), content_type="application/json")
        form.add_field("brev.pdf", b"%PDF-1.7", content_type="application/pdf", filename="brev.pdf")
        key = {"Idempotency-Key": str(number)}
        status, _, _ = await self.case_system.call("POST", "/messages", headers=key, data=form)
        self.note("outgoing", status)

    async def operators(self, number):
        async with self.session.get(f"{self.operations}/metrics") as answer:
            self.note("operations", answer.status)

    async def garbage(self, number):
        octets = random.Random(number).randbytes(200)
        for port in (self.producers.port, self.case_system.port):
            answer = await raw(port, octets + b"\r\n\r\n", 5)
            self.note("garbage", int(answer[9:12] or 0))


@asynccontextmanager
async def flooded(env, tenant, bounds):
    """A gateway below its disk floor, with all its doors open and its workers at work."""
    async with AsyncExitStack() as stack:
        producers = await stack.enter_async_context(partner(intake_settings=bounds, wrap=lambda _: Intake(env)))
        case_system = await stack.enter_async_context(case_system_listener(env, tenant))
        observed = await stack.enter_async_context(operations({}))
        session = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
        await stack.enter_async_context(engine(env, await incarnate(env.store)))
        yield Flooded(env, producers, case_system, observed, session, {}, set())


@pytest.mark.proves("promise-8")
@pytest.mark.proves("S101")
async def test_all_roads(env, site, sender):
    bounds = config.Intake(bytes_per_minute=80 * MESSAGE)
    roomy = await with_roads(env, site.tenant, partner=Scripted())
    env = set_to(roomy, disk_floor_bytes=2**62)
    async with flooded(env, site.tenant, bounds) as gateway:
        began = gateway.producers.clock.monotonic()
        flood = []
        for number in range(100):
            flood.append(gateway.reports(number, sender))
            flood += [gateway.case_systems(number), gateway.operators(number)] if number % 2 else []
            flood += (
                [gateway.strangers(number), gateway.outgoing(number), gateway.garbage(number)]
                if number % 5 == 0
                else []
            )
            flood += [watch_disk(env)] if number % 10 == 0 else []
        await asyncio.gather(*flood)
        minutes = (gateway.producers.clock.monotonic() - began) / 60
    seen = gateway.answers
    assert set(seen["reports"]) <= {201, 429}
    assert seen["reports"][201] > 0  # the control: within its bounds a report is taken
    assert set(seen["strangers"]) == {401}
    assert set(seen["outgoing"]) <= {507, 429}  # the floor: only concern reports come in
    assert seen["outgoing"][507] > 0
    assert set(seen["case systems"]) <= {200, 400, 429}
    assert set(seen["garbage"]) == {400}
    assert set(seen["operations"]) == {401}
    await work_off(env)
    await holds(env, gateway, (1 + minutes) * 80)
    await hand_in(roomy, CaseSystemClient("fagsystem-1", (site.tenant,)))  # the control: above the floor it is taken


async def holds(env, gateway, rows_max):
    """What was accepted is there once and judged, within the cap of rows, and each alarm stands once for its subject."""
    stored = await env.store.read(lambda conn: list(conn.execute(select(message.c.id)).scalars()))
    assert set(stored) == gateway.accepted
    assert 0 < len(stored) <= rows_max
    assert {await state_of(env, each) for each in stored} == {State.QUARANTINED}
    assert await env.store.read(consistency.faults) == []
    rows = await env.store.read(lambda conn: conn.execute(select(alarm.c.code, alarm.c.subject)).all())
    assert max(Counter((row.code, row.subject) for row in rows).values()) == 1
    assert [row.subject for row in rows if row.code == "disk-floor"] == ["data-dir"]
    assert {row.subject for row in rows if row.code == "quarantined"} == set(stored)


# --- S102: one producer ---------------------------------------------------------------------------------------------------


@pytest.mark.proves("S102")
async def test_one_producer_in_the_reserved_lane(env, intake):
    bounds = config.Intake(bytes_per_minute=30 * MESSAGE)
    async with (
        partner(intake_settings=bounds, wrap=lambda _: intake) as here,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
    ):
        here.directory[PORTAL] = Client(id=PORTAL)
        end = asyncio.Event()

        async def flood(place):
            answers = Counter()
            while not end.is_set():
                body = report(container=sealed(f"{place}/{answers.total()}".encode()))
                answers[(await send(here, session, body))[0]] += 1
            return answers

        flooding = [asyncio.create_task(flood(place)) for place in range(bounds.concurrent_per_client_max + 4)]
        others = [
            await send(here, session, report(container=sealed(b"%d" % n)), IntegrasjonId=PORTAL) for n in range(10)
        ]
        end.set()
        answers = sum(await asyncio.gather(*flooding), Counter())
        here.clock.pass_s(60)
        assert (await send(here, session, report()))[0] == 201  # the control: it was the flood, not the producer
    assert [status for status, _ in others] == [201] * 10  # the control: who floods nobody
    assert set(answers) == {201, 429}
    assert 20 <= answers[201] <= 30
    by_client = select(func.count()).where(message.c.client == CLIENT_ID)
    assert await count(env, by_client) == answers[201] + 1


# --- S103: broken containers ------------------------------------------------------------------------------------------------


class Later(SystemClock):
    """This machine's time and 16 minutes: the first escalation of F02 is due."""

    def now(self):
        return super().now() + timedelta(minutes=16)


def broken(sender, number):
    """One that no key opens, or one that opens and holds no container: both cost what they cost."""
    container = sender.sealed(b"no container %d" % number) if number % 5 == 0 else sealed(b"%d" % number)
    return TestDelivery({"asice": container}, headers={"client-id": "flooding"}, sender="flooding")


@pytest.mark.proves("S103")
@pytest.mark.timeout(1800)
async def test_true_report_among_10000_broken(env, intake, sender, site, request):
    """A sound report reaches the case system, and one that cannot be opened the first page of every list, in its time."""
    number = request.config.getoption("--broken")
    for place in range(number):
        await intake.accept(broken(sender, place))
    true = (await intake.accept(sender.delivery())).id
    unreadable = (await intake.accept(TestDelivery({"asice": sealed(b"sealed for an old key")}))).id
    begin = time.perf_counter()
    await work_off(env)
    opening_s = time.perf_counter() - begin
    print(f"{number} broken reports were judged in {opening_s:.1f} s")
    assert opening_s * 10_000 / number < env.rules["F02"].levels_after_start[0].total_seconds()
    waiting = await hand_over.waiting(env, CaseSystemClient("f", (site.tenant,)), State.READY, (), "", limits.LIST_MAX)
    assert [row["id"] for row in waiting] == [true]  # the control
    later = replace(env, clock=Later())
    for _ in range(2 + number // 200):
        await sweep(later, await incarnate(env.store))
    first_page = 20
    open_states = [state.value for state in State]
    listed, total = await env.store.read(lambda conn: turns.messages(conn, open_states, tenant=None, limit=first_page))
    assert total == number + 2
    assert {true, unreadable} <= {row.message_id for row in listed}
    rung, _ = await env.store.read(lambda conn: turns.alarms(conn, limit=first_page))
    about = {row.code for row in rung if row.subject.startswith(unreadable)}
    assert about == {"quarantined", "rests-too-long", "clock-rings"}
    query = select(func.count()).where(message_state.c.state == State.QUARANTINED.value)
    assert await count(env, query) == number + 1
