"""run, migrate, check-config, demo: starting and preparing."""

import asyncio
import json
import signal
import ssl
import sys
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import Annotated, Any

import aiohttp
import typer

from gateway import config
from gateway.app import Gateway, running
from gateway.app.parts import adapter_entry_points, data_dir
from gateway.cli.check import sound
from gateway.cli.options import DEFAULT_CONFIG, AsJson, ConfigFile, load, show
from gateway.cli.workers import run_workers
from gateway.config import Configuration
from gateway.errors import ConfigError
from gateway.http.tls import pinned_context
from gateway.observability import logging
from gateway.store import log, migrate, opening


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
    as_json: Annotated[bool, typer.Option("--json", help="What it prints is JSON lines in any case.")] = False,
) -> None:
    """Run the gateway until it is told to stop (SIGTERM or SIGINT)."""
    del as_json
    logging.configure("stdout")
    configuration = sound(config_file)
    if workers > 1:
        raise typer.Exit(run_workers(configuration, config_file, workers))
    asyncio.run(_serve(configuration, config_file))


async def _serve(configuration: Configuration, config_file: Path) -> None:
    """Until SIGTERM or SIGINT. SIGHUP takes renewed keys and certificates into use."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running(configuration) as gateway:
        loop.add_signal_handler(signal.SIGHUP, _renew, gateway, config_file)
        await stop.wait()


def _renew(gateway: Gateway, config_file: Path) -> None:
    try:
        gateway.renew(sound(config_file))
    except ConfigError as error:
        gateway.env.log.error("gateway.not-renewed", code=error.code, count=len(error.faults))  # noqa: TRY400  ours
        for fault in error.faults:
            print(f"configuration: {fault}", file=sys.stderr)
        return
    gateway.env.log.info("gateway.renewed")


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
    origin = log.new_origin(configuration.settings.evidence.origin)
    asyncio.run(opening.migrate_store(configuration, folder, origin=origin, create=create, role=service_role))
    done = "made" if create else "up to date"
    show({"schema": migrate.HEAD}, as_json=as_json, line=f"{done}, schema {migrate.HEAD}")


def check_config(config_file: ConfigFile = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Check everything at once and print the configuration in force. Secrets are shown as references only."""
    configuration = sound(config_file)
    named = configuration.settings.adapters
    effective: dict[str, Any] = {
        "settings": json.loads(configuration.settings.model_dump_json()),
        "tenants": {name: json.loads(tenant.model_dump_json()) for name, tenant in configuration.tenants.items()},
        "adapters": {
            name: {
                "origin": entry.dist.name if entry.dist else "?",
                "version": entry.dist.version if entry.dist else "?",
                "imported": name in named,
            }
            for name, entry in adapter_entry_points().items()
        },
    }
    show(effective, as_json=as_json, line="the configuration is sound")


def demo(
    stay: Annotated[bool, typer.Option("--stay", help="Leave everything running until Ctrl-C.")] = False,
    fiks: Annotated[
        bool, typer.Option("--fiks", help="Over Fiks IO; needs RabbitMQ (Debian's rabbitmq-server).")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Send reports through a gateway that is killed on the way, and letters out of it; needs nothing but this program."""
    from gateway.demo import demonstrate  # noqa: PLC0415  simulators have no import in production (S86)
    from gateway.demo.fiks import demonstrate_fiks  # noqa: PLC0415  likewise

    with redirect_stdout(sys.stderr) if as_json else nullcontext():
        outcome = asyncio.run(demonstrate_fiks() if fiks else demonstrate(stay=stay))
    if as_json:
        show(outcome.as_json(), as_json=True)
    if not outcome.holds:
        raise typer.Exit(1)


def health(config_file: ConfigFile = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Ask the running gateway whether it is ready; exit code 1 when it is not. For a container's health check."""
    ready = asyncio.run(_ready(load(config_file)))
    show({"ready": ready}, as_json=as_json, line="ready" if ready else "not ready")
    if not ready:
        raise typer.Exit(1)


async def _ready(configuration: Configuration) -> bool:
    """Over the operations listener, trusting exactly the certificate that stands in the configuration."""
    listener = configuration.settings.listen.operations
    scheme, tls = "http", ssl.create_default_context()
    if listener.certificate is not None:
        scheme, tls = "https", pinned_context(config.resolve(configuration.folder, listener.certificate))
    token = configuration.settings.operations_token
    headers = {"Authorization": f"Bearer {config.read_secret(configuration.folder, token).decode()}"} if token else {}
    headers |= {"Host": listener.names[0]} if listener.names else {}
    timeout = aiohttp.ClientTimeout(total=4)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=False) as session,
            session.get(f"{scheme}://localhost:{listener.port}/health/ready", headers=headers, ssl=tls) as answer,
        ):
            return answer.ok
    except aiohttp.ClientError:
        return False
