"""What a road sees of its own health becomes alarms, and what its partner says waits there is kept for the balance."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from sqlalchemy import Connection

from gateway.crashpoints import Point
from gateway.errors import StoreError
from gateway.pipeline.environment import Environment
from gateway.spi import Figures, Observation, Trouble, Watch
from gateway.store import alarms, partner_figures
from gateway.store.alarms import AlarmCode

_SUBJECT_CHARS_MAX: Final = 128
_AGAIN_S: Final = 30.0
_ALARMS: Final = {
    Trouble.NOT_CONSUMING: AlarmCode.ROAD_NOT_CONSUMING,
    Trouble.BACKLOG: AlarmCode.ROAD_BACKLOG,
    Trouble.REFUSED: AlarmCode.ROAD_ACCESS_REFUSED,
    Trouble.UNREACHABLE: AlarmCode.ROAD_UNREACHABLE,
    Trouble.KEY_DIFFERS: AlarmCode.ROAD_KEY_DIFFERS,
    Trouble.SILENT: AlarmCode.ROAD_SILENT,
}


@asynccontextmanager
async def watching_roads(env: Environment, watches: Mapping[str, Watch]) -> AsyncIterator[None]:
    """Listen to every road that looks after itself, until the context ends."""
    tasks = [asyncio.create_task(_listen(env, adapter, watch)) for adapter, watch in watches.items()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _listen(env: Environment, adapter: str, watch: Watch) -> None:
    while True:
        try:
            async with contextlib.aclosing(watch.observations()) as seen:
                async for one in seen:
                    await take(env, adapter, one)
        except StoreError as error:  # what is still so is seen again
            env.log.warning("watch.failed", code=error.code)
        except Exception as error:
            env.log.warning("watch.failed", adapter=adapter, exc_info=error)
        await env.clock.sleep(_AGAIN_S)


async def take(env: Environment, adapter: str, seen: Observation | Figures) -> None:
    """Ring, close, or keep. Raises StoreError."""
    at = env.now()
    if isinstance(seen, Figures):
        await env.store.write(lambda conn: _keep(env, conn, adapter, seen, at), Point.SWEEP)
        return
    code, subject = _ALARMS[seen.trouble], seen.subject[:_SUBJECT_CHARS_MAX]
    rung = await env.store.read(lambda conn: alarms.open_subjects(conn, code))
    if seen.well and subject in rung:
        await env.store.write(
            lambda conn: alarms.close(conn, tenant="*", code=code, subject=subject, at=at, actor="gateway"), Point.SWEEP
        )
    elif not seen.well and subject not in rung:
        await env.store.write(
            lambda conn: alarms.ring(conn, tenant="*", code=code, subject=subject, at=at, level=2), Point.SWEEP
        )


def _keep(env: Environment, conn: Connection, adapter: str, seen: Figures, at: int) -> None:
    office = env.offices.at(seen.address)
    if office is not None:
        partner_figures.keep(conn, str(office.tenant), adapter, seen, at)
