"""simulate: partners as programs, for those who have no account or certificate yet."""

import asyncio
import tomllib
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from pydantic import BaseModel, ValidationError

from gateway.errors import ConfigError

app = typer.Typer(help="Partners as honest programs with fault switches.", no_args_is_help=True)

Model = TypeVar("Model", bound=BaseModel)
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


@app.command("fiks")
def fiks(settings: Settings) -> None:
    """Be Fiks, its RabbitMQ and the national portal included, until stopped."""
    from gateway.simulators.fiks.program import FiksProgram, run_fiks  # noqa: PLC0415  as below

    asyncio.run(run_fiks(_read(FiksProgram, settings), settings.resolve().parent, partial(print, flush=True)))


@app.command("digipost")
def digipost(settings: Settings) -> None:
    """Be Digipost for those who send letters, with people of every kind, until stopped."""
    from gateway.simulators.digipost.program import DigipostProgram, run_digipost  # noqa: PLC0415  as below

    asyncio.run(run_digipost(_read(DigipostProgram, settings), settings.resolve().parent, partial(print, flush=True)))


@app.command("krr")
def krr(settings: Settings) -> None:
    """Be the contact and reservation register, tokens included, until stopped."""
    from gateway.simulators.registers.krr import KrrServer  # noqa: PLC0415  as below
    from gateway.simulators.registers.program import RegisterProgram, run_register  # noqa: PLC0415  as below

    program = _read(RegisterProgram, settings)
    asyncio.run(run_register(KrrServer, program, settings.resolve().parent, partial(print, flush=True)))


@app.command("freg")
def freg(settings: Settings) -> None:
    """Be Folkeregisteret for those who ask about standing, name and grading, tokens included, until stopped."""
    from gateway.simulators.registers.freg import FregServer  # noqa: PLC0415  as below
    from gateway.simulators.registers.program import RegisterProgram, run_register  # noqa: PLC0415  as below

    program = _read(RegisterProgram, settings)
    asyncio.run(run_register(FregServer, program, settings.resolve().parent, partial(print, flush=True)))


def _run(kind: str, settings: Path) -> None:
    from gateway.simulators import programs  # noqa: PLC0415  simulators have no import in production (S86)

    kinds: dict[str, type[programs.Program]] = {
        "issuer": programs.IssuerProgram,
        "produsent": programs.ProdusentProgram,
        "case-system": programs.CaseSystemProgram,
    }
    try:
        done = asyncio.run(programs.main(_read(kinds[kind], settings), settings.resolve().parent, print))
    except KeyboardInterrupt:
        return
    if not done:
        raise typer.Exit(1)


def _read(kind: type[Model], settings: Path) -> Model:
    try:
        return kind.model_validate(tomllib.loads(settings.read_text(encoding="utf-8")))
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        raise ConfigError(*(f"{settings.name}: {fault['loc']}: {fault['msg']}" for fault in faults)) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        message = f"{settings.name}: it cannot be read as TOML"
        raise ConfigError(message) from error
