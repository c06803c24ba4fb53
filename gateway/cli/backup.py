"""backup, restore, release-road and log accept-older: copies of everything, and what a person decides after one was needed."""

import asyncio
import re
import sys
from contextlib import AsyncExitStack, nullcontext
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from gateway.app import environment, open_adapters
from gateway.app.backup import place_of, recipient_of, signer_of, source_of
from gateway.app.calls import http_session
from gateway.app.lending import Lender
from gateway.app.parts import data_dir
from gateway.backup.accept_older import AcceptedOlder, accept_older
from gateway.backup.asking import Answers, ask_roads
from gateway.backup.make import Made, make_backup
from gateway.backup.restore import Restored, Wish, restore
from gateway.backup.seal import Opener
from gateway.backup.standstill import release_road
from gateway.cli import evidence
from gateway.cli.options import DEFAULT_CONFIG, AsJson, ConfigFile, Person, load, show, with_environment
from gateway.config import Configuration
from gateway.crypto.keys import KeyFile, read_key, read_private
from gateway.crypto.notes import NoteKey
from gateway.errors import ConfigError, GatewayError, MalformedRequestError
from gateway.pipeline.environment import Environment
from gateway.store import journal, log
from gateway.store.opening import embedded, engine_lock

_REASON: Final = re.compile(r"[a-z0-9][a-z0-9-]{2,62}")


def _word(reason: str) -> str:
    """It stands in the log for ever, readable: so it is a word and no sentence about people."""
    if not _REASON.fullmatch(reason):
        detail = "--reason is 3 to 63 small letters, digits and hyphens, as disk-lost: it stands in the log for ever"
        raise MalformedRequestError(detail)
    return reason


Word = Annotated[str, typer.Option("--reason", callback=_word, help="Why, in a word as disk-lost.")]
Passphrase = Annotated[
    Path | None,
    typer.Option("--passphrase", help="A file with the passphrase that only you may read; - is standard input."),
]
ShredListFile = Annotated[
    Path | None,
    typer.Option(
        "--shredded",
        help="The newest list of shredded messages, as published_dir had it: shredded again at once.",
    ),
]
_NO_LIST: Final = "warning: no --shredded list: what was deleted since the copy was made can be read again"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("backup")(backup_command)
    app.command("restore")(restore_command)
    app.command("ask-roads")(ask_command)
    app.command("release-road")(release_command)
    evidence.app.command("accept-older")(accept_older_command)


