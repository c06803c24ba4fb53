"""Which lives of which processes there are, told by locks and not by clocks.

On PostgreSQL each life (incarnation) holds a session advisory lock on the connection it listens on. Whoever can see
that nobody holds the lock knows that the life is over. The lock of a host that vanished may stay until the network
notices, so a lease also ends by time. On SQLite one process alone may run, and there is nobody to ask about.
"""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable
from typing import Any, Final

import uuid_utils
from sqlalchemy import Connection, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.errors import StoreError
from gateway.store import driver_errors
from gateway.store.database import now_us
from gateway.store.tables import incarnation

CHANNEL: Final = "budstikke"
_KEY_BITS: Final = 63
_HEARTBEAT_S: Final = 2.0
_ANSWER_S: Final = 5.0  # a connection that says nothing for this long is lost
_STALE_S: Final = 10.0  # no right to call out this long after the last answer: the process may have stood still
_RECONNECT_S: Final = (0.1, 0.5, 1.0, 2.0)
_COALESCE_S: Final = 0.005  # hints within this are one

_HELD: Final = text(
    "SELECT (classid::bigint << 32) | objid::bigint AS key FROM pg_locks WHERE locktype = 'advisory' AND granted "
    "AND objsubid = 1 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


def register(conn: Connection, incarnation_id: str, lock_key: int) -> None:
    """Write down a life whose lock is held already: a row that can be seen is a lock that was taken."""
    conn.execute(incarnation.insert().values(id=incarnation_id, lock_key=lock_key, started_at=now_us(conn)))


def unlocked(conn: Connection) -> frozenset[str]:
    """Lives without an end whose lock nobody holds now. Acquires nothing."""
    if conn.dialect.name != "postgresql":
        return frozenset()
    held = {row.key for row in conn.execute(_HELD)}
    living = conn.execute(select(incarnation.c.id, incarnation.c.lock_key).where(incarnation.c.ended_at.is_(None)))
    return frozenset(row.id for row in living if row.lock_key not in held)


def end(conn: Connection, ids: frozenset[str]) -> None:
    """Note that these lives are over."""
    conn.execute(
        incarnation.update()
        .where(incarnation.c.id.in_(sorted(ids)), incarnation.c.ended_at.is_(None))
        .values(ended_at=now_us(conn))
    )


class Presence:
    """This process's life, as others see it: one connection that holds the lock, listens, and gives hints.

    A life whose connection is lost is over: ``alive`` turns false at once, and a new one begins on a new connection.
    """

    def __init__(self, engine: AsyncEngine, wake: Callable[[], None]) -> None:
        """``engine`` must not pool: the connection is kept. ``wake`` is called when another process hints."""
        self._engine = engine
        self._wake = wake
        self._renewed: Callable[[str], None] = lambda _: None
        self._hinted = asyncio.Event()
        self._answered_at = 0.0
        self._held = False
        self._task: asyncio.Task[None] | None = None
        self.id = ""

    def alive(self) -> bool:
        """Whether the lock is surely held: then outside calls may begin."""
        return self._held and time.monotonic() - self._answered_at < _STALE_S

    def hint(self) -> None:
        """Wake the other processes soon. Called after a commit; many calls are one hint."""
        self._hinted.set()

    async def begin(self, renewed: Callable[[str], None]) -> str:
        """Begin to live; returns the id. ``renewed`` hears of each later one. Raises StoreError."""
        self._renewed = renewed
        try:
            conn, raw = await self._connect()
        except driver_errors.ANY as error:
            message = "the database cannot be reached"
            raise StoreError(message) from error
        self._task = asyncio.create_task(self._live(conn, raw))
        return self.id

    async def close(self) -> None:
        """End this life in order."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._engine.dispose()

    async def _connect(self) -> tuple[AsyncConnection, Any]:
        conn = await self._engine.connect()
        try:
            raw: Any = (await conn.get_raw_connection()).driver_connection
            raw.add_termination_listener(self._lost)
            await raw.add_listener(CHANNEL, self._on_notice)
            key = secrets.randbits(_KEY_BITS)  # nobody else holds it, so this does not wait
            await raw.execute(f"SELECT pg_advisory_lock({key})")
            self.id = str(uuid_utils.uuid7())
            await conn.run_sync(register, self.id, key)
        except BaseException:
            await _drop(conn)
            raise
        self._held, self._answered_at = True, time.monotonic()
        return conn, raw

    def _lost(self, _raw: object) -> None:
        self._held = False
        self._hinted.set()  # so that the task looks

    def _on_notice(self, raw: Any, pid: int, _channel: str, _payload: object) -> None:
        if pid != raw.get_server_pid():
            self._wake()

    async def _live(self, conn: AsyncConnection, raw: Any) -> None:
        try:
            while True:
                try:
                    await self._beat(raw)
                except driver_errors.ANY:
                    self._held = False
                if not self._held:
                    await _drop(conn)
                    conn, raw = await self._again()
        finally:
            if self._held:
                with contextlib.suppress(*driver_errors.ANY):
                    await conn.run_sync(end, frozenset({self.id}))
            self._held = False
            await _drop(conn)

    async def _beat(self, raw: Any) -> None:
        """Give hints as they come, and ask for a sign of life when there are none."""
        try:
            async with asyncio.timeout(_HEARTBEAT_S):
                await self._hinted.wait()
        except TimeoutError:
            statement = "SELECT 1"
        else:
            await asyncio.sleep(_COALESCE_S)
            self._hinted.clear()
            statement = f"NOTIFY {CHANNEL}"
        if self._held:
            await raw.execute(statement, timeout=_ANSWER_S)
            self._answered_at = time.monotonic()

    async def _again(self) -> tuple[AsyncConnection, Any]:
        tries = 0
        while True:
            try:
                conn, raw = await self._connect()
            except driver_errors.ANY:
                await asyncio.sleep(_RECONNECT_S[min(tries, len(_RECONNECT_S) - 1)])
                tries += 1
            else:
                self._renewed(self.id)
                return conn, raw


async def _drop(conn: AsyncConnection) -> None:
    """Close for good: the lock must not live on in a pooled session."""
    with contextlib.suppress(Exception):
        await conn.invalidate()
    with contextlib.suppress(Exception):
        await conn.close()
