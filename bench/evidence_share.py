"""What a journey's evidence costs of its CPU: all that was told is told once more on a copy, alone, and timed.

Rows noted, made canonical and committed to; entries written, queued and numbered, with leaves and tree. Without COMMIT, which
a journey pays all the same, and without heads: one a second, whatever the number of reports.
"""

import sqlite3
import time
from collections import defaultdict
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Connection, Table, select

from gateway.store import coverage, journal
from gateway.store.sqlite import sqlite_engine
from gateway.store.tables import journal as entries
from gateway.store.tables import metadata

Rows = dict[tuple[Table, str | None], list[dict[str, Any]]]


def evidence_cpu_s(database: Path, copy: Path) -> float:
    """CPU seconds for everything that this database's journal tells. ``copy``: where it may be copied to."""
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    engine = sqlite_engine(copy, 10)
    with engine.connect() as conn:
        conn.exec_driver_sql("BEGIN IMMEDIATE")
        rows = _rows(conn)
        told = [orjson.loads(one.entry) for one in conn.execute(select(entries.c.entry).order_by(entries.c.id))]
        units = [(body, _of(rows, body)) for body in told]
        started = time.thread_time()
        for body, noted in units:
            _tell(conn, body, noted)
        while journal.number_pending(conn):
            pass
        spent = time.thread_time() - started
        conn.exec_driver_sql("ROLLBACK")
    engine.dispose()
    return spent


def _rows(conn: Connection) -> Rows:
    found: Rows = defaultdict(list)
    for table in filter(coverage.covered, metadata.sorted_tables):
        name = coverage.named_by(table)
        for row in conn.execute(select(table)).mappings():
            found[table, row[name] if name is not None else None].append(dict(row))
    return found


def _of(rows: Rows, body: Mapping[str, Any]) -> list[tuple[Table, Mapping[str, Any]]]:
    """As many rows of its message as the entry commits to: which of them costs the same."""
    noted = []
    for name in filter(lambda name: name.startswith("row:"), body["commit"]):
        table = metadata.tables[name.split(":")[1]]
        message_id = body["message_id"] if coverage.named_by(table) is not None else None
        noted.append((table, rows[table, message_id].pop() | {"tenant": body["tenant"]}))
    return noted


def _tell(conn: Connection, body: Mapping[str, Any], noted: list[tuple[Table, Mapping[str, Any]]]) -> None:
    own = {name: value for name, value in body["commit"].items() if not name.startswith("row:")}
    coverage.begin(conn)
    for table, row in noted:
        coverage.note(conn, table, row)
    entry = journal.Entry(
        body["event"], body["tenant"], 0, body["actor"], body["message_id"], body["code"], body["refs"], own
    )
    journal.write(conn, entry)
    journal.settle(conn)
