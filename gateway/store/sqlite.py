"""SQLite: one writer thread with group commit, a few read connections, one file.

The rules are those of ``docs/decisions/0003``: the driver is kept out of transactions, every statement that opens or
ends one is written here, and the driver is asked for its state before anything is believed. Disk full and interrupts throw
away the whole transaction behind the driver's back; then the whole burst fails, and nobody is told "stored".
"""

import asyncio
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine, NullPool, create_engine, event
from sqlalchemy.exc import DBAPIError

from gateway import limits
from gateway.crashpoints import Point, Side, crashpoint
from gateway.domain.message_type import Lane
from gateway.errors import RowRefusedError, StoreError, StoreFullError
from gateway.store import journal
from gateway.store.database import Signals, Work, noted_work

T = TypeVar("T")

_READERS: Final = 4
_STATEMENTS: Final = 512  # prepared ones kept by a connection: more than there are
_EXIT_IO_ERROR: Final = 74  # EX_IOERR of sysexits
_STOP: Final = 9  # sorts after every lane
_PRIORITY: Final = {Lane.CONCERN: 0, Lane.ORDINARY: 1}


@dataclass(order=True, slots=True)
class _Unit:
    """One unit of work waiting for the writer. Concern reports come first, then the order of arrival."""

    priority: int
    number: int
    work: Work[Any] = field(compare=False)
    point: Point = field(compare=False)
    future: asyncio.Future[Any] = field(compare=False)


def _io_error(_error: BaseException) -> None:
    """End the process: after a failed fsync nothing in memory may be believed, and an fsync is never repeated."""
    os._exit(_EXIT_IO_ERROR)


class SqliteStore:
    """The embedded store. One process writes; others (the command line) may write beside it with patience."""

    def __init__(
        self, file: Path, *, busy_timeout_s: float, on_io_error: Callable[[BaseException], None] = _io_error
    ) -> None:
        self._engine = sqlite_engine(file, busy_timeout_s)
        self._on_io_error = on_io_error
        self._units: queue.PriorityQueue[_Unit] = queue.PriorityQueue()
        self._number = 0
        self._closed = False
        self._signals = Signals()
        self._loop = asyncio.get_running_loop()
        self._readers = ThreadPoolExecutor(_READERS, "sqlite-read", self._open_reader)
        self._local = threading.local()
        self._connections: list[Connection] = []
        self._writer = threading.Thread(target=self._run_writer, name="sqlite-write", daemon=True)
        self._writer.start()

    async def write(self, work: Work[T], point: Point, lane: Lane = Lane.ORDINARY) -> T:
        """See ``Store.write``."""
        if self._closed:
            message = "the store is closed"
            raise StoreError(message)
        future: asyncio.Future[T] = self._loop.create_future()
        self._number += 1
        self._units.put(_Unit(_PRIORITY[lane], self._number, work, point, future))
        # A caller that goes away does not take its unit back: it may be in a burst already.
        return await asyncio.shield(future)

    async def read(self, work: Work[T]) -> T:
        """See ``Store.read``."""
        return await self._loop.run_in_executor(self._readers, self._read, work)

    def watch(self, queue: str) -> asyncio.Event:
        """See ``Store.watch``."""
        return self._signals.watch(queue)

    def for_tenants(self, tenants: Collection[str]) -> "SqliteStore":
        """See ``Store.for_tenants``. There is no second line here."""
        del tenants
        return self

    async def clean(self) -> None:
        """See ``Store.clean``: the log of changes is folded in and cut, and freed pages hold zeroes."""
        await self._loop.run_in_executor(None, self._fold_in)

    async def close(self) -> None:
        """See ``Store.close``."""
        self._closed = True
        self._units.put(_Unit(_STOP, 0, lambda _: None, Point.ADMIN, self._loop.create_future()))
        await asyncio.to_thread(self._writer.join)
        await asyncio.to_thread(self._readers.shutdown)
        for connection in self._connections:
            connection.close()
        self._engine.dispose()

    # --- reading -------------------------------------------------------------------------------------------------

    def _open_reader(self) -> None:
        connection = self._engine.connect()
        connection.exec_driver_sql("PRAGMA query_only = ON")
        self._local.connection = connection
        self._connections.append(connection)

    def _read(self, work: Work[T]) -> T:
        connection: Connection = self._local.connection
        raw = _driver(connection)
        try:
            raw.execute("BEGIN")
            return work(connection)
        except (DBAPIError, sqlite3.Error) as error:
            message = "the database cannot be read"
            raise StoreError(message) from error
        finally:
            if raw.in_transaction:
                raw.execute("ROLLBACK")

    def _fold_in(self) -> None:
        try:
            with self._engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        except DBAPIError as error:
            message = "the database cannot be cleaned now"
            raise StoreError(message) from error

    # --- writing -------------------------------------------------------------------------------------------------

    def _run_writer(self) -> None:
        with self._engine.connect() as connection:
            while True:
                first = self._units.get()
                if first.priority == _STOP:
                    return
                self._burst(connection, first)

    def _burst(self, connection: Connection, first: _Unit) -> None:
        done: list[tuple[_Unit, Any]] = []
        unit: _Unit | None = first
        raw = _driver(connection)
        try:
            raw.execute("BEGIN IMMEDIATE")
            until = time.monotonic() + limits.BURST_WAIT_S_MAX
            count = 0
            while unit is not None:
                count += 1
                self._run_unit(connection, unit, done)
                full = count >= limits.BURST_UNITS_MAX or time.monotonic() > until
                unit = None if full else self._next_unit()
            _commit(raw, [unit.point for unit, _ in done])
        except BaseException as error:  # noqa: BLE001  whatever it is, every waiting caller must hear of it
            failure = self._failure(connection, error)
            lost = [*(pair[0] for pair in done), *([unit] if unit else [])]
            self._loop.call_soon_threadsafe(_fail, lost, failure)
            return
        self._loop.call_soon_threadsafe(self._tell, done, noted_work(connection))

    def _tell(self, done: list[tuple[_Unit, Any]], queues: frozenset[str]) -> None:
        """One hop to the loop for a whole burst: each hop costs a system call."""
        for unit, result in done:
            if not unit.future.done():
                unit.future.set_result(result)
        self._signals.announce(queues)

    def _next_unit(self) -> _Unit | None:
        try:
            unit = self._units.get_nowait()
        except queue.Empty:
            return None
        if unit.priority == _STOP:
            self._units.put(unit)
            return None
        return unit

    def _run_unit(self, connection: Connection, unit: _Unit, done: list[tuple[_Unit, Any]]) -> None:
        """Run one unit in a savepoint: a bad one rolls back alone. Raises when the transaction is gone with it."""
        raw = _driver(connection)
        raw.execute("SAVEPOINT unit")
        try:
            result = journal.run(connection, unit.work)
        except Exception as error:
            if not raw.in_transaction or (isinstance(error, DBAPIError) and not _is_constraint(error)):
                raise
            raw.execute("ROLLBACK TO unit")
            raw.execute("RELEASE unit")
            told = _refused(error) if isinstance(error, DBAPIError) else error
            self._loop.call_soon_threadsafe(_fail, [unit], told)
            return
        if not raw.in_transaction:
            message = "the transaction was lost"
            raise StoreError(message)
        raw.execute("RELEASE unit")
        done.append((unit, result))

    def _failure(self, connection: Connection, error: BaseException) -> BaseException:
        """Undo what is left of a burst and name what happened."""
        code = getattr(getattr(error, "orig", error), "sqlite_errorcode", 0) & 0xFF
        if code in {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT}:
            self._on_io_error(error)
        raw = _driver(connection)
        if raw.in_transaction:
            self._roll_back(raw)
        if code == sqlite3.SQLITE_FULL:
            failure: StoreError = StoreFullError("the disk is full")
        elif isinstance(error, StoreError):
            return error
        else:
            failure = StoreError("the database cannot be written")
        failure.__cause__ = error
        return failure

    def _roll_back(self, raw: sqlite3.Connection) -> None:
        try:
            raw.execute("ROLLBACK")
        except sqlite3.Error as error:  # then nobody knows what the file holds; the next start reads it anew
            self._on_io_error(error)


