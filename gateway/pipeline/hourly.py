"""What is done once an hour: content whose time is over goes, the last days' balance is judged, the list of what went is made whole."""

import asyncio
from datetime import timedelta
from typing import Final

from gateway.domain.deadlines import OSLO
from gateway.pipeline import balance, retention
from gateway.pipeline.environment import Environment
from gateway.pipeline.rounds import every

EVERY_S: Final = 3600.0
_DAYS_JUDGED: Final = 2  # today and yesterday: an edit of either rings within the hour


async def run_hourly(env: Environment, stop: asyncio.Event) -> None:
    """Do it at start and once an hour until told to stop."""
    await every(EVERY_S, stop, env.log, lambda: once(env))


async def once(env: Environment) -> None:
    """One round."""
    gone = await retention.purge(env)
    if gone:
        env.log.info("content.shredded", count=gone)
    today = env.clock.now().astimezone(OSLO).date()
    for back in range(_DAYS_JUDGED):
        await balance.judge(env, today - timedelta(days=back))
    if env.shred_list is not None:  # last, since its disk may be another, and away
        added = await env.shred_list.repair(env.store)
        if added:
            env.log.warning("shred-list.repaired", count=added)
