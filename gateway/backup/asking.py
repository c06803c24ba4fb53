"""What partners say of parcels that a restored copy has not finished: asked before anything is sent again.

A question changes nothing, here or at the partner. The answer is for the person who releases the road.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from gateway.domain.lifecycle import State
from gateway.errors import GatewayError
from gateway.pipeline.environment import Environment
from gateway.pipeline.outgoing import Outgoing, load
from gateway.pipeline.seal import known_parcel
from gateway.pipeline.send import code_of
from gateway.spi import Outcome, Uncertain
from gateway.store.tables import message_state, payload

_UNFINISHED = (State.CLEARED, State.UNCERTAIN, State.SENT)


@dataclass(slots=True)
class Answers:
    """What one road's partner says. ``by_word``: how many parcels by answer; ``taken``: messages that it has."""

    road: str
    by_word: Counter[str] = field(default_factory=Counter)
    taken: list[str] = field(default_factory=list)


async def ask_roads(env: Environment) -> list[Answers]:
    """Ask each open road of each unfinished parcel that was sealed; a road that cannot be asked says so."""
    found: dict[str, Answers] = {}
    for message_id in await env.store.read(_sealed):
        outgoing = await load(env, message_id)
        adapter = outgoing.parcels[-1].adapter
        answers = found.setdefault(adapter, Answers(adapter))
        word = await _asked(env, outgoing, adapter)
        answers.by_word[word] += 1
        if word == "taken":
            answers.taken.append(message_id)
    return [found[road] for road in sorted(found)]


async def _asked(env: Environment, outgoing: Outgoing, adapter: str) -> str:
    road = env.roads.find(adapter)
    if road is None:
        return "road-not-open"
    answer: Outcome | None = Uncertain("silence")
    try:
        parcel = await known_parcel(env, outgoing, outgoing.parcels[-1])
        async with asyncio.timeout(env.settings.flow.send_s_max):
            answer = await road.outbound.status(parcel)
    except GatewayError as error:
        return error.code
    except Exception as error:  # an adapter's
        env.log.warning("adapter.failed", message_id=outgoing.row.id, partner=adapter, exc_info=error)
    return code_of(answer).partition(":")[0] if answer is not None else "cannot-be-asked"


def _sealed(conn: Connection) -> list[str]:
    """Messages on their way out that have a sealed parcel."""
    query = (
        select(message_state.c.message_id)
        .where(message_state.c.state.in_([state.value for state in _UNFINISHED]))
        .where(
            select(payload.c.id)
            .where(payload.c.message_id == message_state.c.message_id, payload.c.purpose.startswith("parcel:"))
            .exists()
        )
        .order_by(message_state.c.message_id)
    )
    return list(conn.execute(query).scalars())
