"""log: what the evidence log shows to outsiders; verify: the small verifier, as strangers run it."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.options import DEFAULT_CONFIG, AsJson, ConfigFile, Person, show, with_environment
from gateway.crypto import notes
from gateway.errors import ConfigError
from gateway.evidence import verify
from gateway.evidence.formats import ProofFile, read_head
from gateway.limits import NOTE_BYTES_MAX
from gateway.pipeline import proofs
from gateway.pipeline.environment import Environment
from gateway.store import log

app = typer.Typer(help="The evidence log: its key, its head, proofs and updates for witnesses.", no_args_is_help=True)

_PRIVATE = 0o600
ClosedLog = Annotated[str | None, typer.Option("--log", help="A closed log's name; without it, the present log.")]


def register(root: typer.Typer) -> None:
    """Add the commands."""
    root.add_typer(app, name="log")
    anything = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
    root.command("verify", context_settings=anything, add_help_option=False)(_verify)


def _verify(context: typer.Context) -> None:
    """Check a proof file, or move a witness's file on, exactly as the one-file verifier does; `verify --help`."""
    sys.exit(verify.main(context.args))


@app.command("key")
def key(config_file: ConfigFile = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """The log's public key: publish it where it cannot be changed unseen."""

    async def run(env: Environment) -> str:
        if env.heads is None:
            message = "evidence.key is not configured: no head is signed"
            raise ConfigError(message)
        return str(env.heads.signer.public)

    text = with_environment(config_file, run)
    show({"key": text}, as_json=as_json, line=text)


@app.command("head")
def head(config_file: ConfigFile = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """The newest signed head."""

    async def run(env: Environment) -> str | None:
        newest = await env.store.read(log.newest_head)
        return newest.note if newest is not None else None

    note = with_environment(config_file, run)
    show({"head": note}, as_json=as_json, line=(note or "no head is signed yet").rstrip("\n"))


@app.command("proof")
def proof(
    message_id: Annotated[str, typer.Argument(help="The message's id, as `list` shows it.")],
    person: Person,
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the proof file goes; readable by you alone.")],
    with_salt: Annotated[
        bool, typer.Option("--with-salt", help="Add what lets the reader compare documents: salt and names.")
    ] = False,
    known: Annotated[
        int | None, typer.Option(min=0, help="The size of the head that the reader's witness knows.")
    ] = None,
    closed: ClosedLog = None,
    config_file: ConfigFile = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Write the proof of one message. A message that no head covers yet answers "not yet"."""

    async def run(env: Environment) -> ProofFile | None:
        return await proofs.prove(env, message_id, proofs.Wish(person, opened=with_salt, known=known, log=closed))

    found = with_environment(config_file, run)
    if found is None:
        show({"verdict": "not yet"}, as_json=as_json, line="not yet: no signed head covers it; try in a few seconds")
        return
    _write_private(out, found.text())
    verdict = {"verdict": "written", "file": str(out), "entries": len(found.entries)}
    show(verdict, as_json=as_json, line=f"{len(found.entries)} entries proven in {out}")


def _write_private(out: Path, text: str) -> None:
    """In place of whatever stood there: a file that others may read would tell them the salt."""
    beside = out.with_name(out.name + ".new")
    beside.unlink(missing_ok=True)
    beside.touch(mode=_PRIVATE, exist_ok=False)
    beside.write_text(text, encoding="utf-8")
    beside.replace(out)


@app.command("update")
def update(
    known: Annotated[int, typer.Argument(min=0, help="The size of the head that the witness knows; 0 for none.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the update goes.")],
    closed: ClosedLog = None,
    config_file: ConfigFile = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Write what a witness needs to move on to the newest head."""

    async def run(env: Environment) -> str | None:
        return await env.store.read(lambda conn: proofs.update_for_witness(conn, known, closed))

    _write_update(with_environment(config_file, run), out, as_json=as_json)


@app.command("succession")
def succession(
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the update goes.")],
    config_file: ConfigFile = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Write what a witness of the closed log needs to follow the present one, which began after a restore."""

    async def run(env: Environment) -> str | None:
        return await env.store.read(proofs.succession_for_witness)

    _write_update(with_environment(config_file, run), out, as_json=as_json)


@app.command("cosign")
def cosign(
    head_file: Annotated[Path, typer.Argument(help="The witness's file, as `verify witness` left it.")],
    name: Annotated[str, typer.Option("--name", help="The witness's name for ever, as other.kommune.no/witness.")],
    key_file: Annotated[Path, typer.Option("--with", help="The witness's Ed25519 key, PEM, readable by you alone.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the head with the witness's line goes.")],
    as_json: AsJson = False,
) -> None:
    """As a witness of another's log: sign the head that you follow. Needs no gateway of your own."""
    signer = notes.NoteSigner.from_file(name, key_file)
    if not head_file.is_file():
        message = f"{head_file}: there is no such file"
        raise ConfigError(message)
    note = head_file.read_bytes()[: NOTE_BYTES_MAX + 1].decode("utf-8", errors="replace")
    signed = signer.cosign(note, int(datetime.now(UTC).timestamp()))
    read_head(signed)
    beside = out.with_name(out.name + ".new")
    beside.write_text(signed, encoding="utf-8")
    beside.replace(out)
    text = str(signer.witness)
    show({"file": str(out), "key": text}, as_json=as_json, line=f"signed in {out} under {text}")


def _write_update(text: str | None, out: Path, *, as_json: bool) -> None:
    if text is not None:
        out.write_text(text, encoding="utf-8")
    line = f"the update is in {out}" if text is not None else "nothing new to witness"
    show({"file": str(out) if text is not None else None}, as_json=as_json, line=line)
