"""The three listeners, each with its routes and its way in."""

import asyncio
import shutil
import ssl
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import aiohttp

from gateway import config
from gateway.app.calls import fetch
from gateway.config import Configuration
from gateway.crypto.tokens import TokenVerifier
from gateway.errors import ConfigError
from gateway.http.authentication import CaseSystemDoor
from gateway.http.case_system import case_system_routes
from gateway.http.connection import Listening
from gateway.http.facade import ProducerDoor, partner_routes
from gateway.http.health import Checks, operations_routes
from gateway.http.server import Listener, application
from gateway.http.tls import server_context
from gateway.observability import metrics
from gateway.pipeline.accept import Intake
from gateway.pipeline.clients import Clients
from gateway.pipeline.environment import Environment
from gateway.spi import Adapter

_PRODUCER_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Ports:
    """The listeners' ports as bound; 0 in the configuration lets the system choose."""

    partner: int
    case_system: int
    operations: int


async def listen(
    stack: AsyncExitStack,
    configuration: Configuration,
    env: Environment,
    session: aiohttp.ClientSession,
    adapters: Mapping[str, Adapter],
) -> Ports:
    """Open all three; they are closed with ``stack``. Raises ConfigError, OSError when a port is taken."""
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
