"""Reports through the real gateway, counted per second of its CPU and of the clock."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bench.evidence_share import evidence_cpu_s
from bench.process import cpu_s
from bench.sender import Posted, Sender, Sizes, sender
from gateway.demo.cast import Cast, assembled
from gateway.demo.process import GatewayProcess
from gateway.simulators.ledger import LEVERT
from gateway.store.migrate import SQLITE_FILE
from gateway.testing.pki import Make, receive_key

PRODUCERS: Final = 16  # as many as one client may have in work
_WARM_UP: Final = 10
_POLL_S: Final = 0.05
_PATIENCE_S: Final = 300
# The defaults are for manners: 256 MiB and 600 calls a minute
_UNLIMITED: Final = "[intake]\nbytes_per_minute = 1000000000000\n[case_system]\nrate_per_minute = 10000000\n"
_NO_WORKERS: Final = _UNLIMITED + "[engine]\nworkers_concern = 0\n"  # what is taken in stays as it came


@dataclass(frozen=True, slots=True)
class Run:
    """What came of one run. ``cpu_s`` is the gateway's; ``seconds`` are each post's, sorted.

    ``evidence_s``: of a journey, the CPU seconds that its evidence takes alone, warm-up included (``evidence_share``).
    """

    count: int
    cpu_s: float
    wall_s: float
    seconds: tuple[float, ...]
    sizes: Sizes
    evidence_s: float = 0.0

    @property
    def evidence_share(self) -> float:
        """The part of the gateway's CPU that goes into evidence."""
        return self.evidence_s / (self.count + _WARM_UP) * self.count / self.cpu_s

    @property
    def per_cpu_s(self) -> float:
        """Reports per CPU second of the gateway."""
        return self.count / self.cpu_s

    @property
    def per_wall_s(self) -> float:
        """Reports per second of the clock."""
        return self.count / self.wall_s

    def percentile_ms(self, percent: int) -> float:
        """Milliseconds within which so many of hundred posts were answered."""
        return self.seconds[min(len(self.seconds) - 1, len(self.seconds) * percent // 100)] * 1e3


async def measure_intake(folder: Path, count: int, producers: int) -> Run:
    """From the post to its 201, with nobody working on what came."""
    async with _ready(folder, 2048, _NO_WORKERS) as (cast, sending):
        uploads, sizes = sending.sealed(_WARM_UP + count)
        await sending.post_all(uploads[:_WARM_UP], producers)
        begin, used = time.perf_counter(), cpu_s(cast.gateway.pid)
        posted = await sending.post_all(uploads[_WARM_UP:], producers)
        return _run(cast.gateway, posted, begin, used, sizes)


async def measure_journey(folder: Path, count: int, bits: int) -> Run:
    """From the post until each sender would be told LEVERT, the case system working beside."""
    async with _ready(folder, bits, _UNLIMITED) as (cast, sending):
        uploads, sizes = sending.sealed(_WARM_UP + count)
        working = asyncio.create_task(cast.case_system.run_until(lambda: False))
        try:
            await sending.post_all(uploads[:_WARM_UP], PRODUCERS)
            await _receipted(cast, _WARM_UP)
            begin, used = time.perf_counter(), cpu_s(cast.gateway.pid)
            posted = await sending.post_all(uploads[_WARM_UP:], PRODUCERS)
            await _receipted(cast, _WARM_UP + count)
            run = _run(cast.gateway, posted, begin, used, sizes)
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
        await _require_delivered(cast, posted)
        database = cast.site.folder / "var" / SQLITE_FILE
        return replace(run, evidence_s=await asyncio.to_thread(evidence_cpu_s, database, folder / "copy.sqlite3"))


def _run(gateway: GatewayProcess, posted: list[Posted], begin: float, used: float, sizes: Sizes) -> Run:
    wall_s = time.perf_counter() - begin
    spent = cpu_s(gateway.pid) - used
    return Run(len(posted), spent, wall_s, tuple(sorted(one.seconds for one in posted)), sizes)


@asynccontextmanager
async def _ready(folder: Path, bits: int, sections: str) -> AsyncIterator[tuple[Cast, Sender]]:
    """Everybody set up on a fresh folder, with receive keys of that size; the gateway running."""
    async with assembled(folder, sections=sections) as cast:
        for name in ("receive", "print"):
            receive_key(make=Make(key_bits=bits)).write_pem(cast.site.folder / "keys" / f"{name}.pem")
        await cast.gateway.start()
        async with sender(cast) as sending:
            yield cast, sending


async def _receipted(cast: Cast, count: int) -> None:
    """Until so many messages have ended. Looked up in the file: asking the gateway would cost it CPU."""
    file = cast.site.folder / "var" / SQLITE_FILE
    async with asyncio.timeout(_PATIENCE_S):
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
            query = "SELECT count(*) FROM message_state WHERE state = 'RECEIPTED'"
            while database.execute(query).fetchone()[0] < count:  # noqa: ASYNC110  a file
                await asyncio.sleep(_POLL_S)


async def _require_delivered(cast: Cast, posted: list[Posted]) -> None:
    """A figure counts only if every sender is told LEVERT."""
    for one in posted:
        if LEVERT not in await cast.produsent.history(one.uuid):
            message = "a report of the run was not delivered"
            raise RuntimeError(message)
