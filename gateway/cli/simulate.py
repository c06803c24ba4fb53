"""simulate: partners as programs, for those who have no account or certificate yet."""

import asyncio
import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from pydantic import BaseModel, ValidationError

from gateway.cli.options import AsJson
from gateway.errors import ConfigError

app = typer.Typer(help="Partners as honest programs with fault switches.", no_args_is_help=True)

Model = TypeVar("Model", bound=BaseModel)
Settings = Annotated[
    Path, typer.Argument(help="A TOML file; its keys are described in docs/operations. Paths count from its folder.")
]


@app.command("issuer")
def issuer(settings: Settings, as_json: AsJson = False) -> None:
    """Issue access tokens by checked grants, as Maskinporten does, until stopped."""
    _run("issuer", settings, as_json=as_json)


@app.command("produsent")
def produsent(settings: Settings, as_json: AsJson = False) -> None:
    """Seal and send concern reports as KS's producer client does, and follow each until it is delivered."""
    _run("produsent", settings, as_json=as_json)


@app.command("case-system")
def case_system(settings: Settings, as_json: AsJson = False) -> None:
    """Claim, store, read back and confirm, as a vendor's side should, until stopped."""
    _run("case-system", settings, as_json=as_json)


@app.command("fiks")
def fiks(settings: Settings, as_json: AsJson = False) -> None:
    """Be Fiks, its RabbitMQ and the national portal included, until stopped."""
    from gateway.simulators.fiks.program import FiksProgram, run_fiks  # noqa: PLC0415  as below

    asyncio.run(run_fiks(_read(FiksProgram, settings), settings.resolve().parent, _teller(as_json=as_json)))


@app.command("digipost")
def digipost(settings: Settings, as_json: AsJson = False) -> None:
    """Be Digipost for those who send letters, with people of every kind, until stopped."""
    from gateway.simulators.digipost.program import DigipostProgram, run_digipost  # noqa: PLC0415  as below

    asyncio.run(run_digipost(_read(DigipostProgram, settings), settings.resolve().parent, _teller(as_json=as_json)))


@app.command("svarut")
def svarut(settings: Settings, as_json: AsJson = False) -> None:
    """Be SvarUt for those who send letters, tokens included, until stopped."""
    from gateway.simulators.svarut.program import SvarUtProgram, run_svarut  # noqa: PLC0415  as below

    asyncio.run(run_svarut(_read(SvarUtProgram, settings), settings.resolve().parent, _teller(as_json=as_json)))


@app.command("krr")
def krr(settings: Settings, as_json: AsJson = False) -> None:
    """Be the contact and reservation register, tokens included, until stopped."""
    from gateway.simulators.registers.krr import KrrServer  # noqa: PLC0415  as below
    from gateway.simulators.registers.program import RegisterProgram, run_register  # noqa: PLC0415  as below

    program = _read(RegisterProgram, settings)
    asyncio.run(run_register(KrrServer, program, settings.resolve().parent, _teller(as_json=as_json)))


@app.command("freg")
def freg(settings: Settings, as_json: AsJson = False) -> None:
    """Be Folkeregisteret for those who ask about standing, name and grading, tokens included, until stopped."""
    from gateway.simulators.registers.freg import FregServer  # noqa: PLC0415  as below
    from gateway.simulators.registers.program import RegisterProgram, run_register  # noqa: PLC0415  as below

    program = _read(RegisterProgram, settings)
    asyncio.run(run_register(FregServer, program, settings.resolve().parent, _teller(as_json=as_json)))


def _run(kind: str, settings: Path, *, as_json: bool) -> None:
    from gateway.simulators import programs  # noqa: PLC0415  simulators have no import in production (S86)

    kinds: dict[str, type[programs.Program]] = {
        "issuer": programs.IssuerProgram,
        "produsent": programs.ProdusentProgram,
        "case-system": programs.CaseSystemProgram,
    }
    try:
        done = asyncio.run(
            programs.main(_read(kinds[kind], settings), settings.resolve().parent, _teller(as_json=as_json))
        )
    except KeyboardInterrupt:
        return
    if not done:
        raise typer.Exit(1)


def _teller(*, as_json: bool) -> Callable[..., None]:
    """How a program tells what it does: a line of text, or a line of JSON with the same text and what is in it."""

    def tell(text: str, **facts: str | int | None) -> None:
        print(json.dumps({"told": text, **facts}, ensure_ascii=False) if as_json else text, flush=True)

    return tell


def _read(kind: type[Model], settings: Path) -> Model:
    try:
        return kind.model_validate(tomllib.loads(settings.read_text(encoding="utf-8")))
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        raise ConfigError(*(f"{settings.name}: {fault['loc']}: {fault['msg']}" for fault in faults)) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        message = f"{settings.name}: it cannot be read as TOML"
        raise ConfigError(message) from error
