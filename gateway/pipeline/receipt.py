"""The business receipt: what the sender is told, and only when it is true.

On the HTTPS road the sender polls, so the receipt is a row of its status history, written in the same commit that ends
the message. On Fiks IO it is sent, and the message ends when the platform has taken it. Safe to repeat: rows are unique,
the state table lets a message end once, and a sender may hear the same receipt twice.
"""

from typing import Final

from sqlalchemy import Connection

from gateway.crashpoints import Point
from gateway.domain import history as words
from gateway.domain.lifecycle import Effect, Event, State
from gateway.domain.message_type import Lane
from gateway.errors import PartnerRefusedError
from gateway.pipeline import answer
from gateway.pipeline.environment import Environment
from gateway.pipeline.send import code_of, later
from gateway.spi import Outcome, Refused
from gateway.store import messages, outbox, parcels, unit_of_work
from gateway.store.database import locked_state
from gateway.store.outbox import Item
from gateway.store.parcels import StoredParcel

_OWED: Final = {
    Effect.RECEIPT_POSITIVE: frozenset({State.CONFIRMED, State.DUPLICATE}),
    Effect.RECEIPT_NEGATIVE: frozenset({State.REFUSED, State.DUPLICATE}),
}


async def send_receipt(env: Environment, item: Item) -> str:
    """Perform RECEIPT_POSITIVE or RECEIPT_NEGATIVE. Returns the outcome's code."""
    chosen = await env.store.read(lambda conn: parcels.in_force(conn, item.message_id))
    if chosen is None:
        return await env.store.write(lambda conn: _end(env, conn, item), Point.RECEIPT, Lane(item.lane))
    if item.suspect:  # as in ``send``: the call is the road's own worker's
        return await later(env, item, "not-called:suspect", delay_s=0)
    outcome = await answer.try_answer(env, item, chosen, _OWED[item.effect])
    code = await env.store.write(lambda conn: _settle(env, conn, item, chosen, outcome), Point.RECEIPT, Lane(item.lane))
    if isinstance(outcome, Refused):  # committed, and now a person must look
        raise PartnerRefusedError(outcome.code)
    return code


def _settle(env: Environment, conn: Connection, item: Item, chosen: StoredParcel, outcome: Outcome | None) -> str:
    if outcome is None or answer.settled(env, conn, item, chosen, outcome):
        return _end(env, conn, item)
    return code_of(outcome).partition(":")[0]


def _end(env: Environment, conn: Connection, item: Item) -> str:
    """The sender knows, or can look: the message is at its end."""
    now = env.now()
    state = locked_state(conn, item.message_id)
    if state is None or not outbox.held(conn, item):
        return "lease-lost"
    if state.state not in _OWED[item.effect]:
        outbox.finish(conn, item, "overtaken", now)
        return "overtaken"
    row = messages.get(conn, item.message_id)
    if item.effect is Effect.RECEIPT_POSITIVE:
        messages.add_history(conn, row.tenant, row.id, words.SENDT_FAGSYSTEM, now)
        messages.add_history(conn, row.tenant, row.id, words.LEVERT, now)
        value = "delivered"
    else:
        messages.add_history(conn, row.tenant, row.id, words.AVVIST_FAGSYSTEM, now)
        value = "refused"
    moved = unit_of_work.move_locked(
        conn, state, unit_of_work.Happening(Event.RECEIPT_SENT, "gateway", now, cause=value)
    )
    messages.add_receipt(conn, row.tenant, row.id, "application", value, now, moved.entry_id)
    outbox.finish(conn, item, value, now)
    return value
