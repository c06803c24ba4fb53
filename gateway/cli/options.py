"""Options that several commands share, and how results are printed."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from gateway import config
from gateway.app import environment
from gateway.config import Configuration
from gateway.pipeline.environment import Environment

T = TypeVar("T")

ConfigFile = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="BUDSTIKKE_CONFIG", help="gateway.toml; the files beside it are read too."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text for people.")]
Person = Annotated[str, typer.Option("--person", help="Who decides: the user id that stands in the journal.")]
Reason = Annotated[str, typer.Option("--reason", help="Why. Kept as a commitment only, never in clear.")]

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


def show_table(rows: Sequence[dict[str, Any]], *, as_json: bool, empty: str) -> None:
    """Print rows as an aligned table, or as JSON."""
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


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return ", ".join(str(each) for each in value) if isinstance(value, list | tuple) else str(value)
