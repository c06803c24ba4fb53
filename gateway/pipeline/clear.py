"""The rules are asked and a road is chosen: the effects CHECK_GUARDS and NEXT_ROAD, one commit.

Safe to repeat: nothing leaves here, and a road that was chosen stays chosen until it is proven closed.
"""

import uuid

from sqlalchemy import Connection

from gateway.crashpoints import Point
from gateway.domain.guards import Decision, Stopped
from gateway.domain.lifecycle import Effect, Event, State
from gateway.domain.message_type import Lane
from gateway.domain.routing import next_road
from gateway.pipeline.environment import Environment
from gateway.pipeline.outgoing import Outgoing, judge, load, overtaken, still_owed
from gateway.store import outbox, parcels, unit_of_work
from gateway.store.outbox import Item
from gateway.store.parcels import StoredParcel


async def clear(env: Environment, item: Item) -> str:
    """Perform CHECK_GUARDS or NEXT_ROAD. Returns the outcome's code."""
    outgoing = await load(env, item.message_id)
    decision = judge(env, outgoing)
    return await env.store.write(
        lambda conn: _commit(env, conn, item, outgoing, decision), Point.CLEARED, Lane(item.lane)
    )


def _commit(env: Environment, conn: Connection, item: Item, outgoing: Outgoing, decision: Decision) -> str:
    now = env.now()
    if not still_owed(conn, item, State.ACCEPTED) or not outbox.held(conn, item):
        return overtaken(env, conn, item)
    chosen = decision.code if isinstance(decision, Stopped) else _choose(env, conn, item, outgoing)
    if isinstance(chosen, str):
        unit_of_work.move(
            conn, item.message_id, unit_of_work.Happening(Event.GUARDS_STOPPED, "gateway", now, cause=chosen)
        )
        outbox.finish(conn, item, chosen, now)
        return Event.GUARDS_STOPPED.value
    refs: dict[str, str | int] = {"road": chosen.road, "guards": " ".join(env.roads.guards)}
    unit_of_work.move(conn, item.message_id, unit_of_work.Happening(Event.GUARDS_PASSED, "gateway", now, refs=refs))
    outbox.finish(conn, item, Event.GUARDS_PASSED.value, now)
    return Event.GUARDS_PASSED.value


def _choose(env: Environment, conn: Connection, item: Item, outgoing: Outgoing) -> StoredParcel | str:
    """The road in force, or the next one where none is yet or it was proven closed; a code when there is none."""
    earlier = parcels.all_of(conn, item.message_id)
    if earlier and item.effect is not Effect.NEXT_ROAD:
        return earlier[-1]
    road = next_road(env.roads.roads_of(outgoing.row.type), [one.road for one in earlier])
    if road is None:
        return "no-road-left"
    recipient = road.recipient(outgoing.melding.mottaker.addresses())
    if recipient is None:
        return "no-address"
    chosen = StoredParcel(
        tenant=outgoing.row.tenant,
        message_id=item.message_id,
        number=len(earlier) + 1,
        road=str(road),
        adapter=road.adapter,
        recipient=recipient,
        key=str(uuid.uuid4()),  # random: it tells a partner nothing, and is stored before it is used
    )
    parcels.add(conn, chosen, env.now())
    return chosen
