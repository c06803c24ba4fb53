"""keys: what we hold, how long it lasts, and a throw-away PKI to try with."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from gateway.app.parts import offices_of
from gateway.cli.options import DEFAULT_CONFIG, AsJson, ConfigFile, Person, load, show, show_table, with_environment
from gateway.errors import MalformedRequestError
from gateway.pipeline.environment import Environment
from gateway.pipeline.rewrap import rewrap

app = typer.Typer(help="Receive, print and signing keys of the offices.", no_args_is_help=True)


@app.command("list")
def list_keys(config_file: ConfigFile = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Every key in use, with the days its certificate has left."""
    now = datetime.now(UTC)
    rows = []
    for office in offices_of(load(config_file)).all():
        for use, certificate in office.certificates():
            rows.append(
                {
                    "office": str(office.tenant),
                    "use": use,
                    "serial": str(certificate.serial_number),
                    "subject": certificate.subject.rfc4514_string(),
                    "until": certificate.not_valid_after_utc.date().isoformat(),
                    "days_left": (certificate.not_valid_after_utc - now).days,
                }
            )
    show_table(rows, as_json=as_json, empty="no key is configured")


@app.command("make-test")
def make_test(
    folder: Annotated[Path, typer.Argument(help="A folder that does not exist yet.")], as_json: AsJson = False
) -> None:
    """Make throw-away keys for trying things out: never for production, which refuses them."""
    from gateway.testing.site import write_keys  # noqa: PLC0415  throw-away keys have no import in production (S86)

    if folder.exists():
        detail = "the folder is there already; name a new one"
        raise MalformedRequestError(detail)
    write_keys(folder)
    names = sorted(path.name for path in folder.iterdir())
    show({"folder": str(folder), "files": names}, as_json=as_json, line=f"made {', '.join(names)} in {folder}")


@app.command("rewrap")
def rewrap_keys(person: Person, config_file: ConfigFile = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Wrap all data keys with the current key-encryption key, so that the earlier one can be destroyed."""

    async def run(env: Environment) -> int:
        return await rewrap(env, person)

    count = with_environment(config_file, run)
    show({"rewrapped": count}, as_json=as_json, line=f"{count} keys wrapped anew; nothing hangs on the earlier key now")
