"""Looks after keys in tokens: rings when one is away, and wakes what waits for it when it is back.

Each look also tries to take a lost token up again, so that nothing hangs on traffic.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

from sqlalchemy import Connection

from gateway.crashpoints import Point
from gateway.errors import KeyUnavailableError, StoreError
from gateway.pipeline.environment import Environment
from gateway.pipeline.rounds import beside
from gateway.store import alarms
from gateway.store.alarms import AlarmCode
from gateway.store.waking import wake

EVERY_S: Final = 10.0
_SUBJECT_CHARS_MAX: Final = 128

MissingKeys = Callable[[], Sequence[str]]
"""The keys that are away now, by names of the configuration. May block."""


@asynccontextmanager
async def watching_keys(env: Environment, missing: MissingKeys) -> AsyncIterator[None]:
    """Watch until the context ends."""
    async with beside(_run(env, missing)):
        yield


async def _run(env: Environment, missing: MissingKeys) -> None:
    while True:
        await env.clock.sleep(EVERY_S)
        try:
            await watch_keys(env, missing)
        except StoreError as error:
            env.log.warning("watch.failed", code=error.code)


async def watch_keys(env: Environment, missing: MissingKeys) -> None:
    """Ring for each key that is away; for one that is back close, and let what waited go on."""
    away = {name[:_SUBJECT_CHARS_MAX] for name in await asyncio.to_thread(missing)}
    code, at = AlarmCode.KEY_UNAVAILABLE, env.now()
    rung = await env.store.read(lambda conn: alarms.open_subjects(conn, code))
    if away == rung:
        return

    def judge(conn: Connection) -> None:
        for name in sorted(away - rung):
            alarms.ring(conn, tenant="*", code=code, subject=name, at=at, level=2)
        for name in sorted(rung - away):
            alarms.close(conn, tenant="*", code=code, subject=name, at=at, actor="gateway")
        if rung - away:
            wake(conn, KeyUnavailableError.code)

    await env.store.write(judge, Point.SWEEP)
