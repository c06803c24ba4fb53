"""simulate: partners as programs, for those who have no account or certificate yet."""

import asyncio
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError

from gateway.errors import ConfigError

if TYPE_CHECKING:
    from gateway.simulators.programs import Program

app = typer.Typer(help="Partners as honest programs with fault switches.", no_args_is_help=True)

Settings = Annotated[
    Path, typer.Argument(help="A TOML file; its keys are described in docs/operations. Paths count from its folder.")
]


@app.command("issuer")
def issuer(settings: Settings) -> None:
    """Issue access tokens by checked grants, as Maskinporten does, until stopped."""
    _run("issuer", settings)


@app.command("produsent")
def produsent(settings: Settings) -> None:
    """Seal and send concern reports as KS's producer client does, and follow each until it is delivered."""
    _run("produsent", settings)


@app.command("case-system")
def case_system(settings: Settings) -> None:
    """Claim, store, read back and confirm, as a vendor's side should, until stopped."""
    _run("case-system", settings)


def _run(kind: str, settings: Path) -> None:
    from gateway.simulators.programs import main  # noqa: PLC0415  simulators have no import in production (S86)

    try:
        done = asyncio.run(main(_read(kind, settings), settings.resolve().parent, print))
    except KeyboardInterrupt:
        return
    if not done:
        raise typer.Exit(1)


def _read(kind: str, settings: Path) -> "Program":
    from gateway.simulators import programs  # noqa: PLC0415  as above

    kinds: dict[str, type[Program]] = {
        "issuer": programs.IssuerProgram,
        "produsent": programs.ProdusentProgram,
        "case-system": programs.CaseSystemProgram,
    }
    try:
        return kinds[kind].model_validate(tomllib.loads(settings.read_text(encoding="utf-8")))
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        raise ConfigError(*(f"{settings.name}: {fault['loc']}: {fault['msg']}" for fault in faults)) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        message = f"{settings.name}: it cannot be read as TOML"
        raise ConfigError(message) from error
