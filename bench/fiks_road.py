"""Reports from RabbitMQ through the real gateway to their receipts, and how soon it is back after its broker was gone."""

import asyncio
import json
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from adapters.fiks.connection import BACKOFF_MAX_S
from bench.machine import Machine
from bench.process import cpu_s
from bench.sender import Sizes, documents
from gateway.demo.fiks_cast import FiksCast, fiks_assembled
from gateway.simulators.fiks.portal import LEVERT, Followed
from gateway.simulators.sample import Form, Office, make_report
from gateway.simulators.seal import Receivers, seal
from gateway.store.migrate import SQLITE_FILE

_POLL_S: Final = 0.05
_PATIENCE_S: Final = 300.0
_UNLIMITED: Final = "[case_system]\nrate_per_minute = 10000000\n"  # the default is there to slow clients down


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of the way, of so many reports. ``cpu_s`` is the gateway's, all threads; ``wall_s`` by the clock."""

    count: int
    cpu_s: float
    wall_s: float


@dataclass(frozen=True, slots=True)
class Figures:
    """``opened``: off the queue, stored, opened and verified. ``delivered``: from there to the receipt that was sent."""

    opened: Phase
    delivered: Phase
    sizes: Sizes

    @property
    def whole(self) -> Phase:
        """From the queue to the receipt."""
        one, other = self.opened, self.delivered
        return Phase(one.count, one.cpu_s + other.cpu_s, one.wall_s + other.wall_s)


def bound_s(machine: Machine, sizes: Sizes, bits: int) -> float:
    """CPU of one report over Fiks IO: off the wire, hashed, sealed at rest, opened, verified, out to the case system."""
    content = sizes.json + sizes.pdf
    bulk = sizes.container * (3 * machine.gcm_s + machine.sha256_s + machine.cbc_s)
    return bulk + content * (machine.sha256_s + machine.gcm_s) + machine.oaep_s[bits] + machine.verify_s


@asynccontextmanager
async def ready(folder: Path) -> AsyncIterator[FiksCast]:
    """Everybody set up on a fresh folder; the gateway running and reading its queue."""
    async with fiks_assembled(folder, sections=_UNLIMITED) as here:
        await here.cast.gateway.start()
        await _reading(here)
        yield here


async def poll(done: Callable[[], bool], within_s: float) -> None:
    """Wait for what shows in a file or another process. Raises TimeoutError."""
    async with asyncio.timeout(within_s):
        while not done():  # noqa: ASYNC110  neither tells anybody
            await asyncio.sleep(_POLL_S)


async def _reading(here: FiksCast) -> None:
    """Until the gateway reads its queue."""
    await here.platform.mail.ready()
    while (await here.platform.mail.counts(here.office.konto_id)).consumers == 0:  # noqa: ASYNC110  the broker tells nobody
        await asyncio.sleep(_POLL_S)


def sealed(here: FiksCast, count: int) -> tuple[list[bytes], Sizes]:
    """That many containers of 20 kB of JSON and 100 kB of PDF, sealed for the office, each another."""
    office = here.office
    address = Office(office.kommunenummer, office.kommunenavn, office.bydelsnummer, office.bydelsnavn)
    sample = make_report(Form.OFFENTLIG, "V2", address, number=0)
    certificate = here.platform.register.account(office.konto_id).certificate
    assert certificate is not None  # noqa: S101  the cast made it
    receivers, key = Receivers(certificate, certificate), here.platform.place.keys.signing
    containers, sizes = [], Sizes(0, 0, 0, 0)
    for content in documents(sample.json, count):
        done = seal(replace(sample, json=content), receivers, key, datetime.now(UTC))
        containers.append(done.container)
        sizes = Sizes(len(content), len(sample.pdf), len(done.container), 0)
    return containers, sizes


async def measure_road(here: FiksCast, containers: list[bytes], warm_up: int, sizes: Sizes) -> Figures:
    """All of them to READY with no case system at work, then all of them to their receipts; the first ones warm up."""
    warm, measured = containers[:warm_up], containers[warm_up:]
    async with _case_system(here):
        await _told([await _sent(here, one) for one in warm], here)
    count = len(measured)
    opened, reports = await _phase(here, measured, lambda: _in_state(here, "READY") == count)
    async with _case_system(here):
        delivered, _ = await _phase(here, [], lambda: all(one.tilstand == LEVERT for one in reports))
    return Figures(opened, replace(delivered, count=count), sizes)


async def _phase(here: FiksCast, containers: list[bytes], done: Callable[[], bool]) -> tuple[Phase, list[Followed]]:
    begin, used = time.perf_counter(), cpu_s(here.cast.gateway.pid)
    reports = [await _sent(here, one) for one in containers]
    await poll(done, _PATIENCE_S)
    return Phase(len(reports), cpu_s(here.cast.gateway.pid) - used, time.perf_counter() - begin), reports


async def _sent(here: FiksCast, container: bytes) -> Followed:
    return await here.platform.portal.forward(here.office, Form.OFFENTLIG, "V2", container)


async def _told(reports: list[Followed], here: FiksCast) -> None:
    for one in reports:
        await here.platform.portal.until(one.bekymringsmelding_id, LEVERT, _PATIENCE_S)


def _in_state(here: FiksCast, state: str) -> int:
    """Looked up in the file: asking the gateway would cost it CPU."""
    file = here.cast.site.folder / "var" / SQLITE_FILE
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        query = "SELECT count(*) FROM message_state WHERE state = ?"
        return int(database.execute(query, (state,)).fetchone()[0])


@asynccontextmanager
async def _case_system(here: FiksCast) -> AsyncIterator[None]:
    working = asyncio.create_task(here.cast.case_system.run_until(lambda: False))
    try:
        yield
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


@dataclass(frozen=True, slots=True)
class Recovery:
    """One restart. ``away_s``: no broker listened. ``back_s``: from its listener until the gateway had stored a report."""

    away_s: float
    back_s: float


async def measure_recovery(here: FiksCast, containers: list[bytes]) -> list[Recovery]:
    """Kill the broker and start it again, once for each container, which waits on the queue meanwhile.

    Each time the connection has held for so long that the gateway takes its loss for a new trouble.
    """
    return [await _restart(here, container) for container in containers]


async def _restart(here: FiksCast, container: bytes) -> Recovery:
    await _reading(here)
    await asyncio.sleep(BACKOFF_MAX_S)
    here.platform.front.refusing = True  # so that the report is not fetched before
    here.platform.front.cut()
    await _sent(here, container)
    gone = time.time()
    await asyncio.to_thread(here.broker.kill)
    here.platform.front.refusing = False
    await asyncio.to_thread(here.broker.start)
    up = time.time()
    await poll(lambda: _last_stored(here) > up, _PATIENCE_S)
    return Recovery(up - gone, _last_stored(here) - up)


def _last_stored(here: FiksCast) -> float:
    """When the gateway last said that it had stored a report, seconds since 1970."""
    log = (here.cast.site.folder.parent / "gateway.log").read_text(encoding="utf-8")
    line = next(line for line in reversed(log.splitlines()) if '"message.accepted"' in line)
    return datetime.fromisoformat(json.loads(line)["timestamp"]).timestamp()