def backup_command(
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the backup goes; it must not be there yet.")],
    passphrase: Passphrase = None,
    config_file: ConfigFile = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Copy database and payload files into one sealed archive while the gateway runs; exit code 1 when a file is missing."""
    configuration = load(config_file)
    settings = configuration.settings
    made = asyncio.run(
        make_backup(
            source_of(configuration),
            out,
            recipient_of(configuration, _read_passphrase(passphrase)),
            signer_of(configuration, settings.evidence.origin or "backup"),
            settings.intake.disk_floor_bytes,
        )
    )
    show(_told_made(made, out), as_json=as_json, line=_made_line(made, out))
    if made.missing or made.changed:
        raise typer.Exit(1)


def _told_made(made: Made, out: Path) -> dict[str, Any]:
    return {
        "file": str(out),
        "octets": made.octets,
        "made": journal.rfc3339(made.manifest.made),
        "messages": made.manifest.messages,
        "files": made.manifest.files,
        "log": made.manifest.origin,
        "leaves": made.manifest.leaves,
        "missing": list(made.missing),
        "changed": list(made.changed),
    }


def _made_line(made: Made, out: Path) -> str:
    lines = [f"{out}: {made.octets} octets, {made.manifest.messages} messages, {made.manifest.files} payload files"]
    lines += [f"missing: {name}" for name in made.missing]
    lines += [f"of another size than its row says: {name}" for name in made.changed]
    return "\n".join(lines)


def restore_command(
    file: Annotated[Path, typer.Argument(help="The backup.")],
    person: Person,
    reason: Word,
    open_with: Annotated[
        Path | None,
        typer.Option("--open-with", help="The file of the private half with its certificate, PEM or PKCS#12."),
    ] = None,
    passphrase: Passphrase = None,
    witness: Annotated[
        Path | None,
        typer.Option("--witness", help="A witness's file with the last head it saw."),
    ] = None,
    signed_by: Annotated[
        str | None,
        typer.Option("--signed-by", help="Who signed the backup, as `log key` told it, if not today's evidence.key."),
    ] = None,
    shredded: ShredListFile = None,
    service_role: Annotated[
        str | None, typer.Option("--service-role", help="PostgreSQL: the role that the service logs in as.")
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify/--no-verify", help="Look whether entries, tree, heads and balance hold.")
    ] = True,
    ask: Annotated[bool, typer.Option("--ask/--no-ask", help="Ask partners what became of unfinished parcels.")] = True,
    config_file: ConfigFile = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Restore into an empty data_dir and database, begin a new log, stop what leaves the house; exit code 1 on any doubt."""
    configuration = load(config_file)
    _require_files(file, witness, shredded)
    origin = log.new_origin(configuration.settings.evidence.origin)
    phrase = _read_passphrase(passphrase)
    opener = Opener([read_key(KeyFile(open_with, phrase))]) if open_with else Opener(passphrase=phrase)
    wish = Wish(
        person=person,
        reason=reason,
        origin=origin,
        signer=signer_of(configuration, origin),
        key=NoteKey.parse(signed_by) if signed_by else None,
        witness=witness.read_text(encoding="utf-8", errors="replace") if witness else None,
        role=service_role,
        shredded=shredded,
        verify=verify,
    )
    restored = asyncio.run(restore(place_of(configuration), file, opener, wish))
    asked = _asked(configuration) if ask else []
    show(_told_restored(restored, origin, asked), as_json=as_json, line=_restored_line(restored, origin, asked))
    if restored.faults:
        raise typer.Exit(1)


def _require_files(*given: Path | None) -> None:
    """Raises ConfigError."""
    faults = [f"{file}: there is no such file" for file in given if file is not None and not file.is_file()]
    if faults:
        raise ConfigError(*faults)


def _asked(configuration: Configuration) -> list[Answers] | str:
    """What partners say; or why they were not asked. The restore is done all the same."""

    async def run() -> list[Answers]:
        async with AsyncExitStack() as stack:
            env = await stack.enter_async_context(environment(configuration))
            session = await stack.enter_async_context(http_session())
            await open_adapters(stack, configuration, env, Lender(configuration, env, session))
            return await ask_roads(env)

    try:
        return asyncio.run(run())
    except GatewayError as error:
        return error.code


def _told_restored(restored: Restored, origin: str, asked: list[Answers] | str) -> dict[str, Any]:
    return {
        "made": journal.rfc3339(restored.manifest.made),
        "gap_s": round(restored.gap_s),
        "signed": restored.signed,
        "closed_log": restored.manifest.origin,
        "log": origin,
        "stands_still": dict(restored.still.parked),
        "shredded_again": _told_shredded(restored),
        "asked": _told_answers(asked),
        "faults": restored.faults,
        "verdict": "doubt" if restored.faults else "holds",
    }


def _told_shredded(restored: Restored) -> dict[str, int] | None:
    if restored.listed is None:
        return None
    return {
        "listed": restored.listed,
        "shredded": restored.still.shredded,
        "unfinished": restored.still.unfinished,
    }


def _shredded_line(restored: Restored) -> str:
    if restored.listed is None:
        return _NO_LIST
    still = restored.still
    line = f"shredded again: {still.shredded} of {restored.listed} listed; the others are not in the copy or were shredded in it"
    return f"{line}\n  {still.unfinished} of them were not at their end in the copy" if still.unfinished else line


def _told_answers(asked: list[Answers] | str) -> dict[str, Any] | str:
    if isinstance(asked, str):
        return asked
    return {one.road: {**one.by_word, "taken_ids": one.taken} for one in asked}


def _answer_lines(asked: list[Answers] | str) -> list[str]:
    if isinstance(asked, str):
        return [f"no partner could be asked: {asked}"]
    lines = []
    for one in asked:
        words = ", ".join(f"{word} {count}" for word, count in sorted(one.by_word.items()))
        lines += [f"{one.road} says: {words}", *(f"  {one.road} has it already: {taken}" for taken in one.taken)]
    return lines


def _restored_line(restored: Restored, origin: str, asked: list[Answers] | str) -> str:
    made = journal.rfc3339(restored.manifest.made)
    lines = [
        f"restored as of {made}, {restored.gap_s / 60:.0f} minutes ago: what got its 201 since then is in no backup",
        f"log {restored.manifest.origin} is closed, {origin} begins",
        "the manifest is signed" if restored.signed else "the manifest's signature was not checked: no evidence.key",
        _shredded_line(restored),
        *(f"stands still: {count} on {road}" for road, count in sorted(restored.still.parked.items())),
    ]
    lines += _answer_lines(asked)
    lines += [f"doubt: {fault}" for fault in restored.faults]
    return "\n".join([*lines, "verdict: doubt" if restored.faults else "verdict: it holds"])


def ask_command(config_file: ConfigFile = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Ask partners what became of parcels that are not finished here; nothing is sent and nothing changes."""
    asked = _asked(load(config_file))
    show(_told_answers(asked), as_json=as_json, line="\n".join(_answer_lines(asked)) or "nobody is to be asked")


def release_command(
    road: Annotated[str, typer.Argument(help="The road, as the restore named it.")],
    person: Person,
    reason: Word,
    config_file: ConfigFile = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """After a restore: let what stands still on a road run again."""

    async def run(env: Environment) -> int:
        return await release_road(env, road, person, reason)

    count = with_environment(config_file, run)
    show({"road": road, "effects": count}, as_json=as_json, line=f"{road}: {count} effects run again")


def accept_older_command(
    person: Person,
    reason: Word,
    shredded: ShredListFile = None,
    config_file: ConfigFile = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Go on with a database older than the last head signed here: a new log begins, what leaves the house stands still."""
    configuration = load(config_file)
    _require_files(shredded)
    origin = log.new_origin(configuration.settings.evidence.origin)

    async def run(env: Environment) -> AcceptedOlder:
        return await accept_older(env, person, reason, origin, shredded)

    with engine_lock(data_dir(configuration)) if embedded(configuration) else nullcontext():
        accepted = with_environment(config_file, run)
    parked, files = accepted.still.parked, accepted.files_without_row
    again = f"shredded again: {accepted.still.shredded}" if shredded else _NO_LIST
    lines = [
        f"log {origin} begins",
        again,
        *(f"stands still: {count} on {road}" for road, count in sorted(parked.items())),
    ]
    lines += [f"payload file without a row, kept: {name}" for name in files]
    told = {
        "log": origin,
        "shredded_again": accepted.still.shredded if shredded else None,
        "stands_still": dict(parked),
        "files_without_row": files,
    }
    show(told, as_json=as_json, line="\n".join(lines))


def _read_passphrase(file: Path | None) -> bytes | None:
    if file is None:
        return None
    raw = sys.stdin.buffer.readline() if str(file) == "-" else read_private(file)
    return raw.rstrip(b"\r\n")
