"""release: a named person lets a held message go."""

from typing import Annotated

import typer
from sqlalchemy import Connection

from gateway.cli.options import DEFAULT_CONFIG, AsJson, ConfigFile, Person, Reason, show, with_environment
from gateway.domain.lifecycle import State
from gateway.domain.message_type import Direction
from gateway.pipeline.environment import Environment
from gateway.pipeline.people import Decision, decide
from gateway.pipeline.release import Hold, hold_of
from gateway.pipeline.texts import STATES
from gateway.store.database import row_by
from gateway.store.tables import message_state


def release(
    message_id: Annotated[str, typer.Argument(help="The message's id, as `list` shows it.")],
    person: Person,
    reason: Reason,
    road: Annotated[
        str | None, typer.Option("--road", help="The road that it is to take, as routes.toml has it: digipost:post.")
    ] = None,
    config_file: ConfigFile = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Let a held or quarantined message go on: one that came is opened again, the rules are asked again for one that goes out.

    Some stops need several people; each of them says so with this command. Paper is only ever taken by a release.
    """

    async def run(env: Environment) -> tuple[State, Hold | None, Hold | None]:
        before = await env.store.read(lambda conn: held(conn, message_id))
        state = await decide(env, message_id, Decision("release", person, reason, road=road))
        return state, before, await env.store.read(lambda conn: held(conn, message_id))

    state, before, hold = with_environment(config_file, run)
    missing = hold.missing if hold is not None else 0
    lines = [f"{message_id} is now {state}: {STATES[state]}"]
    if hold is not None and missing:
        lines += [f"{missing} more must release it: {hold.cause}", hold.text]
    elif before is not None and not before.needed and road is None:
        lines += [f"nobody can release {before.cause}: it is held again unless the facts have changed", before.text]
    show({"id": message_id, "state": state.value, "missing": missing}, as_json=as_json, line="\n".join(lines))


def held(conn: Connection, message_id: str) -> Hold | None:
    """Why a message that goes out is held; None for any other."""
    state = row_by(conn, message_state, message_id=message_id)
    if state is None or state.direction != Direction.OUT or state.state != State.HELD:
        return None
    return hold_of(conn, message_id, str(state.cause or ""))
