"""S43: each client has caps of its own, and one at its caps changes little for others.

Reports are delayed by a cap, never shut out: a bucket in debt fills again, and no body is too large for it.
"""

import asyncio
import json
import statistics
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import aiohttp
import pytest

from gateway import config, limits
from gateway.observability import metrics
from tests.edge_kit import CLIENT_ID, MULTIPART, Client, mottak, one, partner, report, sealed
from tests.integration.http.conftest import case_system_listener
from tests.integration.outbound.kit import Scripted, melding, with_roads
from tests.work import work_off

pytestmark = pytest.mark.proves("S43")

OTHER = "00000001-7f0f-4d1c-9f53-6f3f3c1f9a10"
MESSAGE = limits.MESSAGE_OVERHEAD_BYTES


def throttled(cap):
    return metrics.REGISTRY.get_sample_value("budstikke_throttled_total", {"cap": cap}) or 0.0


def bounded(env, **case_system):
    """The same gateway with other caps for case systems."""
    return replace(env, settings=env.settings.model_copy(update={"case_system": config.CaseSystem(**case_system)}))


async def send(here, number=0, session=None, body=None, **changes):
    """Status and seconds to wait."""
    body = report(container=sealed(b"%d" % number)) if body is None else body
    async with aiohttp.ClientSession() if session is None else _lent(session) as calling:
        headers = here.headers(**changes) | MULTIPART
        async with calling.post(here.url + mottak(), data=body, headers=headers) as answer:
            await answer.read()
            return answer.status, int(answer.headers.get("Retry-After", 0))


@asynccontextmanager
async def _lent(session):
    yield session


# --- Octets a minute ------------------------------------------------------------------------------------------------


async def test_above_its_octets_a_minute_a_producer_waits_as_long_as_it_is_told_and_others_do_not():
    before = throttled("bytes")
    async with partner(intake_settings=config.Intake(bytes_per_minute=3 * MESSAGE)) as here:
        here.directory[OTHER] = Client(id=OTHER)
        answers = [await send(here, number) for number in range(4)]
        assert [status for status, _ in answers] == [201, 201, 201, 429]
        assert 0 < answers[-1][1] <= 60
        assert (await send(here, IntegrasjonId=OTHER))[0] == 201
        here.clock.pass_s(answers[-1][1])
        assert (await send(here, 4))[0] == 201  # the control: it waited as long as it was told
    assert throttled("bytes") == before + 1


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
async def test_a_report_larger_than_the_bucket_is_taken_and_the_next_waits_until_it_is_paid_off(chunked):
    async def pieces():
        yield large

    large = report(container=sealed(bytes(10 * MESSAGE)))
    async with partner(intake_settings=config.Intake(bytes_per_minute=2 * MESSAGE)) as here:
        assert (await send(here, body=pieces() if chunked else large))[0] == 201
        status, wait_s = await send(here, 1)
        assert status == 429
        assert wait_s > 4 * 60
        here.clock.pass_s(wait_s)
        assert (await send(here, 1))[0] == 201


async def test_a_refused_upload_costs_as_one_that_is_taken():
    async with partner(intake_settings=config.Intake(bytes_per_minute=2 * MESSAGE)) as here:
        broken = report(print_part=b"no envelope")
        assert [(await send(here, body=broken))[0] for _ in range(3)] == [400, 400, 429]


async def test_what_a_case_system_fetches_counts(env, site, intake, sender):
    accepted = await intake.accept(sender.delivery())
    await work_off(env)
    path = f"/messages/{accepted.id}/documents/bekymringsmelding.pdf"
    async with case_system_listener(bounded(env, bytes_per_minute=1000), site.tenant) as case_system:
        case_system.directory[OTHER] = replace(case_system.directory["fagsystem-1"], id=OTHER)
        ranged = await case_system.call("GET", path, headers={"Range": "bytes=0-9"})
        answers = [ranged, *[await case_system.call("GET", path) for _ in range(2)]]
        assert [status for status, _, _ in answers] == [206, 200, 429]
        assert (await case_system.call("GET", path, OTHER))[0] == 200


# --- What is stored and not finished ----------------------------------------------------------------------------------


async def test_above_what_may_rest_here_a_producer_is_slowed_to_a_tenth_and_still_gets_through():
    async def passing(**extra):
        async with partner(intake_settings=config.Intake(bytes_per_minute=20 * MESSAGE), **extra) as here:
            return [(await send(here, number))[0] for number in range(25)].count(201)

    assert await passing() >= 18
    assert await passing(over_quota={CLIENT_ID}) == 2


async def test_of_a_client_over_its_quota_what_is_no_concern_report_waits_outside(env, site):
    env = await with_roads(env, site.tenant, partner=Scripted())
    async with case_system_listener(env, site.tenant) as case_system:

        async def hand_in(key):
            form = aiohttp.FormData(quote_fields=False)
            form.add_field("melding", json.dumps(melding()), content_type="application/json")
            form.add_field("brev.pdf", b"%PDF-1.7", content_type="application/pdf", filename="brev.pdf")
            return await case_system.call("POST", "/messages", headers={"Idempotency-Key": key}, data=form)

        env.over_quota.add("fagsystem-1")
        status, problem, headers = await hand_in("en")
        assert (status, problem["code"], headers["Retry-After"]) == (429, "quota", "300")
        env.over_quota.clear()
        assert (await hand_in("en"))[0] == 202


