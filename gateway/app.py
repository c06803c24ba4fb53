"""The composition root: the only place that builds the parts and wires them together."""

import asyncio
import os
import resource
import shutil
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Any

import aiohttp
import structlog
import uuid_utils
from pydantic import ValidationError

from gateway import config, limits
from gateway.catalogue import Catalogue
from gateway.config import Configuration
from gateway.crashpoints import Point
from gateway.crypto.certificates import TrustPolicy
from gateway.crypto.keys import KeyFile, SoftwareKeyRing, read_key_encryption_key
from gateway.crypto.tokens import TokenVerifier
from gateway.crypto.trust import read_roots
from gateway.domain.deadlines import ClockRule
from gateway.domain.identifiers import TenantId
from gateway.domain.message_type import Lane
from gateway.egress import egress_session, plain_socket, public_socket
from gateway.errors import ConfigError, PartnerUnavailableError
from gateway.http.authentication import CaseSystemDoor
from gateway.http.case_system import case_system_routes
from gateway.http.connection import Listening
from gateway.http.facade import ProducerDoor, partner_routes
from gateway.http.health import Checks, operations_routes
from gateway.http.server import Listener, application
from gateway.http.tls import server_context
from gateway.observability import logging, metrics
from gateway.pipeline.accept import Intake
from gateway.pipeline.clients import Clients
from gateway.pipeline.environment import Environment
from gateway.pipeline.offices import Office, Offices
from gateway.pipeline.roads import Roads, configured_roads
from gateway.pipeline.sweeper import run_sweeper, take_up_orphans
from gateway.pipeline.traffic import prepare, run_inbound, run_road
from gateway.pipeline.vault import Vault
from gateway.pipeline.worker import Incarnation, run_suspects, run_worker, watch_suspects
from gateway.ports import SystemClock
from gateway.spi import Adapter, AdapterSpec, Context
from gateway.store.database import Store
from gateway.store.opening import embedded, engine_lock, opened_store
from gateway.store.payloads import PayloadFolder
from gateway.store.postgres import PostgresStore

_ADAPTERS = "gateway.adapters"
_PRODUCER_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Ports:
    """The listeners' ports as bound; 0 in the configuration lets the system choose."""

    partner: int
    case_system: int
    operations: int


def data_dir(configuration: Configuration) -> Path:
    """Where everything of this gateway lives."""
    return config.resolve(configuration.folder, configuration.settings.data_dir)


def offices_of(configuration: Configuration) -> Offices:
    """Every office with its keys opened. Raises ConfigError naming every fault."""
    faults: list[str] = []
    offices: list[Office] = []
    for tenant in configuration.tenants.values():
        try:
            offices.extend(_offices(configuration.folder, tenant))
        except ConfigError as error:
            faults.extend(f"tenants/{tenant.kommunenummer}.toml: {fault}" for fault in error.faults)
    if faults:
        raise ConfigError(*faults)
    return Offices(offices)


def _offices(folder: Path, tenant: config.Tenant) -> list[Office]:
    signing = _key_file(folder, tenant.signing_key) if tenant.signing_key else None
    receive = SoftwareKeyRing.from_files([_key_file(folder, pair) for pair in tenant.receive_keys], signing)
    print_part = SoftwareKeyRing.from_files([_key_file(folder, tenant.print_key)])
    kek = read_key_encryption_key(config.secret_path(folder, tenant.key_encryption_key))
    return [
        Office(
            tenant=TenantId(tenant.kommunenummer, bydel.nummer),
            kommunenavn=tenant.navn,
            bydelsnavn=bydel.navn,
            organisation_number=tenant.organisasjonsnummer,
            fiks_org_id=tenant.fiks_org_id,
            standard_receiver=bydel.standard_mottaker or len(tenant.bydeler) == 1,
            version=bydel.stottet_versjon,
            receive=receive,
            print_part=print_part,
            kek=kek,
        )
        for bydel in tenant.bydeler
    ]


def _key_file(folder: Path, pair: config.KeyPair) -> KeyFile:
    password = config.read_secret(folder, pair.password) if pair.password else None
    return KeyFile(config.secret_path(folder, pair.key), password)


def clock_rules(frister: dict[str, config.Frist]) -> dict[str, ClockRule]:
    """The configured clocks as the domain reads them."""
    return {
        name: ClockRule(
            id=name,
            law=frist.lov,
            title=frist.tittel,
            start=frist.start,
            length=timedelta(days=frist.dager, hours=frist.timer, minutes=frist.minutter),
            months=frist.maneder,
            months_extended=frist.maneder_utvidet,
            end_of_day=frist.slutt_av_dagen,
            stop=frist.stopp,
            levels_after_start=(
                *(timedelta(minutes=minutes) for minutes in frist.varsle_etter_minutter),
                *(timedelta(days=days) for days in frist.varsle_etter_dager),
            ),
            levels_before_due=tuple(timedelta(days=days) for days in frist.varsle_dager_for),
            public_reporter_only=frist.bare_offentlig_melder,
            needs_known_reporter=frist.krever_kjent_melder,
        )
        for name, frist in frister.items()
    }


