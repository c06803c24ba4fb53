"""check-host: what the machine lacks before it may hold reports about children."""

import typer

from gateway.app.host_check import Host, findings
from gateway.cli.options import DEFAULT_CONFIG, AsJson, ConfigFile, load, show_table


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("check-host")(check_host)


def check_host(config_file: ConfigFile = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Look at swap, cores, clock, disk, mounts, modes, limits and OpenSSL; exit code 1 when production would ring.

    Run it as the service runs: with its user, its limits and its mounts.
    """
    found = findings(Host.under(load(config_file)))
    rows = [{"code": one.code.value, "serious": one.serious, "seen": one.seen, "remedy": one.remedy} for one in found]
    show_table(rows, as_json=as_json, empty="the host is sound")
    if any(one.serious for one in found):
        raise typer.Exit(1)
