"""Working the queue off in a test: the real worker's step, without its waiting."""

from sqlalchemy import select

from gateway.crashpoints import Point
from gateway.domain.lifecycle import State
from gateway.domain.message_type import Lane
from gateway.pipeline.environment import Environment
from gateway.pipeline.worker import perform
from gateway.store import outbox
from gateway.store.tables import message_state


async def work_off(env: Environment, owner: str = "test-worker") -> int:
    """Perform everything that is due; returns how many effects ran."""
    count = 0
    while items := await env.store.write(
        lambda conn: outbox.claim(
            conn, owner=owner, lanes=[lane.value for lane in Lane], limit=10, lease_s=60, suspects=False
        ),
        Point.CLAIM_WORK,
    ):
        for item in items:
            await perform(env, item)
            count += 1
    return count


async def state_of(env: Environment, message_id: str) -> State:
    """The message's state now."""
    query = select(message_state.c.state).where(message_state.c.message_id == message_id)
    return State(await env.store.read(lambda conn: conn.execute(query).scalar_one()))
