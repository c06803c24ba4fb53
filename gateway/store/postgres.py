"""PostgreSQL: one transaction per unit of work, at READ COMMITTED, over a few connections.

The rules are those of ``docs/decisions/0003``. BEGIN and COMMIT are sent as statements, because only COMMIT's own answer
says whether it kept anything: a transaction that failed inside answers ``ROLLBACK`` and no error. A unit is run again
only if its COMMIT was never sent.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

from sqlalchemy import URL, Connection, event, text
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from gateway.crashpoints import Point, Side, crashpoint
from gateway.domain.message_type import Lane
from gateway.errors import CommitUnknownError, ConfigError, StoreError
from gateway.store import driver_errors, journal, row_security
from gateway.store.database import Signals, Work, noted_work
from gateway.store.incarnations import Presence

T = TypeVar("T")

_WRITERS: Final = 4
_CONCERN_WRITERS: Final = 2  # never lent to other lanes
_READERS: Final = 3
_TRIES_MAX: Final = 6
_ROLLBACK_S: Final = 5.0
_VERSION_MIN: Final = 140_000
_BEGIN_WRITE: Final = "BEGIN ISOLATION LEVEL READ COMMITTED"
_BEGIN_READ: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

_SESSION: Final = {
    "application_name": "budstikke",
    "idle_in_transaction_session_timeout": "30s",  # a process that stood still must not block the others
    "lock_timeout": "10s",
    "statement_timeout": "60s",
    "tcp_keepalives_idle": "15",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}


class PostgresStore:
    """The store for several processes and hosts. Its units see the whole installation; ``for_tenants`` narrows."""

    def __init__(self, url: URL, *, timeout_s: float) -> None:
        """``timeout_s`` bounds the wait for a connection, its opening, and for each statement on it."""
        self._pools = {
            Lane.CONCERN: _pool(url, timeout_s, _CONCERN_WRITERS),
            Lane.ORDINARY: _pool(url, timeout_s, _WRITERS),
        }
        self._readers = _pool(url, timeout_s, _READERS)
        self._signals = Signals()
        self._presence = Presence(postgres_engine(url, timeout_s, poolclass=NullPool), self._signals.announce_all)
        self._units: set[asyncio.Task[Any]] = set()
        self._closed = False

    async def write(self, work: Work[T], point: Point, lane: Lane = Lane.ORDINARY) -> T:
        """See ``Store.write``."""
        return await self.write_as(row_security.WHOLE, work, point, lane)

    async def read(self, work: Work[T]) -> T:
        """See ``Store.read``. All its statements see one moment."""
        return await self.read_as(row_security.WHOLE, work)

    def for_tenants(self, tenants: Collection[str]) -> "TenantsStore":
        """See ``Store.for_tenants``."""
        return TenantsStore(self, tenants)

    async def write_as(self, seen: str, work: Work[T], point: Point, lane: Lane) -> T:
        """``write`` with this value of the setting of ``row_security``."""
        if self._closed:
            message = "the store is closed"
            raise StoreError(message)
        # A caller that goes away does not take its unit back: its COMMIT may be under way.
        task = asyncio.create_task(self._write(self._pools[lane], seen, work, point))
        self._units.add(task)
        task.add_done_callback(self._forget)
        return await asyncio.shield(task)

    async def read_as(self, seen: str, work: Work[T]) -> T:
        """``read`` with this value of the setting of ``row_security``."""
        try:
            async with _transaction(self._readers, row_security.begun(_BEGIN_READ, seen)) as (conn, _):
                return await conn.run_sync(work)
        except driver_errors.ANY as error:
            raise driver_errors.named(error) from error

    def watch(self, queue: str) -> asyncio.Event:
        """See ``Store.watch``. Other processes' commits set all of them by NOTIFY, while this one is present."""
        return self._signals.watch(queue)

    @property
    def presence(self) -> Presence:
        """This process's life; workers begin one, the command line does not."""
        return self._presence

    async def clean(self) -> None:
        """See ``Store.clean``. The service may not vacuum; the server does it by itself."""

    async def close(self) -> None:
        """See ``Store.close``."""
        self._closed = True
        await asyncio.gather(*self._units, return_exceptions=True)
        await self._presence.close()
        for engine in (*self._pools.values(), self._readers):
            await engine.dispose()

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._units.discard(task)
        if not task.cancelled():
            task.exception()  # the caller may be gone: then nobody else needs to hear

    async def _write(self, pool: AsyncEngine, seen: str, work: Work[T], point: Point) -> T:
        retrying = AsyncRetrying(
            retry=retry_if_exception(driver_errors.may_repeat),
            stop=stop_after_attempt(_TRIES_MAX),
            wait=wait_random_exponential(multiplier=0.01, max=0.5),
            reraise=True,
        )
        try:
            done: tuple[T, frozenset[str]] = await retrying(_once, pool, seen, work, point)
        except driver_errors.ANY as error:
            raise driver_errors.named(error) from error
        result, queues = done
        if queues:
            self._signals.announce(queues)
            self._presence.hint()
        return result


