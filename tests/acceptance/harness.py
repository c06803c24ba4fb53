"""Killing the real gateway: quick starts, armed crash points, and one judgement at the end.

The gateway is a whole process killed with SIGKILL by this one. Forking it from a process that has imported everything
saves a start a second and a half; nothing else is shared.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
from sqlalchemy import select

from gateway import config
from gateway.app import environment
from gateway.app.parts import data_dir
from gateway.crashpoints import Point, Side
from gateway.demo.cast import Cast, assembled
from gateway.demo.process import GatewayProcess
from gateway.errors import PartnerError, PartnerUnavailableError
from gateway.simulators.produsent import Answer
from gateway.simulators.sample import Form, Office, make_report
from gateway.store import consistency
from gateway.store.consistency import Fault
from gateway.store.opening import opened_store
from gateway.store.tables import message_state
from gateway.testing.site import KOMMUNENUMMER, Site
from tests.postgres import settings_for

BOTH = (Side.BEFORE, Side.AFTER)
NOTHING = ("", "", "", "")
QUICK = "[engine]\nlease_s = 2\nbackoff_first_s = 0.2\nbackoff_max_s = 1\npoll_busy_s = 0.2\nsweep_s = 0.2\n"


class Forge:
    """Makes gateways by forking. It answers within milliseconds and outlives event loops, so nobody awaits it."""

    def __init__(self, process: subprocess.Popen) -> None:
        self._process = process

    def make(
        self,
        arguments: Sequence[str],
        log: Path,
        environment: Mapping[str, str],
        crash: Sequence[str] = NOTHING,
        out: Path | None = None,
    ) -> int:
        """One process running ``budstikke ARGUMENTS``; gives its id."""
        order = {
            "crash": crash,
            "arguments": arguments,
            "out": str(out or log),
            "log": str(log),
            "environment": dict(environment),
        }
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@contextmanager
def forge() -> Iterator[Forge]:
    command = [sys.executable, "-m", "gateway.testing.crash", "--serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield Forge(process)
        process.kill()


class ForkedGateway(GatewayProcess):
    """The same gateway, started by forking, and so are its commands."""

    def __init__(self, site: Site, log: Path, environment: Mapping[str, str], *, forks: Forge) -> None:
        super().__init__(site, log, environment)
        self._forks = forks
        self._forked: int | None = None
        self._marks = 0

    def launch(self, crash: Sequence[str] = NOTHING) -> None:
        """Start it, with a crash point armed; it is not ready yet."""
        self._forked = self._fork(["run"], self._log, crash)

    async def die_at(self, point: Point, side: Side, passage: int = 1) -> None:
        """Live until the point is passed that often, and be killed there."""
        mark = self._mark()
        self.launch((str(mark), point, side, str(passage)))
        reached = await marked(mark, lambda: self.running)
        assert reached, f"{point} {side} was never reached; the gateway said last:\n{self._last_words()}"
        await self.kill()

    async def command(self, *arguments: str) -> Any:
        """Run a command to its end; what it printed. Raises PartnerUnavailableError."""
        out = self._mark()
        await gone(self._fork([*arguments, "--json"], self._log, out=out))
        try:
            return json.loads(out.read_text())
        except ValueError:
            raise PartnerUnavailableError(out.read_text()) from None

    async def command_dies_at(self, point: Point, side: Side, passage: int, *arguments: str) -> None:
        """Run a command beside the gateway, and kill it at the point."""
        mark = self._mark()
        pid = self._fork(arguments, self._log, (str(mark), point, side, str(passage)))
        assert await marked(mark), f"{point} {side} was never reached"
        await end(pid)

    def _fork(
        self, arguments: Sequence[str], log: Path, crash: Sequence[str] = NOTHING, out: Path | None = None
    ) -> int:
        whole = [*arguments, "--config", str(self.site.configuration)]
        return self._forks.make(whole, log, self.environment, crash, out)

    def _last_words(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-40:])

    def _mark(self) -> Path:
        self._marks += 1
        return self._log.with_name(f"mark-{self._marks}")

    @property
    def pid(self) -> int:
        return self._forked

    @property
    def running(self) -> bool:
        return self._forked is not None and alive(self._forked)

    def renew(self) -> None:
        """Tell it to take changed keys into use."""
        os.kill(self._forked, signal.SIGHUP)

    async def kill(self) -> None:
        if self._forked is not None:
            await end(self._forked)

    async def stop(self) -> None:
        if self.running:
            os.kill(self._forked, signal.SIGTERM)
            await gone(self._forked)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def end(pid: int) -> None:
    """SIGKILL, and wait until it is gone."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    await gone(pid)


