"""alarms: what asks for a person."""

from typing import Annotated, Any

import typer
from sqlalchemy import Row

from gateway.cli.options import DEFAULT_CONFIG, AsJson, ConfigFile, Person, show, show_table, with_environment
from gateway.crashpoints import Point
from gateway.errors import UnknownResourceError
from gateway.pipeline.environment import Environment
from gateway.store import alarms, journal, turns

app = typer.Typer(help="What asks for a person; each code has a runbook in docs/operations.", no_args_is_help=True)

AlarmId = Annotated[int, typer.Argument(help="The alarm's number, as `alarms list` shows it.")]


@app.command("list")
def list_alarms(
    config_file: ConfigFile = DEFAULT_CONFIG,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 100,
    as_json: AsJson = False,
) -> None:
    """Open alarms, the gravest first: of each code, level and sender the oldest, in turns."""

    async def run(env: Environment) -> tuple[list[dict[str, Any]], int]:
        rows, count = await env.store.read(lambda conn: turns.alarms(conn, limit=limit))
        return [_listed(row) for row in rows], count

    rows, count = with_environment(config_file, run)
    show_table(rows, as_json=as_json, empty="no alarm is open", count=count)


def _listed(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "level": row.level,
        "code": row.code,
        "subject": row.subject,
        "opened": journal.rfc3339(row.opened_at),
        "seen_by": row.seen_by,
    }


@app.command("seen")
def seen(alarm_id: AlarmId, person: Person, config_file: ConfigFile = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Say that you have seen it; it stays open."""

    async def run(env: Environment) -> bool:
        now = env.now()
        return await env.store.write(lambda conn: alarms.see(conn, alarm_id, at=now, actor=person), Point.PERSON)

    _done(with_environment(config_file, run), alarm_id, "seen", as_json=as_json)


@app.command("close")
def close(alarm_id: AlarmId, person: Person, config_file: ConfigFile = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Close it: what it asked for is done."""

    async def run(env: Environment) -> bool:
        now = env.now()
        return await env.store.write(lambda conn: alarms.close_id(conn, alarm_id, at=now, actor=person), Point.PERSON)

    _done(with_environment(config_file, run), alarm_id, "closed", as_json=as_json)


def _done(changed: bool, alarm_id: int, what: str, *, as_json: bool) -> None:  # noqa: FBT001  a result, not a switch
    if not changed:
        detail = "no open alarm has this number"
        raise UnknownResourceError(detail)
    show({"id": alarm_id, "state": what}, as_json=as_json, line=f"alarm {alarm_id} is {what}")
