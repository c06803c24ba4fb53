"""Killing the real gateway: quick starts, armed crash points, and one judgement at the end.

The gateway is a whole process killed with SIGKILL by this one. Forking it from a process that has imported everything
makes a start cost a fifth of a second instead of one and a half; nothing else is shared.
"""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy import select

from gateway import config
from gateway.app import environment
from gateway.app.parts import data_dir
from gateway.demo.cast import Cast
from gateway.demo.process import GatewayProcess
from gateway.errors import PartnerError
from gateway.simulators.produsent import Answer
from gateway.simulators.sample import Form, Office, make_report
from gateway.store import consistency
from gateway.store.consistency import Fault
from gateway.store.opening import opened_store
from gateway.store.tables import message_state
from gateway.testing.site import KOMMUNENUMMER

NOTHING = ("", "", "", "")


class Forge:
    """Makes gateways by forking."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._lock = asyncio.Lock()

    async def make(
        self, arguments: Sequence[str], log: Path, environment: Mapping[str, str], crash: Sequence[str] = NOTHING
    ) -> int:
        """One process running ``budstikke ARGUMENTS``; gives its id."""
        assert self._process.stdin
        assert self._process.stdout
        order = {"crash": crash, "arguments": arguments, "log": str(log), "environment": dict(environment)}
        async with self._lock:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            await self._process.stdin.drain()
            return int(await self._process.stdout.readline())


@asynccontextmanager
async def forge() -> AsyncIterator[Forge]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway.testing.crash", "--serve"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Forge(process)
    finally:
        process.kill()
        await process.wait()


class ForkedGateway(GatewayProcess):
    """The same gateway, started by forking."""

    def __init__(self, like: GatewayProcess, log: Path, forge: Forge) -> None:
        super().__init__(like.site, log, like.environment)
        self._forge = forge
        self._forked: int | None = None

    async def launch(self, crash: Sequence[str] = NOTHING, *, ready: bool = True) -> float:
        """Start it with a crash point armed; seconds until ready."""
        started = time.monotonic()
        arguments = ["run", "--config", str(self.site.configuration)]
        self._forked = await self._forge.make(arguments, self._log, self.environment, crash)
        if ready:
            await self.ready()
        return time.monotonic() - started

    async def once(self, arguments: Sequence[str], crash: Sequence[str]) -> int:
        """A command of the command line beside the gateway, armed; gives its process id."""
        return await self._forge.make(
            [*arguments, "--config", str(self.site.configuration)], self._log, self.environment, crash
        )

    @property
    def running(self) -> bool:
        return self._forked is not None and alive(self._forked)

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


async def marked(mark: Path, within_s: float = 20) -> bool:
    """Whether the armed point was reached in time."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if mark.exists():
            return True
        await asyncio.sleep(0.005)
    return False


async def send(cast: Cast, number: int, form: Form = Form.OFFENTLIG) -> Answer | None:
    """One report of its own; the sender goes on trying while the gateway is dead."""
    office = Office(KOMMUNENUMMER, "Bergen", "02", "Bergenhus")
    while True:
        try:
            receiver = await cast.produsent.receiver(KOMMUNENUMMER)
            return await cast.produsent.send(make_report(form, "V2", office, number=number), receiver)
        except PartnerError:
            await asyncio.sleep(0.05)


async def told(cast: Cast, answers: Sequence[Answer | None], within_s: float) -> None:
    """Follow every accepted report until its sender is told LEVERT."""
    uuids = dict.fromkeys(answer.uuid for answer in answers if answer and answer.uuid)

    async def follow(uuid: str) -> None:
        try:
            await cast.produsent.follow(uuid, within_s=within_s, every_s=0.1)
        except PartnerError:
            return  # the judge sees it

    await asyncio.gather(*(follow(uuid) for uuid in uuids))


async def differences(cast: Cast) -> list[Fault]:
    """Where state and owed work differ from what the journal tells; the gateway must be stopped."""
    configuration = config.load(cast.site.configuration, cast.gateway.environment)
    async with environment(configuration) as env:
        return await env.store.read(consistency.faults)


async def state(cast: Cast, message_id: str) -> str:
    """A message's state, read beside the running gateway."""
    configuration = config.load(cast.site.configuration, cast.gateway.environment)
    async with opened_store(configuration, data_dir(configuration)) as store:
        query = select(message_state.c.state).where(message_state.c.message_id == message_id)
        return await store.read(lambda conn: conn.execute(query).scalar_one())
