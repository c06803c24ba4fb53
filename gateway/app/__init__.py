"""The composition root: the only place that builds the parts and wires them together."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from types import MappingProxyType

import uuid_utils

from gateway.app.calls import blocking, http_session
from gateway.app.doors import Doors, expiries, listen
from gateway.app.host_check import Host, findings, ring_host
from gateway.app.keys import missing_keys
from gateway.app.lending import Lender, clients_of, signing_keys
from gateway.app.parts import (
    adapter_settings,
    catalogue_of,
    clock_rules,
    data_dir,
    heads_of,
    offices_of,
    retention_of,
    roads_of,
    shred_list_of,
    stamp_of,
    trust_of,
    witnesses_of,
)
from gateway.backup.place import require_whole
from gateway.config import Configuration
from gateway.crashpoints import Point
from gateway.domain.message_type import Lane
from gateway.egress import egress_session, plain_socket, public_socket
from gateway.errors import ConfigError
from gateway.letters.reader import Reader
from gateway.observability import logging
from gateway.pipeline.environment import Environment
from gateway.pipeline.fetch import run_inbound
from gateway.pipeline.hourly import run_hourly
from gateway.pipeline.key_watch import watching_keys
from gateway.pipeline.road_watch import watching_roads
from gateway.pipeline.stamps import stamping
from gateway.pipeline.sweeper import run_sweeper, take_up_orphans
from gateway.pipeline.traffic import prepare, run_bells, run_road
from gateway.pipeline.upkeep import run_upkeep
from gateway.pipeline.vault import Vault
from gateway.pipeline.watch import watching
from gateway.pipeline.witnesses import watching_witnesses
from gateway.pipeline.worker import Incarnation, run_suspects, run_worker, watch_suspects
from gateway.ports import SystemClock
from gateway.spi import Adapter
from gateway.store import log, partners
from gateway.store.database import Store
from gateway.store.opening import embedded, engine_lock, opened_store
from gateway.store.payloads import PayloadFolder
from gateway.store.postgres import PostgresStore
from gateway.store.shared_folder import prove_shared


@asynccontextmanager
async def environment(configuration: Configuration) -> AsyncIterator[Environment]:
    """Everything a verb needs, without listeners and workers: what the command line uses."""
    offices = offices_of(configuration)
    types = catalogue_of(configuration)
    factory = public_socket if configuration.settings.mode == "production" else plain_socket
    async with (
        opened_store(configuration, data_dir(configuration)) as store,
        egress_session(factory) as egress,
        http_session() as session,
    ):
        vault = Vault(offices, PayloadFolder(data_dir(configuration) / "payloads"))
        await vault.load(store)
        with closing(Reader(configuration.brev.vindu)) as pdfs:
            yield Environment(
                settings=configuration.settings,
                store=store,
                vault=vault,
                offices=offices,
                types=types,
                rules=clock_rules(configuration.frister, configuration.brev.utskrift_virkedager),
                trust=trust_of(configuration, "fiks", blocking(session)),
                clock=SystemClock(),
                egress=egress,
                log=logging.get(),
                roads=roads_of(configuration, types),
                brev=configuration.brev,
                mottakere=configuration.mottakere,
                pdfs=pdfs,
                retention=retention_of(configuration, types),
                shred_list=shred_list_of(configuration),
                heads=heads_of(configuration, await store.read(log.origin)),
            )


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway at work."""

    env: Environment
    doors: Doors
    lender: Lender

    def renew(self, configuration: Configuration) -> None:
        """Take renewed keys and certificates into use without a stop. Raises ConfigError and goes on as before."""
        offices = offices_of(configuration)
        self.env.offices.require_same(offices)
        clients, signing = clients_of(configuration), signing_keys(configuration)
        self.doors.renew(configuration)
        self.lender.maskinporten.renew(clients)
        self.lender.renew(signing)
        self.env.offices.renew(offices)


