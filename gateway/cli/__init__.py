"""The command ``budstikke``. Every command says what it did in one line, or as JSON with ``--json``.

Exit codes: 0 done, 1 refused (the reason is printed), 2 the configuration or the command line is wrong.
"""

import sys
from collections.abc import Sequence

import typer

from gateway.app.host import harden
from gateway.cli import (
    adapters,
    alarms,
    backup,
    check_host,
    check_log,
    clients,
    evidence,
    keys,
    ledger,
    messages,
    preflight,
    register,
    service,
    simulate,
)
from gateway.errors import ConfigError, GatewayError, RequestError
from gateway.observability import logging

app = typer.Typer(name="budstikke", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
service.register(app)
check_host.register(app)
messages.register(app)
register.register(app)
evidence.register(app)
check_log.register(app)
ledger.register(app)
backup.register(app)
adapters.register(app)
preflight.register(app)
app.add_typer(alarms.app, name="alarms")
app.add_typer(clients.app, name="clients")
app.add_typer(keys.app, name="keys")
app.add_typer(simulate.app, name="simulate")


@app.callback()
def begin() -> None:
    """Budstikke: a secure message gateway for Norwegian municipal child welfare."""
    logging.configure("stderr")  # so that the result stands alone on standard output; ``run`` says otherwise


def main() -> None:
    """Run the command line of this process."""
    harden()
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command; gives its exit code. Our own errors become one line each, never a traceback."""
    try:
        app(args=list(arguments), prog_name="budstikke")
    except SystemExit as end:
        return int(end.code or 0)
    except ConfigError as error:
        for fault in error.faults:
            print(f"configuration: {fault}", file=sys.stderr)
        return 2
    except RequestError as error:
        print(f"{error.instance_code}: {error.detail}", file=sys.stderr)
    except GatewayError as error:
        print(f"{error.code}: {error}", file=sys.stderr)
    return 1
