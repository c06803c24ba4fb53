"""The case system takes a message back, while nothing of it has left.

Safe to repeat: a withdrawn message stays withdrawn, and the same call gets the same answer.
"""

from sqlalchemy import Connection

from gateway.crashpoints import Point
from gateway.domain.lifecycle import Event, State
from gateway.errors import ConflictError, UnknownResourceError
from gateway.pipeline.environment import Environment
from gateway.pipeline.hand_over import NO_SUCH, CaseSystemClient, note
from gateway.pipeline.notes import Note, keep
from gateway.store import journal, messages, parcels, payloads, unit_of_work
from gateway.store.database import locked_state


async def withdraw(env: Environment, client: CaseSystemClient, message_id: str, reason: str) -> None:
    """Take it back. Raises UnknownResourceError, or ConflictError when something has left or may have."""
    answer = await env.store.write(lambda conn: _withdraw(env, conn, client, message_id, reason), Point.WITHDRAW)
    if answer is not None:  # the attempt itself is evidence and had to be committed
        raise answer


def _withdraw(
    env: Environment, conn: Connection, client: CaseSystemClient, message_id: str, reason: str
) -> ConflictError | None:
    state = locked_state(conn, message_id)
    row = messages.find(conn, message_id, client.tenants)
    if state is None or row is None or row.direction != "ut":
        raise UnknownResourceError(NO_SUCH)
    if row.state == State.WITHDRAWN:
        return None
    left = parcels.may_have_left(conn, message_id)
    if left or not unit_of_work.legal(state, Event.WITHDREW):
        note(env, conn, client, row, journal.LATE, {"event": Event.WITHDREW.value, "state": row.state})
        detail = "it has left, or may have; ask the recipient" if left else f"the message is {row.state}"
        return ConflictError(detail, code="already-left" if left else None)
    key = env.vault.unlock(row.tenant, message_id, payloads.find_key(conn, message_id))
    now = env.now()
    commit = keep(conn, key, Note(now, client.id, Event.WITHDREW, reason))
    unit_of_work.move(conn, message_id, unit_of_work.Happening(Event.WITHDREW, client.id, now, commit=commit))
    return None
