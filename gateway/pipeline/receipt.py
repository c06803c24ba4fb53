"""The business receipt: what the sender is told, and only when it is true.

On the HTTPS road the sender polls, so the receipt is a row of its status history, written in the same commit that ends
the message. Safe to repeat: rows are unique and the state table lets a receipt be sent once.
"""

from typing import Final

from sqlalchemy import Connection

from gateway.crashpoints import Point
from gateway.domain import history as words
from gateway.domain.lifecycle import Effect, Event, State
from gateway.domain.message_type import Lane
from gateway.pipeline.environment import Environment
from gateway.store import messages, outbox, unit_of_work
from gateway.store.database import locked_state
from gateway.store.outbox import Item

_OWED: Final = {
    Effect.RECEIPT_POSITIVE: frozenset({State.CONFIRMED, State.DUPLICATE}),
    Effect.RECEIPT_NEGATIVE: frozenset({State.REFUSED, State.DUPLICATE}),
}


async def send_receipt(env: Environment, item: Item) -> str:
    """Perform RECEIPT_POSITIVE or RECEIPT_NEGATIVE. Returns the outcome's code."""
    return await env.store.write(lambda conn: _write(env, conn, item), Point.RECEIPT, Lane(item.lane))


def _write(env: Environment, conn: Connection, item: Item) -> str:
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
    messages.add_receipt(conn, row.tenant, row.id, "application", value, now, moved.journal_id)
    outbox.finish(conn, item, value, now)
    return value
