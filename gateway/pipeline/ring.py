"""Tell case systems that something waits. Until webhooks are registered, the commit itself wakes those who poll."""

from gateway.crashpoints import Point
from gateway.domain.message_type import Lane
from gateway.pipeline.environment import Environment
from gateway.store import outbox
from gateway.store.outbox import Item


async def ring(env: Environment, item: Item) -> str:
    """Perform RING. Safe to repeat: a bell may ring twice."""
    now = env.now()
    await env.store.write(lambda conn: outbox.finish(conn, item, "rung", now), Point.RUNG, Lane(item.lane))
    return "rung"