async def gone(pid: int) -> None:
    async with asyncio.timeout(20):
        while alive(pid):
            await asyncio.sleep(0.005)


async def marked(mark: Path, running: Callable[[], bool] = lambda: True, within_s: float = 60) -> bool:
    """Whether the armed point was reached in time; who ended by itself does not reach it any more."""
    until = time.monotonic() + within_s
    while time.monotonic() < until and running():
        if mark.exists():
            return True
        await asyncio.sleep(0.005)
    return False


@asynccontextmanager
async def stage(
    forks: Forge, store: str, folder: Path, *, lines: str = "", adapters: tuple[str, ...] = ("fiks",)
) -> AsyncIterator[Cast]:
    """Everybody on one store, with a gateway that is quick to start and to try again."""
    made = settings_for(store, folder / "store")
    process = partial(ForkedGateway, forks=forks)
    async with assembled(
        folder, lines=lines, sections=QUICK, adapters=adapters, environment=made, process=process
    ) as cast:
        yield cast


async def send(cast: Cast, number: int, form: Form = Form.OFFENTLIG) -> Answer | None:
    """One report of its own; the sender goes on trying while the gateway is dead."""
    office = Office(KOMMUNENUMMER, "Bergen", "02", "Bergenhus")
    while True:
        try:
            receiver = await cast.produsent.receiver(KOMMUNENUMMER)
            return await cast.produsent.send(make_report(form, "V2", office, number=number), receiver)
        except PartnerError:
            await asyncio.sleep(0.05)


async def call(cast: Cast, method: str, path: str, body: object = None) -> tuple[int, Any]:
    """One order of the case system, repeated until it is answered; status and body of the answer."""
    while True:
        headers = {"Authorization": f"Bearer {await cast.case_tokens.token()}"}
        try:
            url = f"{cast.site.case_system_url}/api/v1{path}"
            async with cast.session.request(method, url, json=body, headers=headers) as answer:
                if answer.status < 500:
                    return answer.status, await answer.json(content_type=None) if answer.content_length else None
        except aiohttp.ClientError:
            pass
        await asyncio.sleep(0.05)


async def come_to(cast: Cast, ids: Sequence[str], wanted: str, within_s: float = 60) -> None:
    """Wait until messages are in a state, read beside the running gateway."""
    if not ids:
        return
    configuration = config.load(cast.site.configuration, cast.gateway.environment)
    others = select(message_state).where(message_state.c.message_id.in_(ids), message_state.c.state != wanted)
    async with opened_store(configuration, data_dir(configuration)) as store, asyncio.timeout(within_s):
        while await store.read(lambda conn: conn.execute(others).first()):
            await asyncio.sleep(0.05)


async def told(cast: Cast, reports: Iterable[str | None], within_s: float) -> None:
    """Follow every accepted report until its sender is told LEVERT."""

    async def follow(report: str) -> None:
        try:
            await cast.produsent.follow(report, within_s=within_s, every_s=0.1)
        except PartnerError:
            return  # the judge sees it

    await asyncio.gather(*(follow(report) for report in dict.fromkeys(reports) if report))


async def differences(cast: Cast) -> list[Fault]:
    """Where state and owed work differ from what the journal tells; the gateway must be stopped."""
    configuration = config.load(cast.site.configuration, cast.gateway.environment)
    async with environment(configuration) as env:
        return await env.store.read(consistency.faults)