def catalogue_of(configuration: Configuration) -> Catalogue:
    """The message types, each clock and law of which must stand in configuration. Raises ConfigError."""
    catalogue = Catalogue.load()
    faults = [
        f"schemas/{kind.key}: {what} {name} is not in config/{what}.toml"
        for kind in catalogue.types()
        for what, names, known in (
            ("frister", kind.frister, configuration.frister),
            ("hjemler", kind.hjemmel, configuration.hjemler),
        )
        for name in names
        if name not in known
    ]
    if faults:
        raise ConfigError(*faults)
    return catalogue


def roads_of(configuration: Configuration, types: Catalogue) -> Roads:
    """The way out as configured, no adapter opened. Raises ConfigError."""
    settings = configuration.settings
    return configured_roads(configuration.routes, settings.guards, configuration.hjemler, settings.adapters, types)


def adapter_entry_points() -> dict[str, EntryPoint]:
    """Every adapter that is installed, ours and third parties'; only configured ones are ever imported."""
    return {entry.name: entry for entry in entry_points(group=_ADAPTERS)}


def adapter_settings(configuration: Configuration, name: str) -> tuple[AdapterSpec[Any], Any]:
    """An adapter and its section of the configuration. Raises ConfigError."""
    entry = adapter_entry_points().get(name)
    if entry is None:
        message = f"adapters: {name} is not installed"
        raise ConfigError(message)
    spec: AdapterSpec[Any] = entry.load()
    try:
        return spec, spec.settings(**configuration.partners.get(name, {}))
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        raise ConfigError(*(f"partners/{name}.toml: {fault['loc']}: {fault['msg']}" for fault in faults)) from None


@asynccontextmanager
async def environment(configuration: Configuration) -> AsyncIterator[Environment]:
    """Everything a verb needs, without listeners and workers: what the command line uses."""
    offices = offices_of(configuration)
    types = catalogue_of(configuration)
    trust = TrustPolicy(roots=read_roots(_trust_files(configuration, "fiks")))
    factory = public_socket if configuration.settings.mode == "production" else plain_socket
    async with opened_store(configuration, data_dir(configuration)) as store, egress_session(factory) as egress:
        vault = Vault(offices, PayloadFolder(data_dir(configuration) / "payloads"))
        await vault.load(store)
        yield Environment(
            settings=configuration.settings,
            store=store,
            vault=vault,
            offices=offices,
            types=types,
            rules=clock_rules(configuration.frister),
            trust=trust,
            clock=SystemClock(),
            egress=egress,
            log=logging.get(),
            roads=roads_of(configuration, types),
        )


def _trust_files(configuration: Configuration, channel: str) -> list[Path]:
    trust = configuration.settings.trust.get(channel, config.Trust())
    return [config.resolve(configuration.folder, root) for root in trust.roots]


