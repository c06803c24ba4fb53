"""The rules are asked and a road is chosen: the effects CHECK_GUARDS and NEXT_ROAD, one commit.

Safe to repeat: nothing leaves here, and a road that was chosen stays chosen until it is proven closed.
"""

import uuid

from sqlalchemy import Connection

from gateway.crashpoints import Point
from gateway.domain.guards import Stopped
from gateway.domain.lifecycle import Effect, Event, State
from gateway.domain.message_type import Lane
from gateway.domain.routing import next_road
from gateway.pipeline.environment import Environment
from gateway.pipeline.outgoing import Outgoing, judge, load, overtaken, road_of, still_owed
from gateway.store import outbox, parcels, unit_of_work
from gateway.store.outbox import Item
from gateway.store.parcels import StoredParcel


async def clear(env: Environment, item: Item) -> str:
    """Perform CHECK_GUARDS or NEXT_ROAD. Returns the outcome's code."""
    outgoing = await load(env, item.message_id)
    chosen = _choose(env, item, outgoing)
    if isinstance(chosen, StoredParcel):
        decision = judge(env, outgoing, road_of(chosen))
        if isinstance(decision, Stopped):
            chosen = decision.code
    return await env.store.write(lambda conn: _commit(env, conn, item, chosen), Point.CLEARED, Lane(item.lane))


def _commit(env: Environment, conn: Connection, item: Item, chosen: StoredParcel | str) -> str:
    """``chosen``: the road's parcel, or why there is none. It was read in the very state that owes this effect."""
    now = env.now()
    if not still_owed(conn, item, State.ACCEPTED) or not outbox.held(conn, item):
        return overtaken(env, conn, item)
    if isinstance(chosen, str):
        unit_of_work.move(
            conn, item.message_id, unit_of_work.Happening(Event.GUARDS_STOPPED, "gateway", now, cause=chosen)
        )
        outbox.finish(conn, item, chosen, now)
        return Event.GUARDS_STOPPED.value
    if chosen.number > len(parcels.all_of(conn, item.message_id)):
        parcels.add(conn, chosen, now)
    refs: dict[str, str | int] = {"road": chosen.road, "guards": " ".join(env.roads.guards)}
    unit_of_work.move(conn, item.message_id, unit_of_work.Happening(Event.GUARDS_PASSED, "gateway", now, refs=refs))
    outbox.finish(conn, item, Event.GUARDS_PASSED.value, now)
    return Event.GUARDS_PASSED.value


def _choose(env: Environment, item: Item, outgoing: Outgoing) -> StoredParcel | str:
    """The road in force, or the next one where none is yet or it was proven closed; a code when there is none."""
    earlier = outgoing.parcels
    if earlier and item.effect is not Effect.NEXT_ROAD:
        return earlier[-1]
    road = next_road(env.roads.roads_of(outgoing.row.type), [one.road for one in earlier])
    if road is None:
        return "no-road-left"
    recipient = road.recipient(outgoing.melding.mottaker.addresses())
    if recipient is None:
        return "no-address"
    return StoredParcel(
        tenant=outgoing.row.tenant,
        message_id=item.message_id,
        number=len(earlier) + 1,
        road=str(road),
        adapter=road.adapter,
        recipient=outgoing.row.person if road.letter else recipient,
        key=str(uuid.uuid4()),  # random: it tells a partner nothing, and is stored before it is used
    )
