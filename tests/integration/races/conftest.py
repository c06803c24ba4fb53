"""Two gateways on one PostgreSQL, and a way to make their transactions really overlap."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.util import await_only

from gateway import config
from gateway.app import environment
from gateway.config import Configuration
from gateway.crashpoints import Point
from gateway.domain.message_type import Lane
from gateway.pipeline.environment import Environment
from gateway.pipeline.hand_over import CaseSystemClient
from gateway.store.database import Store, Work
from gateway.testing.site import Site, make_site
from tests.conftest import ROOT
from tests.postgres import settings_for
from tests.reports import Sender

Verb = Callable[[Environment, str], Awaitable[Any]]


@pytest.fixture(scope="session")
def race_site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return make_site(
        tmp_path_factory.mktemp("site"),
        defaults=ROOT / "config",
        issuer="https://issuer.test/",
        jwks_uri="http://127.0.0.1:9/jwks",
        adapters=("fiks", "loopback"),
    )


@pytest.fixture
def configuration(race_site: Site, tmp_path: Path) -> Configuration:
    """A short lease, so that a test need not wait a minute for its end."""
    settings = settings_for("postgresql", tmp_path) | {
        "BUDSTIKKE__ENGINE__LEASE_S": "2",
        "BUDSTIKKE__ENGINE__SWEEP_S": "0.5",
    }
    return config.load(race_site.configuration, settings)


@pytest.fixture
async def pair(configuration: Configuration) -> AsyncIterator[tuple[Environment, Environment]]:
    """Two gateways with pools of their own."""
    async with AsyncExitStack() as stack:
        yield (
            await stack.enter_async_context(environment(configuration)),
            await stack.enter_async_context(environment(configuration)),
        )


@pytest.fixture
def env(pair: tuple[Environment, Environment]) -> Environment:
    return pair[0]


@pytest.fixture
def sender(race_site: Site, env: Environment) -> Sender:
    return Sender(race_site, env)


@pytest.fixture
def client(race_site: Site) -> CaseSystemClient:
    return CaseSystemClient("fagsystem-1", (race_site.tenant,))


@dataclass
class PausingStore:
    """A store whose first unit keeps its transaction open, after its work and before COMMIT, until let go."""

    inner: Store
    worked: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    pid: int = 0

    async def write(self, work: Work[Any], point: Point, lane: Lane = Lane.ORDINARY) -> Any:
        return await self.write_to(self.inner, work, point, lane)

    async def write_to(self, inner: Store, work: Work[Any], point: Point, lane: Lane) -> Any:
        if self.pid:
            return await inner.write(work, point, lane)

        def paused(conn: Connection) -> Any:
            self.pid = conn.execute(text("SELECT pg_backend_pid()")).scalar_one()
            result = work(conn)
            self.worked.set()
            await_only(self.go.wait())
            return result

        return await inner.write(paused, point, lane)

    def for_tenants(self, tenants: Collection[str]) -> "PausingView":
        return PausingView(self, self.inner.for_tenants(tenants))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@dataclass
class PausingView:
    """The same for units that see some tenants only: whichever comes first is the one that pauses."""

    pausing: PausingStore
    inner: Store

    async def write(self, work: Work[Any], point: Point, lane: Lane = Lane.ORDINARY) -> Any:
        return await self.pausing.write_to(self.inner, work, point, lane)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@dataclass(frozen=True)
class Outcome:
    """What the two did: results or errors, and whether the second had to wait for the first."""

    first: Any
    second: Any
    waited: bool


async def overlap(
    pair: tuple[Environment, Environment],
    first: Callable[[Environment], Awaitable[Any]],
    second: Callable[[Environment], Awaitable[Any]],
) -> Outcome:
    """Run ``first`` until its work is done and not committed; run ``second`` until it waits or ends; let both end."""
    store = PausingStore(pair[0].store)
    one = asyncio.ensure_future(first(replace(pair[0], store=store)))
    worked = asyncio.ensure_future(store.worked.wait())
    await asyncio.wait([one, worked], return_when=asyncio.FIRST_COMPLETED)
    assert store.worked.is_set(), f"the first never wrote: {one}"
    other = asyncio.ensure_future(second(pair[1]))
    waited = await _waits_for(pair[0].store, store.pid, other)
    store.go.set()
    results = await asyncio.gather(one, other, return_exceptions=True)
    return Outcome(*results, waited)


async def _waits_for(store: Store, pid: int, other: asyncio.Future[Any]) -> bool:
    query = text("SELECT count(*) FROM pg_stat_activity WHERE :pid = ANY(pg_blocking_pids(pid))")
    async with asyncio.timeout(20):
        while not other.done():
            if await store.read(lambda conn: conn.execute(query, {"pid": pid}).scalar_one()):
                return True
            await asyncio.sleep(0.01)
    return False
