"""One transaction: state, journal entry, owed effects, alarm. The only code that changes a state."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, Row

from gateway.domain.lifecycle import FROM_OUTSIDE, INBOUND, OUTBOUND, Effect, Event, State, Table, advance, find
from gateway.errors import ConflictError
from gateway.store import alarms, coverage, dedupe, journal, outbox, parcels
from gateway.store.alarms import AlarmCode
from gateway.store.database import add_row, change_rows, locked_state
from gateway.store.tables import message, message_state

_TABLES: Final[dict[str, Table]] = {"inn": INBOUND, "ut": OUTBOUND}

_ALARMS: Final[dict[Event, AlarmCode]] = {
    Event.SEAL_BROKEN: AlarmCode.QUARANTINED,
    Event.CONTENT_DIFFERS: AlarmCode.CONTENT_DIFFERS,
    Event.NOT_UNDERSTOOD: AlarmCode.QUARANTINED,
    Event.KILLED_WORKER: AlarmCode.KILLED_WORKER,
    Event.SEEN_REFUSED: AlarmCode.SEEN_REFUSED,
    Event.COPY_POSSIBLE: AlarmCode.COPY_POSSIBLE,
    Event.REJECTED: AlarmCode.REJECTED,
    Event.READ_BACK_WRONG_3: AlarmCode.READBACK_MISMATCH,
    Event.GUARDS_STOPPED: AlarmCode.OUTBOUND_HELD,
    Event.PARTNER_REFUSED: AlarmCode.OUTBOUND_HELD,
    Event.CANNOT_ASK: AlarmCode.OUTBOUND_HELD,
}

_DECIDED: Final = {State.CONFIRMED: Effect.RECEIPT_POSITIVE, State.REFUSED: Effect.RECEIPT_NEGATIVE}
"""A decision on the first one decides its duplicates: their receipts are owed in the same transaction."""

_CALLS: Final = frozenset({Effect.SEND, Effect.ASK_STATUS})
"""Effects that obey the breaker of the road's partner; the others call nobody."""

_RECEIPTS: Final = frozenset({Effect.RECEIPT_POSITIVE, Effect.RECEIPT_NEGATIVE})
"""They call the partner where the message came with a place to answer to; else they are rows that its sender reads."""

_CLOSED_BY_PROGRESS: Final = (
    AlarmCode.RESTS_TOO_LONG,
    AlarmCode.QUARANTINED,
    AlarmCode.REJECTED,
    AlarmCode.OUTBOUND_HELD,
    AlarmCode.COPY_POSSIBLE,
)


@dataclass(frozen=True, slots=True)
class Claim:
    """Who has a message OFFERED, and until when (microseconds of the store's clock)."""

    client: str
    until: int


@dataclass(frozen=True, slots=True)
class Happening:
    """An event with who and why. ``cause`` is a code; ``refs`` and ``commit`` go into the journal. ``claim``: who now has it."""

    event: Event
    actor: str
    at: int
    cause: str | None = None
    refs: Mapping[str, str | int] = field(default_factory=dict)
    commit: Mapping[str, str] = field(default_factory=dict)
    claim: Claim | None = None


@dataclass(frozen=True, slots=True)
class Moved:
    """What a transition did: the state before and after, its generation, and the id of the journal's entry."""

    before: State
    after: State
    generation: int
    entry_id: str


def create(conn: Connection, values: Mapping[str, Any], state: State, effect: Effect | None, at: int) -> None:
    """A new message in its first state, with its first effect owed; None: it moves on in the same transaction."""
    add_row(conn, message, **values, row_salt=secrets.token_bytes(coverage.SALT_BYTES))
    add_row(
        conn,
        message_state,
        message_id=values["id"],
        tenant=values["tenant"],
        direction=values["direction"],
        type=values["type"],
        lane=values["lane"],
        state=state.value,
        since=at,
        generation=1,
    )
    if effect is None:
        return
    outbox.enqueue(
        conn,
        tenant=values["tenant"],
        message_id=values["id"],
        effect=effect,
        generation=1,
        lane=values["lane"],
        partner=values["road"] if effect in _CALLS else outbox.GATEWAY,
    )


