"""register: a report that came on paper, by telephone or in person."""

from collections.abc import AsyncIterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from gateway import limits
from gateway.cli.options import DEFAULT_CONFIG, AsJson, ConfigFile, Person, show, with_environment
from gateway.domain.deadlines import OSLO
from gateway.domain.registration import CameBy, Registration, Reporter
from gateway.errors import MalformedRequestError
from gateway.pipeline import register as reserve
from gateway.pipeline.environment import Environment
from gateway.pipeline.texts import STATES, WARNINGS


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("register")(register_report)


def register_report(
    office: Annotated[str, typer.Option("--office", help="The office that it came to, as 4601-02.")],
    reporter: Annotated[Reporter, typer.Option("--reporter", help="A private person, or a public service.")],
    came_by: Annotated[CameBy, typer.Option("--came-by", help="Letter, telephone, or in person.")],
    person: Person,
    came_at: Annotated[
        str | None, typer.Option("--came-at", help="When, as 2026-11-20T09:30, Norwegian time; without it, now.")
    ] = None,
    known: Annotated[
        bool, typer.Option("--known/--anonymous", help="Whether a private reporter can be answered.")
    ] = True,
    reference: Annotated[
        str | None, typer.Option(help="The case in which you have registered it: it is confirmed by hand at once.")
    ] = None,
    report_id: Annotated[
        str | None, typer.Option("--bekymringsmelding-id", help="The portal's id, if the letter shows one.")
    ] = None,
    melding_id: Annotated[
        str | None, typer.Option("--melding-id", help="The id on Fiks IO, or ours, if the letter shows one.")
    ] = None,
    pdf: Annotated[Path | None, typer.Option(help="The scanned letter.")] = None,
    force: Annotated[bool, typer.Option("--force", help="It came more than 30 days ago; needs --reason.")] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why it is registered so late. Kept sealed with it.")] = "",
    config_file: ConfigFile = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Register a report that came without the portal: the same clocks, and the case system gets it as any other."""
    if force != bool(reason.strip()):
        detail = "--force and --reason go together"
        raise MalformedRequestError(detail)
    told = Registration(
        tenant=office,
        reporter=reporter,
        came_by=came_by,
        person=person,
        came_at=_moment(came_at),
        reporter_known=known,
        reference=reference,
        bekymringsmelding_id=report_id,
        melding_id=melding_id,
        reason=reason,
    )

    async def run(env: Environment) -> reserve.Registered:
        return await reserve.register(env, told, _chunks(pdf) if pdf is not None else None, None)

    done = with_environment(config_file, run)
    line = f"{done.message_id} is now {done.state}: {STATES[done.state]}"
    for other in done.may_be_same_as:
        line += f"\n{other}: {WARNINGS['may-be-same']}"
    show(asdict(done), as_json=as_json, line=line)


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        detail = "--came-at is a date and time, as 2026-11-20T09:30"
        raise MalformedRequestError(detail) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=OSLO)


async def _chunks(file: Path) -> AsyncIterator[bytes]:
    try:
        with file.open("rb") as source:
            while chunk := source.read(limits.CHUNK_BYTES):
                yield chunk
    except OSError as error:
        detail = f"--pdf: {error.strerror}"
        raise MalformedRequestError(detail) from None
