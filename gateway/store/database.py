"""What every caller knows of a store: units of work go in, results come out after COMMIT.

A unit of work is a plain function over a SQLAlchemy connection, SQL only, safe to run twice: it reads state under lock,
decides and writes. It never sees a driver, never commits, and never waits for anything but the database.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final, Protocol, TypeVar

from sqlalchemy import Connection, Insert, Row, Select, Table, text
from sqlalchemy.dialects import postgresql, sqlite

from gateway.crashpoints import Point
from gateway.domain.message_type import Lane
from gateway.store import tables

T = TypeVar("T")
Work = Callable[[Connection], T]

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

    def watch(self) -> asyncio.Event:
        """The event that the next commit sets. Take it before looking for work: then no wake-up falls between.

        A hint, never the only trigger.
        """
        ...

    async def close(self) -> None:
        """Finish what is begun and let go."""
        ...


@cache
def _insert(table: Table) -> Insert:
    return table.insert()


def add_row(conn: Connection, table: Table, **values: Any) -> None:
    """Insert one row. The statement is built once for each table: building it anew costs more than running it."""
    conn.execute(_insert(table), values)


def locked_state(conn: Connection, message_id: str) -> Row[Any] | None:
    """The message's state row, locked until the transaction ends: how every change of state begins.

    SQLite has one writer and SQLAlchemy leaves FOR UPDATE out there.
    """
    query: Select[Any] = tables.message_state.select().where(tables.message_state.c.message_id == message_id)
    return conn.execute(query.with_for_update()).one_or_none()


def now_us(conn: Connection) -> int:
    """The one clock of leases and ``run_at``: the database's own on PostgreSQL, this machine's on SQLite."""
    if conn.dialect.name == "postgresql":
        query = text("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
        return int(conn.execute(query).scalar_one())
    return time.time_ns() // 1000


def insert_new(conn: Connection, table: Table, values: Mapping[str, Any], keys: Sequence[str]) -> None:
    """Insert a row unless one with these keys is there. Two at once: the database decides, and nobody fails."""
    insert = _INSERT[conn.dialect.name](table).values(**values)
    conn.execute(insert.on_conflict_do_nothing(index_elements=list(keys)))