class TenantsStore:
    """What ``PostgresStore.for_tenants`` gives: a narrower view, with the same connections behind it."""

    def __init__(self, whole: PostgresStore, tenants: Collection[str]) -> None:
        self._whole = whole
        self._tenants = frozenset(tenants)
        self._seen = row_security.scope(self._tenants)

    async def write(self, work: Work[T], point: Point, lane: Lane = Lane.ORDINARY) -> T:
        """See ``Store.write``."""
        return await self._whole.write_as(self._seen, work, point, lane)

    async def read(self, work: Work[T]) -> T:
        """See ``Store.read``."""
        return await self._whole.read_as(self._seen, work)

    def watch(self, queue: str) -> asyncio.Event:
        """See ``Store.watch``."""
        return self._whole.watch(queue)

    def for_tenants(self, tenants: Collection[str]) -> "TenantsStore":
        """See ``Store.for_tenants``."""
        return TenantsStore(self._whole, self._tenants.intersection(tenants))

    async def clean(self) -> None:
        """See ``Store.clean``."""
        await self._whole.clean()

    async def close(self) -> None:
        """See ``Store.close``."""
        await self._whole.close()


async def _once(pool: AsyncEngine, seen: str, work: Work[T], point: Point) -> tuple[T, frozenset[str]]:
    """The unit's result, and the queues it left work in."""
    async with _transaction(pool, row_security.begun(_BEGIN_WRITE, seen)) as (conn, raw):
        result = await conn.run_sync(journal.run, work)
        queues = await conn.run_sync(noted_work)
        crashpoint(point, Side.BEFORE)
        await _commit(raw)
    crashpoint(point, Side.AFTER)
    return result, queues


@asynccontextmanager
async def _transaction(pool: AsyncEngine, begin: str) -> AsyncIterator[tuple[AsyncConnection, Any]]:
    """A begun transaction. What is not committed inside is rolled back, or its connection thrown away."""
    async with pool.connect() as conn:
        raw: Any = (await conn.get_raw_connection()).driver_connection
        try:
            await raw.execute(begin)
            yield conn, raw
        finally:
            if raw.is_closed() or (raw.is_in_transaction() and not await _rolled_back(raw)):
                with contextlib.suppress(*driver_errors.ANY):
                    await conn.invalidate()


async def _rolled_back(raw: Any) -> bool:
    try:
        await raw.execute("ROLLBACK", timeout=_ROLLBACK_S)
    except driver_errors.ANY:
        return False
    return True


async def _commit(raw: Any) -> None:
    """Send COMMIT and believe only its own answer."""
    if raw.is_closed():
        message = "the connection was lost before COMMIT"
        raise StoreError(message)
    try:
        answer = await raw.execute("COMMIT")
    except driver_errors.ANY as error:
        if driver_errors.server_answered(error):
            raise driver_errors.named(error) from error  # sent and refused: nothing runs the unit again
        message = "the connection was lost in COMMIT"
        raise CommitUnknownError(message) from error
    if answer != "COMMIT":
        message = "the transaction was lost before COMMIT"
        raise StoreError(message)


def _pool(url: URL, timeout_s: float, size: int) -> AsyncEngine:
    engine = postgres_engine(url, timeout_s, pool_size=size, max_overflow=0, pool_timeout=timeout_s)
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    return engine


def postgres_engine(url: URL, timeout_s: float, **pooling: Any) -> AsyncEngine:
    """An engine whose connections leave transactions to us."""
    arguments = {"timeout": timeout_s, "command_timeout": timeout_s * 6, "server_settings": _SESSION}
    return create_async_engine(
        url, connect_args=arguments, isolation_level="AUTOCOMMIT", hide_parameters=True, **pooling
    )


def _refuse_closed(dbapi_connection: Any, _record: object, _proxy: object) -> None:
    """A pooled connection that the server closed meanwhile is replaced before anything is sent on it."""
    if dbapi_connection.driver_connection.is_closed():
        raise DisconnectionError


def check_server(conn: Connection, *, production: bool) -> None:
    """Raises ConfigError unless the server keeps what it says it kept, and our role may do no more than it must."""
    query = text("SELECT name FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit') AND setting = 'off'")
    version = int(conn.execute(text("SELECT current_setting('server_version_num')")).scalar_one())
    faults = [f"store: the server runs with {row.name} = off" for row in conn.execute(query)]
    if version < _VERSION_MIN:
        faults.append(f"store: PostgreSQL {_VERSION_MIN // 10_000} or newer is needed")
    if production:
        faults.extend(_role_faults(conn))
    if faults:
        raise ConfigError(*faults)


def _role_faults(conn: Connection) -> list[str]:
    """The service's role must be stopped by the database where the code is not (S93)."""
    role = conn.execute(
        text(
            "SELECT bool_or(rolsuper) AS rolsuper, bool_or(rolbypassrls) AS rolbypassrls FROM pg_roles "
            "WHERE pg_has_role(current_user, oid, 'MEMBER')"  # SET ROLE would make it one of these
        )
    ).one()
    owned = "SELECT count(*) FROM pg_class WHERE relname = 'journal' AND pg_has_role(current_user, relowner, 'MEMBER')"
    faults = []
    if role.rolsuper:
        faults.append("store: the role is a superuser")
    if role.rolbypassrls:
        faults.append("store: the role bypasses row-level security")
    if conn.execute(text(owned)).scalar_one():
        faults.append("store: the role owns the tables; run with another one (budstikke migrate --service-role)")
    return faults