def move(conn: Connection, message_id: str, happening: Happening) -> Moved:
    """Lock the state, find the row, write everything it owes.

    Raises ConflictError for an event from outside without a row, IllegalTransitionError for one of ours.
    """
    row = locked_state(conn, message_id)
    if row is None:
        message_text = "no such message"
        raise ConflictError(message_text)
    return move_locked(conn, row, happening)


def legal(row: Row[Any], event: Event) -> bool:
    """Whether the table has a row for this event in the message's state."""
    return find(_TABLES[row.direction], State(row.state), event) is not None


def move_locked(conn: Connection, row: Row[Any], happening: Happening) -> Moved:
    """As ``move``, for who read the state under lock in this transaction and has not moved it since."""
    before = State(row.state)
    if happening.event in FROM_OUTSIDE and not legal(row, happening.event):
        detail = f"the message is {before}; {happening.event} is not possible from there"
        raise ConflictError(detail)
    after, effects = advance(_TABLES[row.direction], before, happening.event)
    generation = row.generation + 1
    change_rows(
        conn,
        message_state,
        {"message_id": row.message_id},
        state=after.value,
        since=happening.at if after != before else row.since,
        generation=generation,
        alarm_level=0,
        cause=happening.cause,
        claim_client=happening.claim.client if happening.claim else None,
        claim_until=happening.claim.until if happening.claim else None,
    )
    entry_id = journal.write(
        conn,
        journal.Entry(
            event=happening.event.value,
            tenant=row.tenant,
            at=happening.at,
            actor=happening.actor,
            message_id=row.message_id,
            code=happening.cause,
            refs={**happening.refs, "from": before.value, "to": after.value, "generation": generation},
            commit=happening.commit,
        ),
    )
    alarms.close_all(
        conn,
        _CLOSED_BY_PROGRESS,
        tenant=row.tenant,
        subject=row.message_id,
        at=happening.at,
        actor=happening.actor,
    )
    _owe(conn, row, effects, generation, happening)
    if after in _DECIDED:
        _owe_duplicates(conn, row.message_id, _DECIDED[after])
    return Moved(before, after, generation, entry_id)


def _owe(conn: Connection, row: Row[Any], effects: tuple[Effect, ...], generation: int, happening: Happening) -> None:
    for effect in effects:
        if effect is Effect.ALARM:
            code = _ALARMS[happening.event]
            alarms.ring(conn, tenant=row.tenant, code=code, subject=row.message_id, at=happening.at)
            continue
        _enqueue(conn, row, effect, generation)


def owe(conn: Connection, row: Row[Any], effect: Effect) -> None:
    """Owe a message an effect in the state it is in; the same one twice is one."""
    _enqueue(conn, row, effect, row.generation)


def _enqueue(conn: Connection, row: Row[Any], effect: Effect, generation: int) -> None:
    outbox.enqueue(
        conn,
        tenant=row.tenant,
        message_id=row.message_id,
        effect=effect,
        generation=generation,
        lane=row.lane,
        partner=_partner(conn, row.message_id, effect),
    )


def _partner(conn: Connection, message_id: str, effect: Effect) -> str:
    if effect is Effect.RING:
        return outbox.BELLS
    if effect in _CALLS:
        return parcels.partner_of(conn, message_id)
    answer = parcels.in_force(conn, message_id) if effect in _RECEIPTS else None
    return answer.adapter if answer is not None else outbox.GATEWAY


def _owe_duplicates(conn: Connection, first_id: str, effect: Effect) -> None:
    for message_id in dedupe.duplicates_of(conn, first_id):
        row = locked_state(conn, message_id)
        if row is not None and row.state == State.DUPLICATE:
            owe(conn, row, effect)
