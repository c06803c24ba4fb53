"""The rules are asked and a road is chosen: the effects CHECK_GUARDS and NEXT_ROAD, one commit.

Safe to repeat: nothing leaves here, and a road that was chosen stays chosen until it is proven closed.
"""

import uuid
from collections.abc import Callable

from sqlalchemy import Connection

from gateway.crashpoints import Point
from gateway.domain.guards import Stopped
from gateway.domain.lifecycle import Effect, Event, State
from gateway.domain.message_type import Lane
from gateway.domain.routing import Road, next_road
from gateway.pipeline.environment import Environment
from gateway.pipeline.judge import Verdict, judge
from gateway.pipeline.outgoing import Outgoing, load, overtaken, still_owed
from gateway.store import approvals, outbox, parcels, unit_of_work
from gateway.store.outbox import Item
from gateway.store.parcels import StoredParcel


async def clear(env: Environment, item: Item) -> str:
    """Perform CHECK_GUARDS or NEXT_ROAD. Returns the outcome's code."""
    outgoing = await load(env, item.message_id)
    wanted = await env.store.read(lambda conn: _wanted(env, conn, outgoing))
    chosen = _choose(env, item, outgoing, wanted)
    if isinstance(chosen, str):
        return await _write(env, item, lambda conn: _stop(env, conn, item, chosen, None, Verdict(Stopped(chosen))))
    verdict = await judge(env, outgoing, chosen)
    if isinstance(verdict.decision, Stopped):
        code = verdict.decision.code
        return await _write(env, item, lambda conn: _stop(env, conn, item, code, chosen, verdict))
    return await _write(env, item, lambda conn: _pass(env, conn, item, chosen, verdict))


async def _write(env: Environment, item: Item, work: Callable[[Connection], str]) -> str:
    """Commit what follows; it was read in the very state that owes this effect, or is overtaken."""

    def owed(conn: Connection) -> str:
        if not still_owed(conn, item, State.ACCEPTED) or not outbox.held(conn, item):
            return overtaken(env, conn, item)
        return work(conn)

    return await env.store.write(owed, Point.CLEARED, Lane(item.lane))


def _stop(
    env: Environment, conn: Connection, item: Item, code: str, chosen: StoredParcel | None, verdict: Verdict
) -> str:
    """Hold it. The road that follows a closed one stays chosen: a release must not lead back to the closed one."""
    now = env.now()
    if chosen is not None and chosen.number > 1:
        _keep(conn, chosen, now)
    happening = unit_of_work.Happening(Event.GUARDS_STOPPED, "gateway", now, cause=code, refs=verdict.refs)
    unit_of_work.move(conn, item.message_id, happening)
    outbox.finish(conn, item, code, now)
    return Event.GUARDS_STOPPED.value


def _pass(env: Environment, conn: Connection, item: Item, chosen: StoredParcel, verdict: Verdict) -> str:
    now = env.now()
    _keep(conn, chosen, now)
    happening = unit_of_work.Happening(Event.GUARDS_PASSED, "gateway", now, refs=verdict.refs)
    unit_of_work.move(conn, item.message_id, happening)
    outbox.finish(conn, item, Event.GUARDS_PASSED.value, now)
    return Event.GUARDS_PASSED.value


def _keep(conn: Connection, chosen: StoredParcel, now: int) -> None:
    if chosen.number > len(parcels.all_of(conn, chosen.message_id)):
        parcels.add(conn, chosen, now)


def _wanted(env: Environment, conn: Connection, outgoing: Outgoing) -> Road | None:
    """The road that a person chose last and that is still to be begun; None where something may have left over another."""
    text = approvals.chosen_road(conn, outgoing.row.id)
    road = Road.parse(text) if text is not None else None
    begun = {one.road for one in outgoing.parcels}
    if road is None or str(road) in begun or road not in env.roads.roads_of(outgoing.row.type):
        return None
    return None if parcels.may_have_left(conn, outgoing.row.id) else road


def _choose(env: Environment, item: Item, outgoing: Outgoing, wanted: Road | None) -> StoredParcel | str:
    """The road that a person wants, else the one in force, or the next one where none is or it was proven closed.

    A code when there is none.
    """
    earlier = outgoing.parcels
    if earlier and wanted is None and item.effect is not Effect.NEXT_ROAD:
        return earlier[-1]
    road = wanted or next_road(env.roads.roads_of(outgoing.row.type), [one.road for one in earlier])
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
        recipient=str(outgoing.row.person) if road.letter else recipient,
        key=str(uuid.uuid4()),  # random: it tells a partner nothing, and is stored before it is used
    )
