"""What a named person may decide, always with a reason: hold, release, accept, confirm, refuse, withdraw.

The person stands in the journal as an id, the reason as a commitment: reasons are written by people and may name people.
The reason itself is kept sealed beside the message.
"""

import hashlib
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from gateway import limits
from gateway.crashpoints import Point
from gateway.domain.lifecycle import Event, State
from gateway.errors import ConflictError, MalformedRequestError, UnknownResourceError
from gateway.pipeline.case_events import move_clocks
from gateway.pipeline.environment import Environment
from gateway.pipeline.notes import Note, keep
from gateway.pipeline.release import approve
from gateway.pipeline.vault import MessageKey
from gateway.store import alarms, journal, messages, outbox, payloads, unit_of_work
from gateway.store.alarms import AlarmCode
from gateway.store.database import add_row, locked_state
from gateway.store.tables import confirmation, message

_DECISIONS: Final = {
    "hold": Event.PERSON_HELD,
    "release": Event.PERSON_RELEASED,
    "accept": Event.PERSON_ACCEPTED,
    "confirm": Event.PERSON_CONFIRMED,
    "refuse": Event.PERSON_REFUSED,
    "withdraw": Event.PERSON_WITHDREW,
}


@dataclass(frozen=True, slots=True)
class Decision:
    """Who decides what, and why. ``reference``: where else the report was registered, for a confirmation by hand.

    ``road``: which one a released message is to take, as ``config/routes.toml`` writes it.
    """

    verb: str
    person: str
    reason: str
    reference: str | None = None
    road: str | None = None


async def decide(env: Environment, message_id: str, decision: Decision) -> State:
    """Carry out a person's decision; returns the new state: still HELD where more people must release the message.

    Raises MalformedRequestError without person or reason, UnknownResourceError, ConflictError from a wrong state.
    """
    if not decision.person.strip() or not decision.reason.strip():
        detail = "a decision needs a named person and a reason"
        raise MalformedRequestError(detail)
    if len(decision.person) > limits.PERSON_CHARS_MAX or len(decision.reason) > limits.REASON_CHARS_MAX:
        detail = f"a reason has at most {limits.REASON_CHARS_MAX} characters, a person's id {limits.PERSON_CHARS_MAX}"
        raise MalformedRequestError(detail)
    if decision.verb == "confirm" and not (decision.reference or "").strip():
        detail = "a confirmation by hand needs the reference under which the report is registered"
        raise MalformedRequestError(detail)
    answer = await env.store.write(lambda conn: carry_out(env, conn, message_id, decision), Point.PERSON)
    if isinstance(answer, ConflictError):
        raise answer
    return answer


def carry_out(env: Environment, conn: Connection, message_id: str, decision: Decision) -> State | ConflictError:
    """The decision itself, in the caller's transaction: the new state, or the refusal, which is to be committed too."""
    now = env.now()
    state = locked_state(conn, message_id)
    if state is None:
        detail = "no message has this id"
        raise UnknownResourceError(detail)
    event = _DECISIONS[decision.verb]
    unparked = event is Event.PERSON_RELEASED and outbox.unpark(conn, message_id) > 0
    if not unit_of_work.legal(state, event):
        if unparked:
            return _unparked(env, conn, state, decision, now)
        return _late(conn, state.tenant, message_id, state.state, event, decision, now)
    if event is Event.PERSON_ACCEPTED and not messages.documents(conn, message_id):
        detail = "nothing of it could be read yet, so there is nothing to offer; release it, or confirm it by hand"
        raise ConflictError(detail)
    refs: dict[str, str | int] | None = {}
    if event is Event.PERSON_RELEASED:
        refs = approve(env, conn, state, decision.person, decision.reason, decision.road)
    if refs is None:
        return State(state.state)
    key = env.vault.unlock(state.tenant, message_id, payloads.find_key(conn, message_id))
    commit = keep(conn, key, Note(now, decision.person, event, decision.reason))
    if decision.reference:
        digest = hashlib.sha256(decision.reference.encode()).digest()
        commit["reference"] = journal.commitment(key.salt, digest)
    moved = unit_of_work.move(
        conn, message_id, unit_of_work.Happening(event, decision.person, now, cause="person", refs=refs, commit=commit)
    )
    if event is Event.PERSON_CONFIRMED:
        _confirmed_by_hand(env, conn, key, decision, now)
        messages.add_receipt(conn, state.tenant, message_id, "case-system", "person", now, moved.entry_id)
    if state.direction == "inn":
        row = conn.execute(select(message).where(message.c.id == message_id)).one()
        move_clocks(env, conn, row, "person_sett", now, decision.person)
    return moved.after


def _unparked(env: Environment, conn: Connection, state: Row[Any], decision: Decision, now: int) -> State:
    """What was parked runs again; the state stays, and the journal says who let it."""
    key = env.vault.unlock(state.tenant, state.message_id, payloads.find_key(conn, state.message_id))
    commit = keep(conn, key, Note(now, decision.person, journal.UNPARKED, decision.reason))
    entry = journal.Entry(
        journal.UNPARKED, state.tenant, now, decision.person, message_id=state.message_id, commit=commit
    )
    journal.write(conn, entry)
    return State(state.state)


def _confirmed_by_hand(env: Environment, conn: Connection, key: MessageKey, decision: Decision, now: int) -> None:
    reference = str(decision.reference).encode()
    add_row(
        conn,
        confirmation,
        message_id=key.message_id,
        tenant=key.tenant,
        kind="person",
        actor=decision.person,
        at=now,
        reference=key.seal("reference", reference),
        reference_mac=env.vault.mac(key.tenant, "reference", reference),
        documents_mac="",
    )


def _late(
    conn: Connection, tenant: str, message_id: str, state: str, event: Event, decision: Decision, now: int
) -> ConflictError:
    refs: dict[str, str | int] = {"event": event.value, "state": state}
    journal.write(conn, journal.Entry(journal.LATE, tenant, now, decision.person, message_id=message_id, refs=refs))
    if state in {State.CONFIRMED, State.RECEIPTED, State.DELIVERED} and event is Event.PERSON_REFUSED:
        alarms.ring(conn, tenant=tenant, code=AlarmCode.LATE_EVENT, subject=message_id, at=now)
    detail = f"the message is {state}; {decision.verb} is not possible from there"
    return ConflictError(detail)
