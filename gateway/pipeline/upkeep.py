"""Makes good what somebody changed behind our back: lost effects, edited states, files that no row names.

A message's state and owed effects can be derived from its journal. Where the tables differ from what is derived, the
tables are mended and an alarm rings: edits to operational columns can only delay (decisions 5.3).
"""

import asyncio
import time
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from gateway.crashpoints import Point
from gateway.domain.lifecycle import FINAL
from gateway.limits import ORPHAN_FILE_AGE_S
from gateway.pipeline.environment import Environment
from gateway.pipeline.rounds import every
from gateway.store import alarms, consistency, journal, unit_of_work
from gateway.store.alarms import AlarmCode
from gateway.store.database import locked_state
from gateway.store.tables import message_state

EVERY_S: Final = 60.0
_RESTING_US: Final = 60_000_000  # what moved a moment ago is under way, not lost
_BATCH: Final = 100


async def run_upkeep(env: Environment, stop: asyncio.Event) -> None:
    """Look through all unfinished messages, a batch a minute, until told to stop."""
    after, env = "", env.giving_way()

    async def batch() -> None:
        nonlocal after
        after = await mend_batch(env, after)
        await mend_numbering(env)
        if not after:
            await sweep_files(env)

    await every(EVERY_S, stop, env.log, batch)


async def mend_batch(env: Environment, after: str = "", *, resting_us: int = _RESTING_US) -> str:
    """Mend the next messages after an id; returns where to go on, empty at the end."""
    before = env.now() - resting_us
    query = (
        select(message_state.c.message_id)
        .where(
            message_state.c.state.not_in([state.value for state in FINAL]),
            message_state.c.since <= before,
            message_state.c.message_id > after,
        )
        .order_by(message_state.c.message_id)
        .limit(_BATCH)
    )
    ids = await env.store.read(lambda conn: [row.message_id for row in conn.execute(query)])
    for message_id in ids:
        if await env.store.read(partial(_differs, message_id)):
            await env.store.write(partial(_mend, env, message_id), Point.SWEEP)
    return ids[-1] if len(ids) == _BATCH else ""


async def mend_numbering(env: Environment) -> int:
    """Entries that lost their place in the line for a leaf number get it again; returns how many, and rings for them."""
    if not await env.store.read(journal.lost):  # looked for where reports do not wait for it
        return 0

    def work(conn: Connection) -> int:
        lost = journal.queue_lost(conn)
        if lost:
            code = AlarmCode.STATE_REPAIRED
            alarms.ring(conn, tenant="*", code=code, subject="log", at=env.now(), level=min(lost, 3))
        return lost

    return await env.store.write(work, Point.SWEEP)


def _differs(message_id: str, conn: Connection) -> bool:
    row = conn.execute(select(message_state).where(message_state.c.message_id == message_id)).one()
    return bool(consistency.faults_of(conn, row))


def _mend(env: Environment, message_id: str, conn: Connection) -> None:
    """Under the state's lock: the state as it was told, and what it owes."""
    row = locked_state(conn, message_id)
    if row is None or not (faults := consistency.faults_of(conn, row)):
        return  # it moved on meanwhile
    told = consistency.derive(message_id, row.direction, journal.of_message(conn, message_id))
    if (row.state, row.generation) != (told.state.value, told.generation):
        values = {"state": told.state.value, "generation": told.generation}
        conn.execute(message_state.update().where(message_state.c.message_id == message_id).values(**values))
        row = _again(conn, message_id)
    for effect in consistency.missing_effects(conn, row, told):
        unit_of_work.owe(conn, row, effect)
    code = AlarmCode.STATE_REPAIRED
    alarms.ring(conn, tenant=row.tenant, code=code, subject=message_id, at=env.now(), level=min(len(faults), 3))


def _again(conn: Connection, message_id: str) -> Row[Any]:
    return conn.execute(select(message_state).where(message_state.c.message_id == message_id)).one()


async def sweep_files(env: Environment) -> int:
    """Remove payload files that no row names and that nobody has touched for a day; returns how many.

    None after a restore until a person closes the alarm: then they are what is left of messages that the copy lacks.
    """
    folder = env.vault.folder
    if await env.store.read(lambda conn: alarms.open_subjects(conn, AlarmCode.RESTORED)):
        return 0
    before = time.time() - ORPHAN_FILE_AGE_S
    unnamed = await env.store.read(lambda conn: folder.unnamed(conn, before))
    for path in unnamed:
        await asyncio.to_thread(path.unlink, missing_ok=True)
    return len(unnamed)
