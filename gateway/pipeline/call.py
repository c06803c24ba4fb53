"""The one place where a road is called: for a parcel that the rules allow, and for our receipt to who sent us a message.

A test over the source holds that nothing else in the gateway calls what adapters send with.
"""

import asyncio

from gateway import limits
from gateway.crashpoints import Point, Side, crashpoint
from gateway.domain.guards import Allowed
from gateway.errors import PolicyError
from gateway.pipeline.environment import Environment
from gateway.pipeline.roads import OpenRoad
from gateway.spi import Outcome, Parcel, Uncertain, attempt
from gateway.store.outbox import Item


async def call(env: Environment, road: OpenRoad, item: Item, parcel: Parcel, allowed: Allowed) -> Outcome:
    """Let the adapter try once to send what the rules allow. Raises PolicyError for another parcel than that."""
    if allowed.parcel != parcel.key:
        message = "the rules were asked about another parcel"
        raise PolicyError(message)
    return await _try_once(env, road, item, parcel)


async def call_with_receipt(env: Environment, road: OpenRoad, item: Item, parcel: Parcel) -> Outcome:
    """Let the adapter try once to tell a sender what became of its own message. Raises PolicyError for anything else."""
    if parcel.answers is None or parcel.answers.fate is None or parcel.letter is not None:
        message = "this is no receipt"
        raise PolicyError(message)
    return await _try_once(env, road, item, parcel)


async def _try_once(env: Environment, road: OpenRoad, item: Item, parcel: Parcel) -> Outcome:
    """One attempt; whatever becomes of it has a name."""

    def failed(error: Exception) -> None:
        env.log.warning("adapter.failed", message_id=item.message_id, partner=road.adapter, exc_info=error)

    await env.right_of_way.give()
    crashpoint(Point.SEND, Side.BEFORE)
    outcome: Outcome = Uncertain("silence")
    try:
        async with asyncio.timeout(env.settings.flow.send_s_max + parcel.size_bytes / limits.SEND_BYTES_PER_S_MIN):
            outcome = await attempt(road.outbound, parcel, failed)
    except TimeoutError:
        env.log.warning("adapter.silent", message_id=item.message_id, partner=road.adapter)
    crashpoint(Point.SEND, Side.AFTER)
    return outcome