def harden() -> None:
    """No core files, nothing readable by others: set before anything is opened (S82, S83)."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(0o077)


@asynccontextmanager
async def running(configuration: Configuration) -> AsyncIterator[Ports]:
    """The whole gateway: listeners, workers, sweeper. Everything is finished in order when the context ends."""
    harden()
    async with AsyncExitStack() as stack:
        if embedded(configuration):
            stack.enter_context(engine_lock(data_dir(configuration)))
        env = await stack.enter_async_context(environment(configuration))
        incarnation = await incarnate(env.store)
        session = await stack.enter_async_context(http_session())
        adapters = await open_adapters(stack, configuration, env, session)
        await stack.enter_async_context(engine(env, incarnation, adapters))
        ports = await _listen(stack, configuration, env, session, adapters)
        env.log.info("gateway.ready", incarnation=incarnation.id, mode=configuration.settings.mode)
        yield ports
        env.log.info("gateway.stopping", incarnation=incarnation.id)


async def incarnate(store: Store) -> Incarnation:
    """A new life of this process; on PostgreSQL one that others can see."""
    incarnation = Incarnation(str(uuid_utils.uuid7()))
    if isinstance(store, PostgresStore):
        incarnation.alive = store.presence.alive
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
        group.create_task(run_sweeper(env, incarnation, stop))
        for name, adapter in adapters.items():
            if adapter.outbound is not None:
                group.create_task(run_road(env, incarnation, name, stop))
            if adapter.inbound is not None:
                group.create_task(run_inbound(env, name, adapter.inbound, stop))
        try:
            yield
        finally:
            stop.set()


async def _listen(
    stack: AsyncExitStack,
    configuration: Configuration,
    env: Environment,
    session: aiohttp.ClientSession,
    adapters: Mapping[str, Adapter],
) -> Ports:
    settings = configuration.settings
    verifier = TokenVerifier(settings.issuers, lambda url: fetch(session, url), env.clock)
    clients = Clients(env.store, env.clock)
    facades = [adapter.facade for adapter in adapters.values() if adapter.facade is not None]
    intake = Intake(env)
    routes = [route for facade in facades for route in facade.routes(intake)]
    partner = partner_routes(routes, ProducerDoor(verifier, clients, env.clock), settings.intake)
    case = case_system_routes(env, _case_door(verifier, clients, env))
    operations = operations_routes(
        _readiness(env),
        metrics.REGISTRY,
        token=_operations_token(configuration),
        production=settings.mode == "production",
    )
    listener = Listener(clock=env.clock, log=env.log)
    bound = [
        await _open_door(stack, configuration, name, application(found, door))
        for name, found, door in (
            ("partner", partner, Listener(clock=env.clock, log=env.log, error_media_type=_PRODUCER_JSON)),
            ("case_system", case, listener),
            ("operations", operations, listener),
        )
    ]
    return Ports(*bound)


async def _open_door(stack: AsyncExitStack, configuration: Configuration, name: str, app: Any) -> int:
    listener: config.Listener = getattr(configuration.settings.listen, name)
    tls, shared = _tls(configuration, listener, name), configuration.settings.listen.shared
    listening = Listening(app, listener.host, listener.port, tls, shared=shared)
    return (await stack.enter_async_context(listening)).port


def _tls(configuration: Configuration, listener: config.Listener, name: str) -> ssl.SSLContext | None:
    folder = configuration.folder
    if listener.certificate is None or listener.key is None:
        if listener.host not in {"127.0.0.1", "::1", "localhost"}:
            message = f"listen.{name}: without certificate and key it may listen on loopback only"
            raise ConfigError(message)
        return None
    roots = config.resolve(folder, listener.client_roots) if listener.client_roots else None
    return server_context(config.resolve(folder, listener.certificate), config.secret_path(folder, listener.key), roots)


async def open_adapters(
    stack: AsyncExitStack, configuration: Configuration, env: Environment, session: aiohttp.ClientSession
) -> dict[str, Adapter]:
    """Open what the configuration names, no other (S107); each is closed with ``stack``."""
    opened: dict[str, Adapter] = {}
    for name in configuration.settings.adapters:
        spec, settings = adapter_settings(configuration, name)
        context = Context(clock=env.clock, session=session, log=_bound(env.log, name))
        opened[name] = await stack.enter_async_context(spec.open(settings, context))
        if opened[name].outbound is not None:
            await prepare(env, name)
            env.roads.open(name, opened[name])
    return opened


def _bound(log: structlog.stdlib.BoundLogger, adapter: str) -> structlog.stdlib.BoundLogger:
    return log.bind(adapter=adapter)


def _case_door(verifier: TokenVerifier, clients: Clients, env: Environment) -> CaseSystemDoor:
    rate = env.settings.case_system.rate_per_minute
    return CaseSystemDoor(verifier, clients, env.clock, rate_per_minute=rate)


def _readiness(env: Environment) -> Checks:
    async def store() -> bool:
        await env.store.read(lambda conn: conn.exec_driver_sql("SELECT 1"))
        return True

    async def disk() -> bool:
        free = await asyncio.to_thread(shutil.disk_usage, env.vault.folder.root)
        return free.free >= env.settings.intake.disk_floor_bytes

    return {"store": store, "disk": disk}


def _operations_token(configuration: Configuration) -> str | None:
    reference = configuration.settings.operations_token
    return config.read_secret(configuration.folder, reference).decode() if reference else None


@asynccontextmanager
async def http_session() -> AsyncIterator[aiohttp.ClientSession]:
    """For calls we make: bounded in time, no redirects followed by default, no proxy variables (S54)."""
    timeout = aiohttp.ClientTimeout(total=60, connect=10)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=False, auto_decompress=False) as session:
        yield session


async def fetch(session: aiohttp.ClientSession, url: str) -> bytes:
    """A small document from an address of our configuration. Raises PartnerUnavailableError."""
    try:
        async with session.get(url, allow_redirects=False) as answer:
            if answer.status != 200:  # noqa: PLR2004  the one good answer
                message = f"the answer was {answer.status}"
                raise PartnerUnavailableError(message)
            body = await answer.content.read(limits.JWKS_BYTES_MAX + 1)
            while len(body) <= limits.JWKS_BYTES_MAX and (more := await answer.content.read(limits.JWKS_BYTES_MAX)):
                body += more
    except (aiohttp.ClientError, TimeoutError) as error:
        message = "no answer"
        raise PartnerUnavailableError(message) from error
    if len(body) > limits.JWKS_BYTES_MAX:
        message = "the answer is too large"
        raise PartnerUnavailableError(message)
    return body
