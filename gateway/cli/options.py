"""Options that several commands share, and how results are printed."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from gateway import config, limits
from gateway.app import environment
from gateway.config import Configuration
from gateway.domain.identifiers import is_user_id
from gateway.errors import MalformedRequestError
from gateway.pipeline.environment import Environment

T = TypeVar("T")


def named(person: str) -> str:
    """Whoever decides has an id that the journal can hold. Raises MalformedRequestError."""
    if not is_user_id(person):
        detail = (
            f"--person is a user id of at most {limits.PERSON_CHARS_MAX} characters, without blanks around it, and no "
            "identity number: the journal is kept for ever"
        )
        raise MalformedRequestError(detail)
    return person


ConfigFile = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="BUDSTIKKE_CONFIG", help="gateway.toml; the files beside it are read too."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text for people.")]
Person = Annotated[
    str, typer.Option("--person", callback=named, help="Who decides: the user id that stands in the journal.")
]
Reason = Annotated[
    str, typer.Option("--reason", help="Why. Kept sealed with the message; the journal holds a commitment only.")
]

DEFAULT_CONFIG = Path("config/gateway.toml")


def with_environment(file: Path, work: Callable[[Environment], Awaitable[T]]) -> T:
    """Run one thing against the store of a configuration."""

    async def run() -> T:
        async with environment(config.load(file)) as env:
            return await work(env)

    return asyncio.run(run())


def load(file: Path) -> Configuration:
    """The configuration, shapes checked."""
    return config.load(file)


def show(result: Any, *, as_json: bool, line: str | None = None) -> None:
    """Print one result."""
    if as_json:
        print(json.dumps(result, ensure_ascii=False, indent=2))
    else:
        print(line if line is not None else result)


def printable(text: str) -> str:
    """Text from outside for a terminal: what steers it, or turns the reading order, is written as an escape."""
    return "".join(sign if sign == "\n" or sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def show_table(rows: Sequence[dict[str, Any]], *, as_json: bool, empty: str, count: int = 0) -> None:
    """Print rows as an aligned table, or as JSON. ``count``: how many there are in all, where these are the first."""
    if as_json:
        print(json.dumps(list(rows), ensure_ascii=False, indent=2))
        return
    if not rows:
        print(empty)
        return
    names = list(rows[0])
    cells = [names, *[[_cell(row[name]) for name in names] for row in rows]]
    widths = [max(len(line[column]) for line in cells) for column in range(len(names))]
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    if count > len(rows):
        print(f"{len(rows)} of {count}; --limit shows more")


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return printable(", ".join(str(each) for each in value) if isinstance(value, list | tuple) else str(value))
