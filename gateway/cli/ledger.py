"""ledger, reconcile, daily-certificate: what came on a day, what became of it, and whether the portal says the same."""

import csv
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from gateway.cli.options import DEFAULT_CONFIG, AsJson, ConfigFile, Person, show, show_table, with_environment
from gateway.domain.deadlines import OSLO
from gateway.domain.history import FIKS_LEDGER
from gateway.domain.lifecycle import State
from gateway.errors import MalformedRequestError
from gateway.limits import PORTAL_LIST_SHOWN_MAX
from gateway.pipeline import balance
from gateway.pipeline.certificate import Certificate, certify
from gateway.pipeline.environment import Environment
from gateway.pipeline.portal_list import Listed, read_list
from gateway.pipeline.reconcile import Compared, reconcile
from gateway.store import ledger
from gateway.store.journal import rfc3339

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for a formula when a cell begins so: ids are told by others."""

_COLUMNS: Final = (
    "bekymringsmelding-id",
    "melding-id",
    "id",
    "kontor",
    "vei",
    "konto",
    "tidspunkt",
    "status",
    "referanse",
    "kvittering",
    "kvittert",
    "kan-vaere-samme-som",
)
"""The names that the portal's list has, where it has them: so the one can be held against the other."""

Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The Norwegian day; without it, yesterday.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("ledger")(show_ledger)
    app.command("reconcile")(reconcile_list)
    app.command("daily-certificate")(daily_certificate)


def show_ledger(
    day: Day = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="As CSV with semicolons, for a spreadsheet.")] = False,
    config_file: ConfigFile = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """List every report that came on a day, with ids, times and words. No names, no content, no case numbers."""

    async def run(env: Environment) -> list[ledger.Line]:
        low, high = balance.span(_wanted(env, day))
        return await env.store.read(lambda conn: ledger.lines(conn, low, high))

    rows = [_line(one) for one in with_environment(config_file, run)]
    if as_csv:
        _print_csv(rows)
    else:
        show_table(rows, as_json=as_json, empty="nothing came on that day")


def _wanted(env: Environment, day: datetime | None) -> date:
    return day.date() if day is not None else (env.clock.now().astimezone(OSLO) - timedelta(days=1)).date()


def _line(one: ledger.Line) -> dict[str, Any]:
    reference = "ja" if one.has_reference else "nei"
    receipted = rfc3339(one.receipted_at) if one.receipted_at is not None else None
    status, same = FIKS_LEDGER[State(one.state)], " ".join(one.may_be_same_as)
    came = (one.tenant, one.road, one.account, rfc3339(one.arrived_at))
    cells = (one.report_id, one.melding_id, one.message_id, *came, status, reference, one.receipt, receipted, same)
    return dict(zip(_COLUMNS, cells, strict=True))


def _print_csv(rows: Sequence[dict[str, Any]]) -> None:
    writer = csv.writer(sys.stdout, delimiter=";", lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows([_cell(row[name]) for name in _COLUMNS] for row in rows)


def _cell(value: str | None) -> str:
    text = value or ""
    return f"'{text}" if text.startswith(_FORMULA) and text != "-" else text


def reconcile_list(
    file: Annotated[Path, typer.Argument(help="The portal's list as CSV; its columns stand in [reconcile].")],
    day: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The Norwegian day that it is of.")],
    person: Person,
    kommune: Annotated[str | None, typer.Option(help="Whose list it is, as 4601, where several are served.")] = None,
    config_file: ConfigFile = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Hold the portal's list of a day against what arrived; exit code 1 where they differ. Only counts are kept."""

    async def run(env: Environment) -> Compared:
        found = read_list(file, env.settings.reconcile)
        return await reconcile(env, day.date(), _kommune(env, kommune), found, person)

    compared = with_environment(config_file, run)
    missing, unlisted = [_missing(one) for one in compared.missing], [_line(one) for one in compared.unlisted]
    if as_json:
        told = {"missing": missing, "unlisted": unlisted, "onPaper": list(compared.on_paper)}
        show({"day": compared.subject, "listed": compared.listed, **told}, as_json=True)
    else:
        _print_compared(compared, missing, unlisted)
    if not compared.fits:
        raise typer.Exit(1)


def _kommune(env: Environment, given: str | None) -> str:
    served = {office.tenant.kommunenummer for office in env.offices.all()}
    if given is None and len(served) != 1:
        detail = "several municipalities are served here: name one with --kommune"
        raise MalformedRequestError(detail)
    return given if given is not None else served.pop()


def _missing(one: Listed) -> dict[str, Any]:
    """What the list says of it, as far as it could be read; what could not is not repeated."""
    return {**asdict(one), "at": one.at.isoformat() if one.at is not None else None}


def _print_compared(compared: Compared, missing: list[dict[str, Any]], unlisted: list[dict[str, Any]]) -> None:
    print(f"{compared.subject}: {compared.listed} listed, {len(missing)} not here, {len(unlisted)} here and not listed")
    for title, rows in (("Listed, and not here:", missing), ("Here, and not listed:", unlisted)):
        if rows:
            print(f"\n{title}")
            show_table(rows[:PORTAL_LIST_SHOWN_MAX], as_json=False, empty="")
    if compared.on_paper:
        print("\nHere, and on paper as well: each now warns that a letter may come.")
        show_table([{"id": one} for one in compared.on_paper[:PORTAL_LIST_SHOWN_MAX]], as_json=False, empty="")


def daily_certificate(
    day: Day = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Where the signed certificate goes.")] = None,
    config_file: ConfigFile = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """What became of every message that arrived on a day; exit code 1 where one is not accounted for, or a list differs."""

    async def run(env: Environment) -> Certificate:
        return await certify(env, _wanted(env, day))

    made = with_environment(config_file, run)
    if out is not None:
        out.write_text(made.text, encoding="utf-8")
    lines = [{"tenant": one.tenant, "road": one.road, "account": one.account, **one.counts} for one in made.lines]
    show({"certificate": made.text, "lines": lines}, as_json=as_json, line=made.text.rstrip("\n"))
    if not made.sound:
        raise typer.Exit(1)
