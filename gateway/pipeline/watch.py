"""Looks after what an installation stands on: certificates that run out, the disk and what fills it, issuers away.

Nothing here touches a message. What is missed because the store cannot be written is rung at the next look.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from gateway.crashpoints import Point
from gateway.errors import ConfigError, StoreError
from gateway.pipeline import quotas
from gateway.pipeline.environment import Environment
from gateway.pipeline.rounds import beside
from gateway.store import alarms
from gateway.store.alarms import AlarmCode
from gateway.store.database import Work

DAYS_LEFT: Final = (60, 30, 14, 7, 1)
"""An alarm's level grows as each of these passes."""

_CERTIFICATES_EVERY_S: Final = 3600.0
_QUOTAS_EVERY_S: Final = 30.0  # what a client may send in this time is a small part of what may rest here
_ROOM_AGAIN: Final = 1.1  # the alarm closes with a tenth more than the floor, so that it does not flutter
_DISK: Final = "data-dir"
_DAY_S: Final = 86400
SUBJECT_CHARS_MAX: Final = 128

Expiries = Callable[[], Mapping[str, datetime]]
"""When each certificate in use ends, by an id of ours; may block on files and raise ConfigError."""


@asynccontextmanager
async def watching(env: Environment, expiries: Expiries) -> AsyncIterator[None]:
    """Watch until the context ends."""
    async with beside(_run(env, expiries)):
        yield


async def _run(env: Environment, expiries: Expiries) -> None:
    due_at = quotas_due_at = env.clock.monotonic()
    while True:
        try:
            await watch_disk(env)
            if env.clock.monotonic() >= quotas_due_at:
                quotas_due_at = env.clock.monotonic() + _QUOTAS_EVERY_S
                await quotas.measure(env)
            if env.clock.monotonic() >= due_at:
                due_at = env.clock.monotonic() + _CERTIFICATES_EVERY_S
                await watch_certificates(env, expiries)
        except (StoreError, ConfigError) as error:
            env.log.warning("watch.failed", code=error.code)
        await env.clock.sleep(env.settings.engine.sweep_s)


async def watch_certificates(env: Environment, expiries: Expiries) -> None:
    """Ring for each certificate that ends soon, louder as it comes nearer; close for those that were renewed."""
    ends = await asyncio.to_thread(expiries)
    now = env.clock.now()
    left_s = {subject: (end - now).total_seconds() for subject, end in ends.items()}
    levels = {subject: sum(left < _DAY_S * days for days in DAYS_LEFT) for subject, left in left_s.items()}
    at = env.now()
    await env.store.write(lambda conn: _judge(conn, levels, at), Point.SWEEP)


def _judge(conn: Connection, levels: Mapping[str, int], at: int) -> None:
    code = AlarmCode.KEY_EXPIRES
    for subject in alarms.open_subjects(conn, code):
        if not levels.get(subject):
            alarms.close(conn, tenant="*", code=code, subject=subject, at=at, actor="gateway")
    for subject, level in levels.items():
        if level:
            alarms.ring(conn, tenant="*", code=code, subject=subject, at=at, level=level)


async def watch_disk(env: Environment) -> None:
    """Ring below the disk floor, where everything but concern reports waits outside (decisions 6.8)."""
    usage = await asyncio.to_thread(shutil.disk_usage, env.vault.folder.root)
    floor, at, code = env.settings.intake.disk_floor_bytes, env.now(), AlarmCode.DISK_FLOOR
    rung = await env.store.read(lambda conn: alarms.open_subjects(conn, code))
    if usage.free < floor and not rung:
        await env.store.write(lambda conn: alarms.ring(conn, tenant="*", code=code, subject=_DISK, at=at), Point.SWEEP)
    elif rung and usage.free >= floor * _ROOM_AGAIN:
        await env.store.write(
            lambda conn: alarms.close(conn, tenant="*", code=code, subject=_DISK, at=at, actor="gateway"), Point.SWEEP
        )


class IssuerAlarms:
    """Rings when an issuer's keys cannot be fetched, and closes when they can; never in the way of a request."""

    def __init__(self, env: Environment) -> None:
        self._env = env
        self._writing: set[asyncio.Task[None]] = set()

    def ring(self, issuer: str) -> None:
        """The issuer's keys could not be had."""
        subject, at, code = issuer[:SUBJECT_CHARS_MAX], self._env.now(), AlarmCode.ISSUER_UNREACHABLE
        self._begin(lambda conn: alarms.ring(conn, tenant="*", code=code, subject=subject, at=at))

    def close(self, issuer: str) -> None:
        """They could."""
        subject, at, code = issuer[:SUBJECT_CHARS_MAX], self._env.now(), AlarmCode.ISSUER_UNREACHABLE
        self._begin(lambda conn: alarms.close(conn, tenant="*", code=code, subject=subject, at=at, actor="gateway"))

    async def finish(self) -> None:
        """Wait for what is begun."""
        await asyncio.gather(*self._writing)

    def _begin(self, work: Work[bool]) -> None:
        task = asyncio.get_running_loop().create_task(self._write(work))
        self._writing.add(task)  # a task that nobody holds may be collected before it ran
        task.add_done_callback(self._writing.discard)

    async def _write(self, work: Work[bool]) -> None:
        try:
            await self._env.store.write(work, Point.ADMIN)
        except StoreError as error:
            self._env.log.warning("store.unavailable", code=error.code)
