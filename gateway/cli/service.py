"""run, migrate, check-config, demo: starting and preparing."""

import asyncio
import json
import signal
import ssl
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import aiohttp
import typer

from gateway import config
from gateway.app import running
from gateway.app.parts import adapter_entry_points, adapter_settings, catalogue_of, data_dir, offices_of
from gateway.cli.options import DEFAULT_CONFIG, AsJson, ConfigFile, load, show
from gateway.cli.workers import run_workers
from gateway.config import Configuration
from gateway.demo import demonstrate
from gateway.errors import ConfigError
from gateway.http.tls import pinned_context
from gateway.observability import logging
from gateway.store import migrate, opening


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("run")(run)
    app.command("migrate")(migrate_store)
    app.command("check-config")(check_config)
    app.command("demo")(demo)
    app.command("health")(health)


def run(
    config_file: ConfigFile = DEFAULT_CONFIG,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes that share ports and store.")] = 1,
) -> None:
    """Run the gateway until it is told to stop (SIGTERM or SIGINT)."""
    logging.configure()
    configuration = load(config_file)
    _require_sound(configuration)
    if workers > 1:
        raise typer.Exit(run_workers(configuration, config_file, workers))
    asyncio.run(_serve(configuration))


async def _serve(configuration: Configuration) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running(configuration):
        await stop.wait()


def migrate_store(
    config_file: ConfigFile = DEFAULT_CONFIG,
    create: Annotated[bool, typer.Option("--create", help="Make the database; refused when there is one.")] = False,
    service_role: Annotated[
        str | None, typer.Option("--service-role", help="PostgreSQL: the role that the service logs in as.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make the database, or bring it to this program's schema."""
    configuration = load(config_file)
    folder = data_dir(configuration)
    asyncio.run(opening.migrate_store(configuration, folder, origin="budstikke", create=create, role=service_role))
    done = "made" if create else "up to date"
    show({"schema": migrate.HEAD}, as_json=as_json, line=f"{done}, schema {migrate.HEAD}")


def check_config(config_file: ConfigFile = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Check everything at once and print the configuration in force. Secrets are shown as references only."""
    configuration = load(config_file)
    _require_sound(configuration)
    effective: dict[str, Any] = {
        "settings": json.loads(configuration.settings.model_dump_json()),
        "tenants": {name: json.loads(tenant.model_dump_json()) for name, tenant in configuration.tenants.items()},
        "adapters": {
            name: {
                "origin": entry.dist.name if entry.dist else "?",
                "version": entry.dist.version if entry.dist else "?",
            }
            for name, entry in adapter_entry_points().items()
        },
    }
    show(effective, as_json=True) if as_json else print("the configuration is sound")


def faults_of(configuration: Configuration) -> list[str]:
    """Every fault that can be found without connecting anywhere."""
    faults: list[str] = []
    checks: list[Callable[[], object]] = [partial(offices_of, configuration), partial(catalogue_of, configuration)]
    checks += [partial(adapter_settings, configuration, name) for name in configuration.settings.adapters]
    for check in checks:
        try:
            check()
        except ConfigError as error:
            faults.extend(error.faults)
    if not configuration.tenants:
        faults.append("tenants/: no municipality is configured")
    if configuration.settings.mode == "production":
        faults.extend(_production_faults(configuration))
    faults.extend(_secret_faults(configuration))
    return faults


def _production_faults(configuration: Configuration) -> list[str]:
    settings = configuration.settings
    faults = [
        f"issuers: {issuer.issuer} has no audience (S04)" for issuer in settings.issuers if issuer.audience is None
    ]
    faults += [
        f"issuers: {issuer.issuer} is a test issuer (S05)"
        for issuer in settings.issuers
        if not issuer.issuer.startswith("https://") or "test." in issuer.issuer or "localhost" in issuer.issuer
    ]
    if "loopback" in settings.adapters:
        faults.append("adapters: loopback is for tests only (S86)")
    if settings.operations_token is None:
        faults.append("operations_token: production needs one (S76)")
    return faults


def _secret_faults(configuration: Configuration) -> list[str]:
    if configuration.settings.mode != "production":
        return []
    dumped = json.dumps([tenant.model_dump(mode="json") for tenant in configuration.tenants.values()])
    return ["env: secrets are for demo and tests only"] if '"env:' in dumped else []


def _require_sound(configuration: Configuration) -> None:
    if faults := faults_of(configuration):
        raise ConfigError(*faults)


def demo(
    stay: Annotated[bool, typer.Option("--stay", help="Leave everything running until Ctrl-C.")] = False,
) -> None:
    """Send reports through a gateway that is killed on the way; needs nothing but this program."""
    if not asyncio.run(demonstrate(stay=stay)):
        raise typer.Exit(1)


def health(config_file: ConfigFile = DEFAULT_CONFIG) -> None:
    """Ask the running gateway whether it is ready; exit code 1 when it is not. For a container's health check."""
    if not asyncio.run(_ready(load(config_file))):
        raise typer.Exit(1)
    print("ready")


async def _ready(configuration: Configuration) -> bool:
    """Over the operations listener, trusting exactly the certificate that stands in the configuration."""
    listener = configuration.settings.listen.operations
    scheme, tls = "http", ssl.create_default_context()
    if listener.certificate is not None:
        scheme, tls = "https", pinned_context(config.resolve(configuration.folder, listener.certificate))
    token = configuration.settings.operations_token
    headers = {"Authorization": f"Bearer {config.read_secret(configuration.folder, token).decode()}"} if token else {}
    timeout = aiohttp.ClientTimeout(total=4)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=False) as session,
            session.get(f"{scheme}://localhost:{listener.port}/health/ready", headers=headers, ssl=tls) as answer,
        ):
            return answer.ok
    except aiohttp.ClientError:
        return False
