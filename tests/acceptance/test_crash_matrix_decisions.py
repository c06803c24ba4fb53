"""SIGKILL at the commits and calls that people, case systems and bells cause. A repeat of the same order is harmless."""

import asyncio
import secrets
from base64 import b64encode
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from gateway.crashpoints import Point, Side
from gateway.demo.cast import Cast, assembled
from gateway.simulators.serving import serving
from tests.acceptance.harness import ForkedGateway, differences, end, forge, marked, send, state
from tests.acceptance.kills import SECTIONS
from tests.postgres import settings_for

BOTH = (Side.BEFORE, Side.AFTER)
PERSON = ("--person", "kari", "--reason", "prøve")


async def call(cast: Cast, method: str, path: str, body: object) -> int:
    """One order of a case system, until it is answered; the answer's status."""
    while True:
        headers = {"Authorization": f"Bearer {await cast.case_tokens.token()}"}
        try:
            url = f"{cast.site.case_system_url}/api/v1{path}"
            async with cast.session.request(method, url, json=body, headers=headers) as answer:
                if answer.status < 500:
                    return answer.status
        except aiohttp.ClientError:
            await asyncio.sleep(0.05)


async def ready_report(cast: Cast, number: int) -> str:
    """A report that waits for the case system; its id."""
    answer = await send(cast, number)
    assert answer
    while await state(cast, str(answer.uuid)) != "READY":
        await asyncio.sleep(0.05)
    return str(answer.uuid)


Order = Callable[[Cast, str], Awaitable[int]]
ORDERS: list[tuple[Point, Order, set[int], str]] = [
    (
        Point.REJECT,
        lambda cast, one: call(cast, "POST", f"/messages/{one}/reject", {"reason": "wrong-unit", "text": ""}),
        {204, 409},
        "HELD",
    ),
    (
        Point.CASE_EVENT,
        lambda cast, one: call(
            cast, "POST", f"/messages/{one}/events", {"type": "konklusjon", "at": "2026-11-20T10:00:00+01:00"}
        ),
        {204},
        "READY",
    ),
]


@pytest.mark.timeout(400)
@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
async def test_an_order_killed_at_its_commit_is_carried_out_once_when_it_is_repeated(tmp_path: Path, store: str):
    environment = settings_for(store, tmp_path / "store")
    async with forge() as forks, assembled(tmp_path, sections=SECTIONS, environment=environment) as cast:
        gateway = ForkedGateway(cast.gateway, tmp_path / "gateway.log", forks)
        for number, (point, order, answers, after) in enumerate(ORDERS):
            for side in BOTH:
                mark = tmp_path / f"{point}-{side}"
                await gateway.launch((str(mark), point, side, "1"))
                one = await ready_report(cast, 10 * number + BOTH.index(side))
                ordered = asyncio.create_task(order(cast, one))
                assert await marked(mark), f"{point} {side} was never reached"
                await gateway.kill()
                await gateway.launch()
                assert await ordered in answers
                assert await state(cast, one) == after
                await gateway.stop()
        await persons(cast, gateway, tmp_path)
        await gateway.stop()
        assert await differences(cast) == []


async def persons(cast: Cast, gateway: ForkedGateway, folder: Path) -> None:
    """The command line is killed at its own commits, beside the running gateway."""
    await gateway.launch()
    for side in BOTH:
        one = await ready_report(cast, 90 + BOTH.index(side))
        mark = folder / f"person-{side}"
        pid = await gateway.once(["hold", one, *PERSON], (str(mark), Point.PERSON, side, "1"))
        assert await marked(mark)
        await end(pid)
        assert await state(cast, one) == ("READY" if side is Side.BEFORE else "HELD")
    for side in BOTH:
        mark = folder / f"admin-{side}"
        arguments = ["clients", "revoke", "nobody-we-know", "--person", "kari"]
        pid = await gateway.once(arguments, (str(mark), Point.ADMIN, side, "1"))
        assert await marked(mark)
        await end(pid)


@pytest.mark.timeout(400)
async def test_a_bell_killed_in_mid_ring_delays_nothing_and_loses_nothing(tmp_path: Path):
    heard: list[str] = []
    deaf = asyncio.Event()

    async def bell(request: web.Request) -> web.Response:
        await request.read()
        heard.append(request.headers["webhook-id"])
        return web.Response(status=500 if deaf.is_set() else 204)

    async with (
        forge() as forks,
        assembled(tmp_path, sections=SECTIONS, environment=settings_for("sqlite", tmp_path / "store")) as cast,
        serving([web.post("/bell", bell)]) as base,
    ):
        gateway = ForkedGateway(cast.gateway, tmp_path / "gateway.log", forks)
        await gateway.launch()
        secret = "whsec_" + b64encode(secrets.token_bytes(32)).decode()
        assert await call(cast, "PUT", "/webhook", {"url": f"{base}/bell", "secret": secret}) == 200
        await gateway.stop()
        for number, (point, side) in enumerate((point, side) for point in (Point.RING, Point.FAILED) for side in BOTH):
            deaf.set() if point is Point.FAILED else deaf.clear()
            mark = tmp_path / f"{point}-{side}"
            await gateway.launch((str(mark), point, side, "1"), ready=False)
            sending = asyncio.create_task(send(cast, number))
            assert await marked(mark), f"{point} {side} was never reached"
            await gateway.kill()
            deaf.clear()
            before = len(heard)
            await gateway.launch()
            answer = await sending
            assert answer
            async with asyncio.timeout(20):
                while len(heard) == before:
                    await asyncio.sleep(0.05)
            assert await state(cast, str(answer.uuid)) == "READY"
            await gateway.stop()
        assert await differences(cast) == []