# --- Claims, long polls, webhooks ---------------------------------------------------------------------------------------


async def test_a_client_holds_no_more_claims_than_its_cap_and_others_get_the_rest(env, site, intake, sender):
    for number in range(1, 4):
        await intake.accept(sender.delivery(number))
    await work_off(env)
    async with case_system_listener(bounded(env, claims_max=1), site.tenant) as case_system:
        case_system.directory[OTHER] = replace(case_system.directory["fagsystem-1"], id=OTHER)

        async def claimed(client_id):
            order = {"max": 50, "leaseSeconds": 600}
            return len((await case_system.call("POST", "/messages/claim", client_id, json=order))[1]["claims"])

        assert [await claimed("fagsystem-1"), await claimed("fagsystem-1"), await claimed(OTHER)] == [1, 0, 1]


async def test_more_long_polls_than_the_cap_are_429_while_plain_polls_and_others_pass(case_system):
    async def poll(wait_s, client_id="fagsystem-1"):
        return (await case_system.call("GET", f"/events?wait={wait_s}", client_id))[0]

    waiting = [asyncio.create_task(poll(2)) for _ in range(limits.LONG_POLLS_PER_CLIENT_MAX + 1)]
    refused, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    assert [task.result() for task in refused] == [429]
    assert (await poll(0), await poll(1, "fagsystem-2")) == (200, 200)
    assert sorted(await asyncio.gather(*waiting)) == [200] * limits.LONG_POLLS_PER_CLIENT_MAX + [429]


async def test_a_webhook_may_be_set_a_few_times_a_minute(case_system):
    order = {"url": "ftp://nowhere.example", "secret": "x"}
    statuses = [
        (await case_system.call("PUT", "/webhook", json=order))[0] for _ in range(limits.WEBHOOK_ORDERS_PER_MINUTE + 1)
    ]
    assert statuses == [400] * limits.WEBHOOK_ORDERS_PER_MINUTE + [429]
    assert (await case_system.call("PUT", "/webhook", "fagsystem-2", json=order))[0] == 400


# --- One client at every cap ----------------------------------------------------------------------------------------------

TRIALS, REPORTS = 10, 24
KNOCKS_PER_S = 8  # sixteen workers that wait the two seconds they are told
MORE_MAX = {"median": 1.5, "p99": 2.0}  # a tenth is the aim; the tail of so few reports is too rough to assert it


def upload(here, body, **changes):
    """A whole report as octets, made beforehand: what it costs its sender is not what is measured."""
    head = "".join(f"{name}: {value}\r\n" for name, value in (here.headers(**changes) | MULTIPART).items())
    start = f"POST {mottak(office='4601/02')} HTTP/1.1\r\nHost: x\r\n{head}Connection: close\r\n"
    return f"{start}Content-Length: {len(body)}\r\n\r\n".encode() + body


@asynccontextmanager
async def at_every_cap(here, octets):
    """All places of one producer are held by bodies that do not end, and it knocks all the same."""
    held = [
        await asyncio.open_connection("127.0.0.1", here.port) for _ in range(config.Intake().concurrent_per_client_max)
    ]
    for _, writer in held:
        writer.write(octets[:-10])
    while (await one(here.port, octets))[9:12] != b"429":  # until all of them are inside
        await asyncio.sleep(0.01)
    end = asyncio.Event()

    async def knock():
        while not end.is_set():
            assert (await one(here.port, octets))[9:12] == b"429"
            with suppress(TimeoutError):
                await asyncio.wait_for(end.wait(), 1 / KNOCKS_PER_S)

    knocking = asyncio.create_task(knock())
    try:
        yield
    finally:
        end.set()
        await knocking
        for _, writer in held:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


@pytest.mark.quiet
async def test_one_client_at_every_cap(env, intake):
    """Trials with and without it take turns, so that the machine's moods fall on both alike. The store is real."""
    bounds = config.Intake(bytes_per_minute=10**12)
    async with partner(intake_settings=bounds, wrap=lambda _: intake) as here:
        here.directory[OTHER] = Client(id=OTHER)
        greedy = upload(here, report(container=sealed(b"greedy")))

        async def trial(number):
            times = []
            for place in range(REPORTS):
                octets = upload(here, report(container=sealed(f"{number}/{place}".encode())), IntegrasjonId=OTHER)
                begin = time.perf_counter()
                assert (await one(here.port, octets))[9:12] == b"201"
                times.append(time.perf_counter() - begin)
            return sorted(times)

        alone, beside = [], []
        await trial(-1)
        for number in range(TRIALS):
            alone.append(await trial(2 * number))
            async with at_every_cap(here, greedy):
                beside.append(await trial(2 * number + 1))
    for name, place in (("median", REPORTS // 2), ("p99", -1)):
        ratio = statistics.median(times[place] for times in beside) / statistics.median(times[place] for times in alone)
        print(f"{name} of others beside a client at its caps / alone: {ratio:.2f}")
        assert ratio < MORE_MAX[name]
