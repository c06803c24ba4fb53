"""SIGKILL at the commits and calls that people, case systems and bells cause. A repeat of the same order is harmless."""

import asyncio
import secrets
from base64 import b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web

from gateway.crashpoints import Point, Side
from gateway.demo.cast import Cast
from gateway.simulators.ledger import judge
from gateway.simulators.serving import serving
from gateway.testing.site import ORGANISATION
from tests.acceptance.harness import BOTH, Forge, call, come_to, differences, send, stage, told

PERSON = ("--person", "kari", "--reason", "prøve")
OFFICES = 2  # of the site's municipality


@dataclass
class Bell:
    """A case system's address: ``heard`` are the bells it answered; while ``deaf`` it answers none."""

    url: str = ""
    deaf: bool = False
    heard: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        await request.read()
        if self.deaf:
            return web.Response(status=500)
        self.heard.append(request.headers["webhook-id"])
        return web.Response(status=204)


# --- who causes what: each goes on until it is answered, however often the gateway dies ------------------------------


async def address(cast: Cast, bell: Bell, _number: int) -> None:
    """The case system says where to ring it."""
    secret = "whsec_" + b64encode(secrets.token_bytes(32)).decode()
    status, _ = await call(cast, "PUT", "/webhook", {"url": bell.url, "secret": secret})
    assert status == 200


async def report(cast: Cast, _bell: Bell, number: int) -> str:
    """A report comes, for which the case system is rung; its id."""
    answer = await send(cast, number)
    assert answer
    return str(answer.uuid)


async def ready(cast: Cast, bell: Bell, number: int) -> str:
    """A report that waits for the case system; its id."""
    one = await report(cast, bell, number)
    await come_to(cast, [one], "READY")
    return one


async def rejection(cast: Cast, bell: Bell, number: int) -> str:
    """The case system cannot take a report."""
    one = await ready(cast, bell, number)
    status, _ = await call(cast, "POST", f"/messages/{one}/reject", {"reason": "wrong-unit", "text": ""})
    assert status in {204, 409}  # 409: the commit was made, and only its answer was lost
    await come_to(cast, [one], "HELD")
    return one


async def conclusion(cast: Cast, bell: Bell, number: int) -> str:
    """The case system tells what moves clocks."""
    one = await ready(cast, bell, number)
    event = {"type": "konklusjon", "at": datetime.now(UTC).isoformat(), "outcome": "undersokelse"}
    assert await call(cast, "POST", f"/messages/{one}/events", event) == (204, None)
    _, head = await call(cast, "GET", f"/messages/{one}")
    clocks = {clock["id"]: clock["status"] for clock in head["clocks"]}
    assert (clocks["F01"], clocks["F04"]) == ("NADD", "AAPEN")
    return one


AFTER_START = 1 + OFFICES
"""Which passage of ADMIN is the order's own: every start looks up each office's index key under that point."""
CAUSES: list[tuple[Point, int, Callable[[Cast, Bell, int], Awaitable[str | None]]]] = [
    (Point.ADMIN, AFTER_START, address),
    (Point.REJECT, 1, rejection),
    (Point.CASE_EVENT, 1, conclusion),
    (Point.RING, 1, report),
    (Point.FAILED, 1, report),
]
KILLS = [(point, side) for point in (Point.PERSON, *(point for point, _, _ in CAUSES)) for side in BOTH]


@pytest.mark.timeout(400)
@pytest.mark.proves("promise-1")
@pytest.mark.proves("promise-2")
@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
async def test_an_order_killed_on_both_sides_of_its_commit_is_carried_out_once_and_its_report_arrives(
    tmp_path: Path, forks: Forge, store: str
):
    bell = Bell()
    async with stage(forks, store, tmp_path) as cast, serving([web.post("/bell", bell.answer)]) as base:
        bell.url = f"{base}/bell"
        caused = []
        for number, (point, passage, cause) in enumerate(CAUSES):
            bell.deaf = point is Point.FAILED
            caused.append(asyncio.create_task(cause(cast, bell, number)))
            for side in BOTH:
                await cast.gateway.die_at(point, side, passage)
        bell.deaf = False
        cast.gateway.launch()
        reports = [one for one in await asyncio.gather(*caused) if one]
        reports.append(await held_by_a_person(cast, await ready(cast, bell, len(CAUSES))))
        await registered_by_an_operator(cast)
        await taken_home(cast, reports)
    assert all(any(heard.startswith(one) for heard in bell.heard) for one in reports), "nobody was rung for a report"


async def held_by_a_person(cast: Cast, one: str) -> str:
    """The command line dies at its own commit, beside the running gateway."""
    for side, after in zip(BOTH, ("READY", "HELD"), strict=True):
        await cast.gateway.command_dies_at(Point.PERSON, side, 1, "hold", one, *PERSON)
        assert (await call(cast, "GET", f"/messages/{one}"))[1]["state"] == after
    return one


async def registered_by_an_operator(cast: Cast) -> None:
    """The same where a client is added."""
    add = ("clients", "add-fagsystem", "another", "--organisation", ORGANISATION, "--tenant", cast.site.tenant)
    for side in BOTH:
        await cast.gateway.command_dies_at(Point.ADMIN, side, AFTER_START, *add, "--person", "kari")
        known = {client["id"] for client in await cast.gateway.command("clients", "list")}
        assert ("another" in known) is (side is Side.AFTER)


async def taken_home(cast: Cast, reports: list[str]) -> None:
    """What is held is released, the case system takes everything, and the two ledgers are compared."""
    for one in reports:
        if (await call(cast, "GET", f"/messages/{one}"))[1]["state"] == "HELD":
            await cast.gateway.command("release", one, *PERSON)
    sink = asyncio.create_task(cast.case_system.run_until(lambda: False))
    await told(cast, reports, 60)
    await cast.gateway.stop()
    sink.cancel()
    await asyncio.gather(sink, return_exceptions=True)
    assert await differences(cast) == []
    verdict = judge(cast.sender_ledger, cast.sink_ledger)
    assert verdict.accepted == set(reports)
    assert verdict.holds, verdict