@asynccontextmanager
async def running(configuration: Configuration) -> AsyncIterator[Gateway]:
    """The whole gateway: listeners, workers, sweeper. Everything is finished in order when the context ends."""
    async with AsyncExitStack() as stack:
        if embedded(configuration):
            stack.enter_context(engine_lock(data_dir(configuration)))
        require_whole(data_dir(configuration))
        env = await stack.enter_async_context(environment(configuration))
        if env.heads is not None:
            await env.heads.require_newest(env.store)
        await prove_shared(env.store, env.vault.folder)
        incarnation = await incarnate(env.store)
        session = await stack.enter_async_context(http_session())
        lender = Lender(configuration, env, session)
        adapters = await open_adapters(stack, configuration, env, lender)
        await stack.enter_async_context(engine(env, incarnation, adapters))
        watches = {name: adapter.watch for name, adapter in adapters.items() if adapter.watch is not None}
        await stack.enter_async_context(watching_roads(env, watches))
        await stack.enter_async_context(watching(env, lambda: expiries(configuration, env.offices)))
        await stack.enter_async_context(stamping(env, stamp_of(configuration, session)))
        await stack.enter_async_context(watching_witnesses(env, witnesses_of(configuration)))
        await stack.enter_async_context(watching_keys(env, lambda: missing_keys(env.offices)))
        if configuration.settings.mode == "production":
            await ring_host(env, await asyncio.to_thread(findings, Host.under(configuration)))
        doors = await listen(stack, configuration, env, session, adapters)
        env.log.info("gateway.ready", incarnation=incarnation.id, mode=configuration.settings.mode)
        yield Gateway(env, doors, lender)
        env.log.info("gateway.stopping", incarnation=incarnation.id)


async def incarnate(store: Store) -> Incarnation:
    """A new life of this process; on PostgreSQL one that others can see."""
    incarnation = Incarnation(str(uuid_utils.uuid7()))
    if isinstance(store, PostgresStore):
        incarnation.locked = store.presence.alive
        incarnation.id = await store.presence.begin(lambda renewed: setattr(incarnation, "id", renewed))
    return incarnation


@asynccontextmanager
async def engine(
    env: Environment, incarnation: Incarnation, adapters: Mapping[str, Adapter] = MappingProxyType({})
) -> AsyncIterator[None]:
    """Workers per lane and road, and the sweeper; first what was in work when the last process died."""
    await env.store.write(lambda conn: take_up_orphans(env, conn, owner=incarnation.id), Point.SWEEP)
    await run_suspects(env, incarnation)
    stop = asyncio.Event()
    settings = env.settings.engine
    lanes = [Lane.CONCERN] * settings.workers_concern + [Lane.ORDINARY] * settings.workers_ordinary
    async with asyncio.TaskGroup() as group:
        for lane in lanes:
            group.create_task(run_worker(env, incarnation, lane, stop))
        group.create_task(watch_suspects(env, incarnation, stop))
        group.create_task(run_bells(env, incarnation, stop))
        group.create_task(run_sweeper(env, incarnation, stop))
        group.create_task(run_upkeep(env, stop))
        group.create_task(run_hourly(env, stop))
        for name in await env.store.read(partners.names):
            gone = name not in adapters  # what waits for it is tried all the same, and told so
            if gone or adapters[name].outbound is not None:
                group.create_task(run_road(env, incarnation, name, stop))
        for name, adapter in adapters.items():
            if adapter.inbound is not None:
                group.create_task(run_inbound(env, name, adapter.inbound, stop))
        try:
            yield
        finally:
            stop.set()


def _require_offices(env: Environment, name: str, adapter: Adapter) -> None:
    """Raises ConfigError when messages would come for an office that is not here."""
    unknown = [address for address in adapter.receives_for if env.offices.at(address) is None]
    if unknown:
        raise ConfigError(
            *(f"partners/{name}.toml: no office {one.kommunenummer}-{one.bydelsnummer} in tenants/" for one in unknown)
        )


async def open_adapters(
    stack: AsyncExitStack, configuration: Configuration, env: Environment, lender: Lender
) -> dict[str, Adapter]:
    """Open what the configuration names, no other (S107); each is closed with ``stack``."""
    opened: dict[str, Adapter] = {}
    for name in configuration.settings.adapters:
        spec, settings = adapter_settings(configuration, name)
        opened[name] = await stack.enter_async_context(spec.open(settings, lender.context(name)))
        _require_offices(env, name, opened[name])
        if opened[name].outbound is not None or opened[name].inbound is not None:
            await prepare(env, name)
        env.roads.open(name, opened[name])
    return opened
