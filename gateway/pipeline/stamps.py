"""The newest head gets a time stamp of an outside authority, where one is configured. Nothing ever waits for it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from sqlalchemy import Connection, Row

from gateway.crashpoints import Point
from gateway.errors import PartnerError, StoreError, TrustError
from gateway.pipeline.environment import Environment
from gateway.pipeline.rounds import beside
from gateway.store import alarms, journal, log
from gateway.store.alarms import AlarmCode
from gateway.store.database import insert_new
from gateway.store.tables import time_stamp

EVERY_S: Final = 60.0
_SUBJECT: Final = "time-stamp"

Stamp = Callable[[bytes], Awaitable[bytes]]
"""Gives the authority's answer over these octets, already verified. Raises PartnerError, TrustError."""


@asynccontextmanager
async def stamping(env: Environment, stamp: Stamp | None) -> AsyncIterator[None]:
    """Stamp once a minute until the context ends; without an authority, nothing."""
    if stamp is None:
        yield
        return
    async with beside(_run(env, stamp)):
        yield


async def _run(env: Environment, stamp: Stamp) -> None:
    while True:
        try:
            await stamp_newest(env, stamp)
        except StoreError as error:
            env.log.warning("store.unavailable", code=error.code)
        await env.clock.sleep(EVERY_S)


async def stamp_newest(env: Environment, stamp: Stamp) -> None:
    """Stamp the newest head, unless it has one. What fails rings, and closes when the next one comes."""
    newest = await env.store.read(_unstamped)
    if newest is None:
        return
    at, size, code = env.now(), newest.size, AlarmCode.TIME_STAMP_MISSING
    try:
        response = await stamp(newest.note.encode())
    except (PartnerError, TrustError) as error:
        env.log.warning("time-stamp.missing", code=error.code)
        await env.store.write(
            lambda conn: alarms.ring(conn, tenant="*", code=code, subject=_SUBJECT, at=at), Point.NUMBER
        )
        return

    def keep(conn: Connection) -> None:
        values = {"base": newest.base, "size": size, "response": response, "at": at}
        if insert_new(conn, time_stamp, values, ["base", "size"]):
            journal.write(conn, journal.Entry(journal.TIME_STAMPED, "*", at, "gateway", refs={"size": size}))
        alarms.close(conn, tenant="*", code=code, subject=_SUBJECT, at=at, actor="gateway")

    await env.store.write(keep, Point.NUMBER)


def _unstamped(conn: Connection) -> Row[tuple[int, str]] | None:
    """The newest head, if it covers more than the last stamped one and the entry that tells of that stamp."""
    newest = log.newest_head(conn)
    if newest is None:
        return None
    stamped = log.newest_stamp(conn, newest.base)
    return newest if stamped is None or newest.size > stamped + 1 else None
