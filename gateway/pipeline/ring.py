"""Tell case systems that something waits. A bell that nobody hears is an alarm, never a delay: they may always poll.

Safe to repeat: a bell carries the same id each time, and receivers are told to drop a repeated one. Whoever did not answer is
left alone for a while, and then called by one bell at a time until it answers: who hangs holds up nobody else's bells.
"""

from typing import Final

from sqlalchemy import Connection

from gateway.crashpoints import Point, Side, crashpoint
from gateway.domain.message_type import Lane
from gateway.errors import PartnerUnavailableError
from gateway.pipeline.environment import Environment
from gateway.pipeline.send import later
from gateway.pipeline.webhooks import READY, Bell, ring_one
from gateway.store import alarms, outbox, webhooks
from gateway.store.alarms import AlarmCode
from gateway.store.outbox import Item
from gateway.store.webhooks import StoredWebhook

TRIES_MAX: Final = 5


async def ring(env: Environment, item: Item) -> str:
    """Perform RING: every webhook of the office. Raises PartnerUnavailableError while tries are left."""
    if item.suspect:  # as in ``send``: nobody is called while everything waits
        return await later(env, item, "not-called:suspect", delay_s=0)
    hooks = await env.store.read(lambda conn: webhooks.of_tenant(conn, item.tenant))
    bell = Bell(f"{item.message_id}.{item.generation}", READY, {"id": item.message_id})
    deaf = [hook.client_id for hook in hooks if not await _hears(env, hook, bell)]
    if deaf and item.attempt < TRIES_MAX:
        message = "a webhook did not answer"
        raise PartnerUnavailableError(message)
    heard = [hook.client_id for hook in hooks if hook.client_id not in deaf]
    return await env.store.write(lambda conn: _settle(env, conn, item, heard, deaf), Point.RUNG, Lane(item.lane))


async def _hears(env: Environment, hook: StoredWebhook, bell: Bell) -> bool:
    client, pause_s = hook.client_id, env.settings.engine.backoff_first_s
    if client in env.deaf_until:
        if env.clock.monotonic() < env.deaf_until[client]:
            return False
        env.deaf_until[client] = env.clock.monotonic() + pause_s  # this one tries; the others go on waiting
    crashpoint(Point.RING, Side.BEFORE)
    try:
        await ring_one(env, hook, bell)
    except PartnerUnavailableError:
        env.deaf_until[client] = env.clock.monotonic() + pause_s
        return False
    finally:
        crashpoint(Point.RING, Side.AFTER)
    env.deaf_until.pop(client, None)
    return True


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
