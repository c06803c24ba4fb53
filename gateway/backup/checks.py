"""Whether a restored database tells the truth of itself: log and rows, balance, payload files.

Each finding is one line of codes, names of ours and counts, never content.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Table, func, select

from gateway.crypto.notes import NoteSigner
from gateway.limits import BACKUP_BALANCE_DAYS
from gateway.pipeline import balance
from gateway.pipeline.findings import run
from gateway.pipeline.row_check import evidence_steps
from gateway.store.payloads import PayloadFolder
from gateway.store.tables import payload

_TOLD_MAX: Final = 20


def evidence_faults(conn: Connection, signer: NoteSigner | None) -> list[str]:
    """Where log and rows are not as they were told; without a signer the heads' signatures are not looked at."""
    outcome = run(conn, evidence_steps(signer))
    more = outcome.found - len(outcome.findings)
    return [*map(str, outcome.findings), *([f"and {more} findings more"] if more else [])]


def balance_faults(conn: Connection, until: date) -> list[str]:
    """Offices, roads and days of the last week whose messages are not all accounted for."""
    days = [until - timedelta(days=back) for back in range(BACKUP_BALANCE_DAYS)]
    return [
        f"balance {day.isoformat()} {line.tenant} {line.road}: difference {line.difference}"
        for day in days
        for line in balance.lines(conn, day)
        if line.difference
    ]


def files_without_row(conn: Connection, folder: Path) -> list[str]:
    """Payload files that no row names: they came, or were opened, after the copy was made."""
    payloads = PayloadFolder(folder)
    return sorted(str(path.relative_to(folder)) for path in payloads.unnamed(conn, float("inf")))


def rows_without_file(conn: Connection, folder: Path) -> list[str]:
    """Payload files that a row names and that are not there."""
    query = select(payload.c.file).where(payload.c.file.is_not(None)).order_by(payload.c.file)
    return [name for name in conn.execute(query).scalars() if not (folder / name).is_file()]


def count(conn: Connection, table: Table) -> int:
    """How many rows a table has."""
    return int(conn.execute(select(func.count()).select_from(table)).scalar_one())


def told(findings: Sequence[str]) -> list[str]:
    """The first of many, and how many more there are."""
    more = len(findings) - _TOLD_MAX
    return [*findings[:_TOLD_MAX], *([f"and {more} more"] if more > 0 else [])]
