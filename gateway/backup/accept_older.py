"""A person goes on with a database that is older than the last head signed here: after a fail-over, or a copy put back by hand."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from gateway.backup import checks
from gateway.backup.last_head import last_head
from gateway.backup.standstill import StoodStill, stand_still
from gateway.crashpoints import Point
from gateway.errors import ConflictError
from gateway.pipeline import shred_list
from gateway.pipeline.environment import Environment
from gateway.pipeline.retention import remove_files
from gateway.store.succession import Beginning


@dataclass(frozen=True, slots=True)
class AcceptedOlder:
    """What stands still, and which payload files no row names: their messages came after the copy was made."""

    still: StoodStill
    files_without_row: list[str]


async def accept_older(
    env: Environment, person: str, reason: str, origin: str, shredded: Path | None = None
) -> AcceptedOlder:
    """Begin a log of this name after the last head known here, and let nothing leave. The gateway must not run meanwhile.

    ``shredded``: the list of messages to shred again. Raises ConflictError when the database is not older than
    ``log-head``, TrustError when that file is not ours or the list is none.
    """
    heads = env.heads
    note = await asyncio.to_thread(heads.read_last) if heads is not None else None
    if heads is None or note is None or await heads.is_newest(env.store):
        detail = "the database is not older than the last head signed here: there is nothing to accept"
        raise ConflictError(detail)

    def work(conn: Connection) -> StoodStill:
        last = last_head(conn, note, heads.signer)
        beginning = Beginning(origin, last.origin, last.head.size, last.head.root, person, reason, env.now())
        return stand_still(conn, beginning, shred_list.ids(shredded) if shredded else ())

    still = await env.store.write(work, Point.PERSON)
    await asyncio.to_thread(heads.set_aside)
    await remove_files(env, still.files)
    await env.store.clean()
    folder = env.vault.folder.root
    return AcceptedOlder(still, await env.store.read(lambda conn: checks.files_without_row(conn, folder)))
