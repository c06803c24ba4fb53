"""What every caller knows of a store: units of work go in, results come out after COMMIT.

A unit of work is a plain function over a SQLAlchemy connection, SQL only, safe to run twice: it reads state under lock,
decides and writes. It never sees a driver, never commits, and never waits for anything but the database.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final, Protocol, TypeVar

from sqlalchemy import Connection, Delete, Insert, Row, Select, Table, Update, bindparam, text
from sqlalchemy.dialects import postgresql, sqlite

from gateway.crashpoints import Point
from gateway.domain.message_type import Lane
from gateway.store import coverage, tables

T = TypeVar("T")
Work = Callable[[Connection], T]

_WORK: Final = "work"
_OF: Final = "of_"  # before the name of a bound value, where the column itself is set
_INSERT: Final[dict[str, Callable[[Table], Any]]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class Store(Protocol):
    """The one door to the database."""

    async def write(self, work: Work[T], point: Point, lane: Lane = Lane.ORDINARY) -> T:
        """Run ``work`` in a transaction and return its result after COMMIT returned.

        Whatever ``work`` raises undoes it alone. Raises StoreError when nothing was kept, CommitUnknownError when
        nobody can know, StoreFullError when the disk is full.
        """
        ...

    async def read(self, work: Work[T]) -> T:
        """Run ``work`` in a read transaction."""
        ...

    def watch(self, queue: str) -> asyncio.Event:
        """The event that the next commit with work for this queue sets. Take it before looking: then none falls between.

        A hint, never the only trigger.
        """
        ...

    def for_tenants(self, tenants: Collection[str]) -> "Store":
        """The same store, whose units see and write the rows of these offices and of the installation only.

        On PostgreSQL the database sees to it (``gateway.store.row_security``); on SQLite nobody does. It never shows
        more than the store it is made from. Closing it closes the store. Raises StoreError for what is no tenant.
        """
        ...

    async def clean(self) -> None:
        """Let what was deleted leave the files, as far as this store can: on PostgreSQL that is VACUUM's work."""
        ...

    async def close(self) -> None:
        """Finish what is begun and let go."""
        ...


class Signals:
    """Who waits for work, by queue."""

    def __init__(self) -> None:
        self._events: dict[str, asyncio.Event] = {}

    def watch(self, queue: str) -> asyncio.Event:
        """See ``Store.watch``."""
        return self._events.setdefault(queue, asyncio.Event())

    def announce(self, queues: Iterable[str]) -> None:
        """Wake who waits for one of these."""
        for queue in queues:
            if event := self._events.pop(queue, None):
                event.set()

    def announce_all(self) -> None:
        """Wake everybody: another process committed, and its hint does not say for whom."""
        self.announce(list(self._events))


def note_work(conn: Connection, queue: str) -> None:
    """Let this transaction's commit wake who waits for the queue. A unit that is undone may wake them for nothing."""
    conn.info.setdefault(_WORK, set()).add(queue)


def noted_work(conn: Connection) -> frozenset[str]:
    """The queues that were noted since the last time; for the store, at its commit."""
    return frozenset(conn.info.pop(_WORK, ()))


# Rows come and go through these alone, so that an entry of the same unit tells of each that is evidence (``coverage``).
# Statements are built once for each table and set of columns: building one anew costs several times what running it does.


def add_row(conn: Connection, table: Table, **values: Any) -> None:
    """Insert one row."""
    conn.execute(_insert(table), values)
    coverage.note(conn, table, values)


def add_rows(conn: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert these rows, if any."""
    if rows:
        conn.execute(_insert(table), rows)
    for row in rows:
        coverage.note(conn, table, row)


def insert_new(conn: Connection, table: Table, values: Mapping[str, Any], keys: Sequence[str]) -> bool:
    """Insert a row unless one with these keys is there; whether it was. Two at once: the database decides, nobody fails."""
    new = conn.execute(_insert_new(conn.dialect.name, table, tuple(keys)), values).rowcount == 1
    if new:
        coverage.note(conn, table, values)
    return new


def rows_by(conn: Connection, table: Table, **by: Any) -> Sequence[Row[Any]]:
    """The rows whose columns have these values, in the order of the table's primary key."""
    return conn.execute(_select(table, tuple(by)), by).all()


def row_by(conn: Connection, table: Table, **by: Any) -> Row[Any] | None:
    """The one row whose columns have these values, if there is one."""
    return conn.execute(_select(table, tuple(by)), by).one_or_none()


def change_rows(conn: Connection, table: Table, by: Mapping[str, Any], **values: Any) -> None:
    """Set columns of the rows that ``by`` names."""
    conn.execute(_update(table, tuple(by)), values | {_OF + name: value for name, value in by.items()})


def remove_rows(conn: Connection, table: Table, **by: Any) -> None:
    """Delete the rows whose columns have these values."""
    if coverage.covered(table):
        for row in conn.execute(_select(table, tuple(by)), by).mappings().all():
            coverage.note(conn, table, dict(row), coverage.GONE)
    conn.execute(_delete(table, tuple(by)), by)


def locked_state(conn: Connection, message_id: str) -> Row[Any] | None:
    """The message's state row, locked until the transaction ends: how every change of state begins.

    SQLite has one writer and SQLAlchemy leaves FOR UPDATE out there.
    """
    return conn.execute(_LOCKED_STATE, {"message_id": message_id}).one_or_none()


def now_us(conn: Connection) -> int:
    """The one clock of leases and ``run_at``: the database's own on PostgreSQL, this machine's on SQLite."""
    if conn.dialect.name == "postgresql":
        return int(conn.execute(_NOW).scalar_one())
    return time.time_ns() // 1000


@cache
def _insert(table: Table) -> Insert:
    return table.insert().inline()  # the new row's id is not asked for


@cache
def _insert_new(dialect: str, table: Table, keys: tuple[str, ...]) -> Insert:
    insert: Insert = _INSERT[dialect](table).inline().on_conflict_do_nothing(index_elements=list(keys))
    return insert.execution_options(preserve_rowcount=True)


@cache
def _select(table: Table, by: tuple[str, ...]) -> Select[Any]:
    return table.select().where(*(table.c[name] == bindparam(name) for name in by)).order_by(*table.primary_key)


@cache
def _update(table: Table, by: tuple[str, ...]) -> Update:
    return table.update().where(*(table.c[name] == bindparam(_OF + name) for name in by))


@cache
def _delete(table: Table, by: tuple[str, ...]) -> Delete:
    return table.delete().where(*(table.c[name] == bindparam(name) for name in by))


_LOCKED_STATE: Final = _select(tables.message_state, ("message_id",)).with_for_update()
_NOW: Final = text("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
