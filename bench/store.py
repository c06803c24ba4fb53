"""Durable transactions a second of the embedded store: a message, its state, 2 kB of payload, an entry and an effect each."""

import asyncio
import os
import time
from pathlib import Path
from typing import Final

import uuid_utils
from sqlalchemy import Connection

from gateway.crashpoints import Point
from gateway.domain.lifecycle import Effect, State
from gateway.domain.message_type import Lane
from gateway.store import journal, payloads, unit_of_work
from gateway.store.migrate import create_sqlite
from gateway.store.payloads import StoredRecord
from gateway.store.sqlite import SqliteStore

_PAYLOAD: Final = os.urandom(2000)
_TENANT: Final = "4601-02"


async def measure_store(folder: Path, callers: int, seconds: float) -> float:
    """Transactions a second of the clock, with so many callers that each wait for their commit."""
    store = SqliteStore(create_sqlite(folder, "https://bench.test/"), busy_timeout_s=10)
    until = time.perf_counter() + seconds

    async def call() -> int:
        count = 0
        while time.perf_counter() < until:
            await store.write(_take_in, Point.ADMIN, Lane.CONCERN)
            count += 1
        return count

    try:
        return sum(await asyncio.gather(*(call() for _ in range(callers)))) / seconds
    finally:
        await store.close()


def _take_in(conn: Connection) -> None:
    message_id, at = str(uuid_utils.uuid7()), time.time_ns() // 1000
    values = {
        "id": message_id,
        "tenant": _TENANT,
        "direction": "inn",
        "road": "bench",
        "sender": "bench",
        "type": "bekymringsmelding.offentlig/v2",
        "lane": Lane.CONCERN.value,
        "arrived_at": at,
    }
    unit_of_work.create(conn, values, State.RECEIVED, Effect.OPEN, at)
    payloads.insert(conn, _TENANT, message_id, "part:asice", StoredRecord(len(_PAYLOAD), _PAYLOAD, None))
    refs: dict[str, str | int] = {"road": "bench", "type": "bench", "size": len(_PAYLOAD)}
    journal.write(conn, journal.Entry(journal.ARRIVED, _TENANT, at, "bench", message_id, refs=refs))
