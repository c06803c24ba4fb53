"""A gateway's process that takes one item, begins it, opens it, and waits for a line before it commits.

``python -m tests.integration.races.standing_process CONFIGURATION``: says ``begun ITEM`` and, after the line, the outcome.
"""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

from gateway import config
from gateway.app import environment, incarnate
from gateway.crashpoints import Point
from gateway.domain.message_type import Lane
from gateway.pipeline.open import open_message
from gateway.store import outbox


class WaitingStore:
    """Lets a line from outside decide when the effect's own commit is made."""

    def __init__(self, inner):
        self._inner = inner

    async def write(self, work, point, lane=Lane.ORDINARY):
        if point is Point.OPENED:
            await asyncio.to_thread(sys.stdin.readline)
        return await self._inner.write(work, point, lane)

    def __getattr__(self, name):
        return getattr(self._inner, name)


async def main(file: Path) -> None:
    async with environment(config.load(file)) as env:
        incarnation = await incarnate(env.store)
        lease_s = env.settings.engine.lease_s
        [item] = await env.store.write(
            lambda conn: outbox.claim(
                conn, owner=incarnation.id, lanes=[Lane.CONCERN.value], limit=1, lease_s=lease_s, suspects=False
            ),
            Point.CLAIM_WORK,
        )
        assert await env.store.write(lambda conn: outbox.begin(conn, item, env.now()), Point.BEGIN_ATTEMPT)
        print("begun", item.id, flush=True)
        print(await open_message(replace(env, store=WaitingStore(env.store)), item), flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
