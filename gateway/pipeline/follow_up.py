"""Nobody knows whether the partner has it: the partner is asked before anything is sent again. The effect ASK_STATUS.

Safe to repeat: a question changes nothing at the partner.
"""

import asyncio

from sqlalchemy import Connection

from gateway.crashpoints import Point, Side, crashpoint
from gateway.domain.lifecycle import Event, State
from gateway.domain.message_type import Lane
from gateway.pipeline import flow
from gateway.pipeline.backoff import backoff_s
from gateway.pipeline.environment import Environment
from gateway.pipeline.outgoing import Outgoing, load, overtaken, still_owed
from gateway.pipeline.partner_words import keep_words
from gateway.pipeline.roads import OpenRoad
from gateway.pipeline.seal import known_parcel
from gateway.pipeline.send import code_of, event_of, keep_reference, move_on
from gateway.spi import Outcome, Parcel, TryLater, Uncertain
from gateway.store import outbox, parcels
from gateway.store.outbox import Item


async def ask(env: Environment, item: Item) -> str:
    """Perform ASK_STATUS. Returns the outcome's first word."""
    outgoing = await load(env, item.message_id)
    if (outgoing.state, outgoing.generation) != (State.UNCERTAIN, item.generation):
        return await env.store.write(lambda conn: overtaken(env, conn, item), Point.ASKED, Lane(item.lane))
    chosen = outgoing.parcels[-1]
    road = env.roads.find(chosen.adapter)
    if road is None:
        return await _not_now(env, item, "not-called:road-not-open", backoff_s(env, item.attempt))
    if item.suspect:  # suspects run alone and call nobody: a silent partner would hold every lane
        return await _not_now(env, item, "not-called:suspect", 0)
    answer = await _question(env, road, item, await known_parcel(env, outgoing, chosen))
    return await env.store.write(
        lambda conn: _answered(env, conn, item, outgoing, answer), Point.ASKED, Lane(item.lane)
    )


async def _question(env: Environment, road: OpenRoad, item: Item, parcel: Parcel) -> Outcome | None:
    crashpoint(Point.ASK, Side.BEFORE)
    answer: Outcome | None = Uncertain("silence")
    try:
        async with asyncio.timeout(env.settings.flow.send_s_max):
            answer = await road.outbound.status(parcel)
    except Exception as error:  # an adapter's: without an answer it is as uncertain as before
        env.log.warning("adapter.failed", message_id=item.message_id, partner=road.adapter, exc_info=error)
    crashpoint(Point.ASK, Side.AFTER)
    return answer


def _answered(env: Environment, conn: Connection, item: Item, outgoing: Outgoing, answer: Outcome | None) -> str:
    now = env.now()
    chosen = outgoing.parcels[-1]
    owed = still_owed(conn, item, State.UNCERTAIN)
    if answer is not None:
        flow.note(env, conn, chosen.adapter, answer)
        keep_reference(conn, chosen, answer, now)
        keep_words(env, conn, chosen, answer.evidence if not isinstance(answer, Uncertain) else ())
    if not owed or not outbox.held(conn, item):
        return overtaken(env, conn, item)
    if isinstance(answer, Uncertain):
        outbox.retry(conn, item, code_of(answer), now, backoff_s(env, item.attempt))
        return "uncertain"
    event = Event.CANNOT_ASK if answer is None else event_of(env, conn, outgoing, answer) or Event.NOT_TAKEN
    generation = move_on(env, conn, outgoing, event, answer)
    if event is Event.NOT_TAKEN:
        wait_s = backoff_s(env, parcels.attempts(conn, item.message_id))
        asked = answer.after_s or 0.0 if isinstance(answer, TryLater) else 0.0
        parcels.delay_send(conn, item.message_id, generation, max(wait_s, asked))
    outbox.finish(conn, item, event.value, now)
    return event.value


async def _not_now(env: Environment, item: Item, code: str, delay_s: float) -> str:
    def work(conn: Connection) -> str:
        if outbox.held(conn, item):
            outbox.retry(conn, item, code, env.now(), delay_s)
        return "not-called"

    return await env.store.write(work, Point.ASKED, Lane(item.lane))
