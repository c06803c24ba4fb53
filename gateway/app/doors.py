"""The three listeners: what stands behind each, its TLS, and how certificates are renewed while they are open."""

import asyncio
import shutil
import ssl
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import web

from gateway import config
from gateway.app.calls import fetch
from gateway.app.lending import clients_of, signing_keys
from gateway.config import Configuration
from gateway.crypto.tokens import TokenVerifier
from gateway.crypto.trust import read_roots
from gateway.errors import ConfigError
from gateway.http.authentication import CaseSystemDoor
from gateway.http.case_system import case_system_routes
from gateway.http.connection import Listening
from gateway.http.facade import ProducerDoor, partner_routes
from gateway.http.health import Checks, operations_routes
from gateway.http.problems import PLAIN_JSON, PROBLEM_JSON
from gateway.http.rate import Cap, RateLimit, UploadQuota
from gateway.http.server import HttpRoute, Listener, application
from gateway.http.tls import reload_certificate, server_context
from gateway.observability import metrics
from gateway.pipeline.accept import Intake
from gateway.pipeline.clients import Clients
from gateway.pipeline.environment import Environment
from gateway.pipeline.offices import Offices
from gateway.pipeline.watch import SUBJECT_CHARS_MAX, IssuerAlarms
from gateway.spi import Adapter

NAMES: Final = ("partner", "case_system", "operations")
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(slots=True)
class Doors:
    """The open listeners by name: port as bound (0 in the configuration lets the system choose) and TLS."""

    ports: dict[str, int] = field(default_factory=dict)
    contexts: dict[str, ssl.SSLContext] = field(default_factory=dict)

    def renew(self, configuration: Configuration) -> None:
        """Take renewed certificates into use, from the next connection on. Raises ConfigError and changes nothing."""
        pairs = {name: _pair(configuration, name) for name in self.contexts}
        for certificate, key in pairs.values():
            server_context(certificate, key)
        for name, (certificate, key) in pairs.items():
            reload_certificate(self.contexts[name], certificate, key)


async def listen(
    stack: AsyncExitStack,
    configuration: Configuration,
    env: Environment,
    session: aiohttp.ClientSession,
    adapters: Mapping[str, Adapter],
) -> Doors:
    """Open all three; they are closed with ``stack``. Raises ConfigError, OSError when a port is taken."""
    rung = IssuerAlarms(env)
    stack.push_async_callback(rung.finish)
    verifier = TokenVerifier(
        configuration.settings.issuers, lambda url: fetch(session, url), env.clock, alarm=rung.ring, well=rung.close
    )
    clients = Clients(env.store, env.clock)
    behind = {
        "partner": _partner_routes(env, adapters, ProducerDoor(verifier, clients, env.clock)),
        "case_system": case_system_routes(env, _case_system_door(env, verifier, clients)),
        "operations": _operations_routes(configuration, env),
    }
    doors = Doors()
    for name, routes in behind.items():
        await _open(stack, configuration, doors, name, application(routes, _listener(env, name)))
    return doors


def _listener(env: Environment, name: str) -> Listener:
    names = getattr(env.settings.listen, name).names
    return Listener(
        clock=env.clock,
        log=env.log,
        hosts=frozenset(each.lower() for each in names),
        error_media_type=PLAIN_JSON if name == "partner" else PROBLEM_JSON,
    )


def _partner_routes(env: Environment, adapters: Mapping[str, Adapter], door: ProducerDoor) -> list[HttpRoute]:
    intake = Intake(env)
    routes = [route for one in adapters.values() if one.facade is not None for route in one.facade.routes(intake)]
    rate = RateLimit(env.settings.intake.bytes_per_minute, env.clock, Cap.BYTES)
    return partner_routes(routes, door, env.settings.intake, UploadQuota(rate, env.over_quota))


def _case_system_door(env: Environment, verifier: TokenVerifier, clients: Clients) -> CaseSystemDoor:
    rate = env.settings.case_system.rate_per_minute
    return CaseSystemDoor(verifier, clients, env.clock, rate_per_minute=rate)


def _operations_routes(configuration: Configuration, env: Environment) -> list[HttpRoute]:
    reference = configuration.settings.operations_token
    token = config.read_secret(configuration.folder, reference).decode() if reference else None
    production = configuration.settings.mode == "production"
    return operations_routes(_readiness(env), metrics.REGISTRY, token=token, production=production)


def _readiness(env: Environment) -> Checks:
    async def store() -> bool:
        await env.store.read(lambda conn: conn.exec_driver_sql("SELECT 1"))
        return True

    async def disk() -> bool:
        free = await asyncio.to_thread(shutil.disk_usage, env.vault.folder.root)
        return free.free >= env.settings.intake.disk_floor_bytes

    return {"store": store, "disk": disk}


async def _open(
    stack: AsyncExitStack, configuration: Configuration, doors: Doors, name: str, app: web.Application
) -> None:
    listener: config.Listener = getattr(configuration.settings.listen, name)
    tls = tls_of(configuration, name)
    shared = configuration.settings.listen.shared
    listening = await stack.enter_async_context(Listening(app, listener.host, listener.port, tls, shared=shared))
    doors.ports[name] = listening.port
    if tls is not None:
        doors.contexts[name] = tls


def tls_of(configuration: Configuration, name: str) -> ssl.SSLContext | None:
    """The TLS of one listener; None for one on loopback without a certificate. Raises ConfigError."""
    listener: config.Listener = getattr(configuration.settings.listen, name)
    if listener.certificate is None or listener.key is None:
        if listener.host not in LOOPBACK:
            message = f"listen.{name}: without certificate and key it may listen on loopback only"
            raise ConfigError(message)
        return None
    roots = config.resolve(configuration.folder, listener.client_roots) if listener.client_roots else None
    return server_context(*_pair(configuration, name), roots)


def _pair(configuration: Configuration, name: str) -> tuple[Path, Path]:
    listener: config.Listener = getattr(configuration.settings.listen, name)
    if listener.certificate is None or listener.key is None:
        message = f"listen.{name}: the certificate is gone from the configuration; that needs a restart"
        raise ConfigError(message)
    folder = configuration.folder
    return config.resolve(folder, listener.certificate), config.secret_path(folder, listener.key)


def expiries(configuration: Configuration, offices: Offices) -> dict[str, datetime]:
    """When each certificate in use ends, by an id of ours. Blocks on files. Raises ConfigError."""
    found = {
        f"{office.tenant}/{use}/{certificate.serial_number:x}"[:SUBJECT_CHARS_MAX]: certificate.not_valid_after_utc
        for office in offices.all()
        for use, certificate in office.certificates()
    }
    for name in NAMES:
        listener: config.Listener = getattr(configuration.settings.listen, name)
        if listener.certificate is not None:
            chain = read_roots([config.resolve(configuration.folder, listener.certificate)])
            found[f"listen.{name}"] = min(one.not_valid_after_utc for one in chain)
    for name, client in clients_of(configuration).items():
        found[f"maskinporten.{name}"[:SUBJECT_CHARS_MAX]] = client.signer.key.chain[0].not_valid_after_utc
    for name, key in signing_keys(configuration).items():
        found[f"signing.{name}"[:SUBJECT_CHARS_MAX]] = key.chain[0].not_valid_after_utc
    return found
