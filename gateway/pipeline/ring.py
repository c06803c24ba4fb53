"""Tell case systems that something waits. A bell that nobody hears is an alarm, never a delay: they may always poll.

Safe to repeat: a bell carries the same id each time, and receivers are told to drop a repeated one.
"""

from typing import Final

from sqlalchemy import Connection

from gateway.crashpoints import Point, Side, crashpoint
from gateway.domain.message_type import Lane
from gateway.errors import PartnerUnavailableError
from gateway.pipeline.environment import Environment
from gateway.pipeline.webhooks import READY, Bell, ring_one
from gateway.store import alarms, outbox, webhooks
from gateway.store.alarms import AlarmCode
from gateway.store.outbox import Item

TRIES_MAX: Final = 5


async def ring(env: Environment, item: Item) -> str:
    """Perform RING: every webhook of the office. Raises PartnerUnavailableError while tries are left."""
    hooks = await env.store.read(lambda conn: webhooks.of_tenant(conn, item.tenant))
    bell = Bell(f"{item.message_id}.{item.generation}", READY, {"id": item.message_id})
    deaf: list[str] = []
    for hook in hooks:
        crashpoint(Point.RING, Side.BEFORE)
        try:
            await ring_one(env, hook, bell)
        except PartnerUnavailableError:
            deaf.append(hook.client_id)
        crashpoint(Point.RING, Side.AFTER)
    if deaf and item.attempt < TRIES_MAX:
        message = "a webhook did not answer"
        raise PartnerUnavailableError(message)
    heard = [hook.client_id for hook in hooks if hook.client_id not in deaf]
    return await env.store.write(lambda conn: _settle(env, conn, item, heard, deaf), Point.RUNG, Lane(item.lane))


def _settle(env: Environment, conn: Connection, item: Item, heard: list[str], deaf: list[str]) -> str:
    now = env.now()
    for client_id in deaf:
        alarms.ring(conn, tenant=item.tenant, code=AlarmCode.WEBHOOK_FAILING, subject=client_id, at=now)
    for client_id in heard:
        code = AlarmCode.WEBHOOK_FAILING
        alarms.close(conn, tenant=item.tenant, code=code, subject=client_id, at=now, actor="gateway")
    outcome = "unheard" if deaf else "rung"
    if outbox.held(conn, item):
        outbox.finish(conn, item, outcome, now)
    return outcome
