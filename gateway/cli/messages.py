"""list, trace, and what a named person may decide."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import Connection, Row, select

from gateway.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    ConfigFile,
    Person,
    Reason,
    named,
    printable,
    show,
    show_table,
    with_environment,
)
from gateway.cli.release import held, release
from gateway.domain.lifecycle import FINAL, State
from gateway.errors import UnknownResourceError
from gateway.pipeline import retention
from gateway.pipeline.environment import Environment
from gateway.pipeline.notes import read as read_notes
from gateway.pipeline.partner_words import read_words
from gateway.pipeline.people import Decision, decide
from gateway.pipeline.texts import STATES
from gateway.store import journal, messages, turns
from gateway.store.tables import message_state, queue_item

MessageId = Annotated[str, typer.Argument(help="The message's id, as `list` shows it.")]
_VERBS = {
    "hold": "Stop a message until somebody releases it.",
    "accept": "Offer a quarantined report as it is, with its warning.",
    "refuse": "Refuse a held or quarantined message; its sender gets a negative receipt.",
    "withdraw": "Give up a held outgoing message.",
}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("list")(list_messages)
    app.command("trace")(trace)
    app.command("confirm")(confirm)
    app.command("shred")(shred)
    app.command("release")(release)
    for verb, text in _VERBS.items():
        app.command(verb, help=text)(_decider(verb))


def list_messages(
    config_file: ConfigFile = DEFAULT_CONFIG,
    state: Annotated[State | None, typer.Option(help="Only this state; without it, all that are not finished.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Only this office, as 4601-02.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 100,
    as_json: AsJson = False,
) -> None:
    """List messages: of each sender, state and cause the oldest first, in turns. Shows no names and no content."""
    states = [state.value] if state is not None else [each.value for each in State if each not in FINAL]

    async def run(env: Environment) -> tuple[list[dict[str, Any]], int]:
        rows, count = await env.store.read(lambda conn: turns.messages(conn, states, tenant=tenant, limit=limit))
        return [_listed(row) for row in rows], count

    rows, count = with_environment(config_file, run)
    show_table(rows, as_json=as_json, empty="nothing waits", count=count)


def _listed(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.message_id,
        "tenant": row.tenant,
        "type": row.type,
        "state": row.state,
        "means": STATES[row.state],
        "arrived": journal.rfc3339(row.arrived_at),
        "cause": row.cause,
    }


def trace(
    message_id: MessageId,
    config_file: ConfigFile = DEFAULT_CONFIG,
    notes: Annotated[
        bool, typer.Option("--notes", help="Show what people wrote about it, too; needs --person.")
    ] = False,
    words: Annotated[
        Path | None, typer.Option("--words", help="Write what partners signed of it to this folder; needs --person.")
    ] = None,
    person: Annotated[str, typer.Option("--person", help="Who reads notes or words: it stands in the journal.")] = "",
    as_json: AsJson = False,
) -> None:
    """Everything that happened to one message, from the journal, and what is still owed."""
    if words is not None:
        named(person)

    async def run(env: Environment) -> dict[str, Any]:
        found = await env.store.read(lambda conn: _traced(conn, message_id))
        if notes:
            found["notes"] = [
                {"at": journal.rfc3339(note.at), "actor": note.actor, "about": note.kind, "text": note.text}
                for note in await read_notes(env, message_id, person)
            ]
        if words is not None:
            found["words"] = _write_words(words, await read_words(env, message_id, person))
        return found

    found = with_environment(config_file, run)
    show(found, as_json=True) if as_json else _print_trace(found)


def _traced(conn: Connection, message_id: str) -> dict[str, Any]:
    state = conn.execute(select(message_state).where(message_state.c.message_id == message_id)).one_or_none()
    if state is None:
        detail = "no message has this id"
        raise UnknownResourceError(detail)
    owed = conn.execute(select(queue_item).where(queue_item.c.message_id == message_id))
    return {
        "id": message_id,
        "tenant": state.tenant,
        "type": state.type,
        "state": state.state,
        "means": STATES[state.state],
        "hold": asdict(hold) if (hold := held(conn, message_id)) is not None else None,
        "events": [json.loads(row.entry) for row in journal.of_message(conn, message_id)],
        "history": [
            {"at": journal.rfc3339(row.at), "status": row.status} for row in messages.all_history(conn, message_id)
        ],
        "warnings": [{"code": row.code, "detail": row.detail} for row in messages.warnings(conn, message_id)],
        "owed": [{"effect": row.effect, "attempt": row.attempt, "parked": row.parked} for row in owed],
    }


def _write_words(folder: Path, words: Mapping[str, bytes]) -> list[str]:
    """Each piece in a file of its own that only its owner reads. Returns their names."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    written: list[str] = []
    for name, piece in words.items():
        file = folder / f"{name.replace(':', '-')}"
        file.unlink(missing_ok=True)
        file.touch(mode=0o600, exist_ok=False)
        file.write_bytes(piece)
        written.append(str(file))
    return written


def _print_trace(found: dict[str, Any]) -> None:
    print(f"{found['id']}  {found['type']}  {found['tenant']}\n{found['state']}: {found['means']}\n")
    if (hold := found["hold"]) is not None:
        print(f"{hold['cause']} (released by {hold['persons']} of {hold['needed']}):\n{hold['text']}\n")
    rows = [
        {"at": event["at"], "event": event["event"], "actor": event["actor"], "code": event["code"]}
        for event in found["events"]
    ]
    show_table(rows, as_json=False, empty="no events")
    for warning in found["warnings"]:
        print(f"warning: {warning['code']} {warning['detail']}".rstrip())
    for owed in found["owed"]:
        parked = f", parked: {owed['parked']}" if owed["parked"] else ""
        print(f"owed: {owed['effect']} (attempt {owed['attempt']}{parked})")
    for file in found.get("words", []):
        print(f"signed by a partner: {file}")
    for note in found.get("notes", []):
        print(f"\n{note['at']}  {note['actor']} about {note['about']}:\n{printable(note['text'])}")


def confirm(
    message_id: MessageId,
    reference: Annotated[str, typer.Option(help="Where the report is registered.")],
    person: Person,
    reason: Reason,
    config_file: ConfigFile = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Confirm by hand: the report was registered otherwise, and the sender may be told so."""
    _decide(config_file, message_id, Decision("confirm", person, reason, reference), as_json=as_json)


def shred(
    message_id: MessageId,
    person: Person,
    second: Annotated[str, typer.Option("--second", callback=named, help="The other person: two must agree.")],
    decision: Annotated[str, typer.Option("--decision", help="The archive's number of their decision, as 2026/123.")],
    config_file: ConfigFile = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Delete the content of one finished message for ever; what the journal proves of it stays."""

    async def run(env: Environment) -> None:
        await retention.shred(env, message_id, (person, second), decision)

    with_environment(config_file, run)
    show({"id": message_id, "shredded": True}, as_json=as_json, line=f"{message_id}: the content is gone for ever")


def _decider(verb: str) -> Any:
    def command(
        message_id: MessageId,
        person: Person,
        reason: Reason,
        config_file: ConfigFile = DEFAULT_CONFIG,
        as_json: AsJson = False,
    ) -> None:
        _decide(config_file, message_id, Decision(verb, person, reason), as_json=as_json)

    return command


def _decide(config_file: Any, message_id: str, decision: Decision, *, as_json: bool) -> None:
    async def run(env: Environment) -> State:
        return await decide(env, message_id, decision)

    state = with_environment(config_file, run)
    show(
        {"id": message_id, "state": state.value}, as_json=as_json, line=f"{message_id} is now {state}: {STATES[state]}"
    )
