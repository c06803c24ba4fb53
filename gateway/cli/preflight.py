"""preflight: what is wrong with a letter's PDFs for a road, and what the letter would cost. Nothing is sent or stored."""

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.options import DEFAULT_CONFIG, AsJson, ConfigFile, load, printable, show
from gateway.config import Brev
from gateway.domain.routing import Road
from gateway.errors import MalformedRequestError
from gateway.letters.inspection import PDF, Inspected, Source, inspect
from gateway.letters.preflight import Fault, faults
from gateway.letters.price import Price, price
from gateway.letters.reader import Reader
from gateway.letters.screening import Known
from gateway.pipeline.hold_places import find, named
from gateway.pipeline.texts import told

Files = Annotated[list[Path], typer.Argument(help="The letter first, then what is attached to it.")]
RoadName = Annotated[str, typer.Option("--road", help="As routes.toml names it, e.g. digipost:post for paper.")]
Registered = Annotated[bool, typer.Option("--registered", help="As a registered letter: for the price.")]

_UNKNOWN = "application/octet-stream"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("preflight")(preflight)


def preflight(
    files: Files,
    road: RoadName = "digipost:fodselsnummer",
    registered: Registered = False,
    config_file: ConfigFile = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Look at PDFs as the gateway does before it sends them; exit code 1 when something keeps them here.

    Whom a letter is for is not known here: rules, and names in a file's properties, are for the sending itself.
    """
    way = Road.parse(road)
    if way is None or not way.letter:
        detail = f"--road: {road!r} leads to no person; e.g. digipost:fodselsnummer or digipost:post"
        raise MalformedRequestError(detail)
    brev = load(config_file).brev
    seen = _look(files, brev)
    found = faults(seen, way, brev)
    cost = price(seen, brev.priser, on_paper=way.on_paper, registered=registered)
    held = [_held(code, seen, found) for code in dict.fromkeys(fault.code for fault in found)]
    show(_told(seen, held, cost), as_json=as_json, line="\n".join([*map(_line, held), _cost_line(cost)]))
    if found:
        raise typer.Exit(1)


def _look(files: list[Path], brev: Brev) -> tuple[Inspected, ...]:
    reader = Reader(brev.vindu)
    try:
        return inspect(reader, [_source(file) for file in files], Known(telling_words=brev.ord_som_roper))
    except OSError as error:
        detail = f"{error.filename}: {error.strerror}"
        raise MalformedRequestError(detail) from error
    finally:
        reader.close()


def _source(file: Path) -> Source:
    media_type = PDF if file.suffix.lower() == ".pdf" else _UNKNOWN
    return Source(file.name, media_type, file.stat().st_size, partial(_pieces, file))


def _pieces(file: Path) -> list[bytes]:
    return [file.read_bytes()]


def _held(code: str, seen: tuple[Inspected, ...], found: tuple[Fault, ...]) -> dict[str, Any]:
    """As a letter's hold tells it, with the names of the files, and what fonts, version or numbers it is about."""
    places = named(find(code, found, seen), [one.name for one in seen])
    details = [fault.detail for fault in found if fault.code == code and fault.detail]
    return {"code": code, "text": told(code, places), "details": details, **asdict(places)}


def _line(held: dict[str, Any]) -> str:
    details = "".join(f" ({detail})" for detail in held["details"])
    return printable(f"{held['text']}{details} [{held['code']}]")


def _cost_line(cost: Price) -> str:
    sheets = f", {cost.sheets} ark{' i stor konvolutt' if cost.large_envelope else ''}" if cost.sheets else ""
    at_most = f", opptil {cost.at_most} kr hvis få store brev sendes den dagen" if cost.at_most > cost.kroner else ""
    return f"pris etter brev.toml: {cost.kroner} kr{sheets}{at_most}"


def _told(seen: tuple[Inspected, ...], held: list[dict[str, Any]], cost: Price) -> dict[str, Any]:
    return {
        "documents": [{"name": one.name, "pages": one.pages, "bytes": one.size_bytes} for one in seen],
        "faults": held,
        "price": {
            "kroner": str(cost.kroner),
            "at_most": str(cost.at_most),
            "sheets": cost.sheets,
            "large_envelope": cost.large_envelope,
        },
    }
