"""The gateway on PostgreSQL, the platform with its RabbitMQ, and a case system: what tests of faults do to them and ask of them."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from gateway.crypto.keys import SoftwareKey
from gateway.demo.fiks_cast import FiksCast, fiks_assembled
from gateway.domain.deadlines import OSLO
from gateway.errors import PartnerUnavailableError
from gateway.simulators.fiks.parcel import open_parcel
from gateway.simulators.fiks.portal import LEVERT, MOTTATT, SENDT_PRINT, Followed
from gateway.simulators.ledger import STORED, read_ledger
from tests.acceptance.harness import QUICK, Forge, ForkedGateway, differences
from tests.postgres import PostgresServer, mortal_server, settings_for

WITHIN_S = 60


@dataclass
class Stage:
    """The cast, the database's server, and what the tests ask of them."""

    fiks: FiksCast
    server: PostgresServer
    sink: asyncio.Task

    @property
    def gateway(self) -> ForkedGateway:
        return self.fiks.cast.gateway

    @property
    def konto_id(self) -> str:
        return self.fiks.office.konto_id

    async def up(self) -> None:
        self.gateway.launch()
        await self.gateway.ready()
        await self.counted(consumers=1)

    async def counted(
        self, *, consumers: int | None = None, waiting: int | None = None, within_s: float = WITHIN_S
    ) -> None:
        """Until the broker counts so."""

        async def fits() -> bool:
            try:
                found = await self.fiks.platform.mail.counts(self.konto_id)
            except PartnerUnavailableError:  # the broker is away
                return False
            return consumers in {None, found.consumers} and waiting in {None, found.waiting}

        await until(fits, within_s)

    async def told(self, reports: Collection[Followed], tilstand: str = LEVERT) -> None:
        for one in reports:
            await self.fiks.platform.portal.until(one.bekymringsmelding_id, tilstand, WITHIN_S)

    async def times(self, one: Followed, key: SoftwareKey | None = None) -> int:
        """How often a report is in the case system's file, byte for byte."""
        sealed = await asyncio.to_thread(one.container.read_bytes)
        opened = await asyncio.to_thread(open_parcel, sealed, key or self.fiks.receive, datetime.now(UTC))
        documents = {name: hashlib.sha256(raw).hexdigest() for name, raw in opened.items()}
        rows = read_ledger(self.fiks.cast.sink_ledger)
        return [row["documents"] for row in rows if row["event"] == STORED].count(documents)

    async def once(self, reports: Collection[Followed]) -> None:
        """Each was told and is in the case system once; nothing else was said to the portal than that."""
        await self.told(reports)
        assert [await self.times(one) for one in reports] == [1] * len(reports)
        assert all(row.tilstand != SENDT_PRINT for one in reports for row in one.history)
        assert {kind for one in reports for kind in one.late} <= {MOTTATT}

    async def message(self, one: Followed) -> dict:
        """Our line of it, once it has come."""
        found: list[dict] = []

        async def here() -> bool:
            rows = await self.gateway.command("ledger", "--day", today())
            found[:] = [row for row in rows if row["melding-id"] in one.melding_ids]
            return bool(found)

        await until(here)
        [line] = found
        return line

    async def trace(self, one: Followed) -> dict:
        return await self.gateway.command("trace", (await self.message(one))["id"])

    async def quarantined(self) -> set[str]:
        return {row["id"] for row in await self.gateway.command("list", "--state", "QUARANTINED", "--limit", "1000")}

    def logged(self, event: str) -> int:
        """How often the gateway said so."""
        lines = (self.gateway.site.folder.parent / "gateway.log").read_text(errors="replace").splitlines()
        return sum(f'"event":"{event}"' in line.replace(" ", "") for line in lines)

    def given_up(self) -> list[str]:
        return [letter.reason for letter in self.fiks.platform.dispatch.dead]


def today() -> str:
    return datetime.now(OSLO).date().isoformat()


async def until(true: Callable[[], Awaitable[bool]], within_s: float = WITHIN_S) -> None:
    async with asyncio.timeout(within_s):
        while not await true():
            await asyncio.sleep(0.05)


@asynccontextmanager
async def set_up(forks: Forge, folder: Path) -> AsyncIterator[Stage]:
    """Everybody on a fresh folder and a database server of their own; the gateway is not started."""
    with mortal_server() as server:
        made = settings_for("postgresql", folder / "store", server)
        process = partial(ForkedGateway, forks=forks)
        sections = QUICK + "poll_idle_s = 0.2\n"
        async with fiks_assembled(folder, sections=sections, environment=made, process=process) as fiks:
            sink = asyncio.create_task(fiks.cast.case_system.run_until(lambda: False))
            try:
                yield Stage(fiks, server, sink)
            finally:
                sink.cancel()
                await asyncio.gather(sink, return_exceptions=True)
            await fiks.cast.gateway.stop()
            assert await differences(fiks.cast) == []