def sqlite_engine(file: Path, busy_timeout_s: float) -> Engine:
    """An engine whose connections leave transactions to us. Raises StoreError later, never creates a file."""
    uri = f"file:{file}?mode=rw"
    engine = create_engine(
        "sqlite+pysqlite://",
        creator=lambda: sqlite3.connect(
            uri,
            uri=True,
            timeout=busy_timeout_s,
            check_same_thread=False,
            isolation_level=None,
            cached_statements=_STATEMENTS,
        ),
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",  # SQLAlchemy says no BEGIN or COMMIT of its own
        hide_parameters=True,
    )
    event.listen(engine, "connect", _prepare)
    return engine


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _driver(connection: Connection) -> sqlite3.Connection:
    """The driver's connection: it opens and ends transactions, and it alone knows whether SQLite threw one away."""
    raw: sqlite3.Connection = connection.connection.dbapi_connection  # type: ignore[assignment]  # pysqlite's own
    return raw


def _commit(raw: sqlite3.Connection, points: list[Point]) -> None:
    for point in points:
        crashpoint(point, Side.BEFORE)
    if not raw.in_transaction:
        message = "the transaction was lost before COMMIT"
        raise StoreError(message)
    raw.execute("COMMIT")
    for point in points:
        crashpoint(point, Side.AFTER)


def _is_constraint(error: DBAPIError) -> bool:
    return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_CONSTRAINT


def _refused(error: DBAPIError) -> RowRefusedError:
    failure = RowRefusedError("the database refused a row")
    failure.__cause__ = error
    return failure


def _fail(units: list[_Unit], error: BaseException) -> None:
    for unit in units:
        if not unit.future.done():
            unit.future.set_exception(error)
            unit.future.exception()  # the caller may be gone: then nobody else needs to hear
