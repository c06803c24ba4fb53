"""Whether the store tells one story: each message's state as its journal derives it, and what that state owes.

State and owed effects are operational; the journal is evidence. Where they differ, the journal is right. Used by tests
and by the sweeper's repair; it reads, and changes nothing.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from gateway.domain.lifecycle import INBOUND, OUTBOUND, Effect, Event, State, Table, find
from gateway.store import dedupe, journal
from gateway.store.tables import attempt, confirmation, message_state, queue_item, receipt

_TABLES: Final[dict[str, tuple[Table, State]]] = {
    "inn": (INBOUND, State.RECEIVED),
    "ut": (OUTBOUND, State.ACCEPTED),
}
_TRANSITIONS: Final = frozenset(event.value for event in Event)
_CONFIRMING: Final = frozenset({Event.READ_BACK_RIGHT.value, Event.PERSON_CONFIRMED.value})

_OWED: Final[dict[State, frozenset[Effect]]] = {
    State.RECEIVED: frozenset({Effect.OPEN}),
    State.CONFIRMED: frozenset({Effect.RECEIPT_POSITIVE}),
    State.REFUSED: frozenset({Effect.RECEIPT_NEGATIVE}),
    State.ACCEPTED: frozenset({Effect.CHECK_GUARDS, Effect.NEXT_ROAD}),
    State.CLEARED: frozenset({Effect.SEND}),
    State.UNCERTAIN: frozenset({Effect.ASK_STATUS}),
}
"""States that only work of ours can leave: one of these must wait in the queue, parked or not."""

_DECIDED: Final = frozenset({State.CONFIRMED.value, State.REFUSED.value, State.RECEIPTED.value})


@dataclass(frozen=True, slots=True)
class Fault:
    """One difference. ``detail`` holds states, events and counts, never content."""

    message_id: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Derived:
    """A message as its journal has it. ``effects``: what the last transition owed."""

    state: State
    generation: int
    effects: tuple[Effect, ...]
    faults: tuple[Fault, ...]


def faults(conn: Connection) -> list[Fault]:
    """Every difference in the store; an empty list is the promise kept."""
    rows = conn.execute(select(message_state).order_by(message_state.c.message_id)).all()
    return [fault for row in rows for fault in faults_of(conn, row)]


def faults_of(conn: Connection, row: Row[Any]) -> list[Fault]:
    """The differences of one message, given its state row."""
    derived = derive(row.message_id, row.direction, journal.of_message(conn, row.message_id))
    found = list(derived.faults)
    if (row.state, row.generation) != (derived.state.value, derived.generation):
        detail = f"{row.state}/{row.generation} stands, {derived.state}/{derived.generation} is told"
        found.append(Fault(row.message_id, "state-differs", detail))
    found.extend(_decision_faults(conn, row))
    found.extend(_effect_faults(conn, row, derived))
    return found


def derive(message_id: str, direction: str, entries: Sequence[Row[Any]]) -> Derived:
    """Walk the journal of one message along its table."""
    table, state = _TABLES[direction]
    generation, effects = 1, _first_effect(direction)
    found: list[Fault] = []
    for entry in entries:
        if entry.event not in _TRANSITIONS:
            continue
        body = json.loads(entry.entry)
        refs = body["refs"]
        step = find(table, state, Event(entry.event))
        told = (refs["from"], refs["to"], refs["generation"])
        if step is None or told != (state.value, step.target.value, generation + 1):
            found.append(Fault(message_id, "impossible-step", f"{entry.event} in {state}/{generation} told as {told}"))
        state, generation = State(refs["to"]), refs["generation"]
        effects = step.effects if step is not None else ()
    return Derived(state, generation, effects, tuple(found))


def _first_effect(direction: str) -> tuple[Effect, ...]:
    return (Effect.OPEN,) if direction == "inn" else (Effect.CHECK_GUARDS,)


def _decision_faults(conn: Connection, row: Row[Any]) -> list[Fault]:
    """One confirmation, told once; at most one business receipt."""
    events = Counter(entry.event for entry in journal.of_message(conn, row.message_id))
    told = sum(events[event] for event in _CONFIRMING)
    kept = len(conn.execute(select(confirmation.c.kind).where(confirmation.c.message_id == row.message_id)).all())
    found = []
    if told != kept or kept > 1:
        found.append(Fault(row.message_id, "confirmations-differ", f"{kept} kept, {told} told"))
    sent = select(receipt.c.value).where(receipt.c.message_id == row.message_id, receipt.c.kind == "application")
    values = [one.value for one in conn.execute(sent)]
    expected = 1 if row.direction == "inn" and row.state == State.RECEIPTED else None
    if len(values) > 1 or (expected is not None and len(values) != expected):
        found.append(Fault(row.message_id, "receipts-differ", f"{len(values)} business receipts in {row.state}"))
    return found


def _effect_faults(conn: Connection, row: Row[Any], derived: Derived) -> list[Fault]:
    """What only our own work can move on must be waiting; what was owed once must wait or have been done."""
    waiting = conn.execute(select(queue_item.c.effect, queue_item.c.generation).where(_of(row.message_id))).all()
    effects = {Effect(one.effect) for one in waiting}
    found = []
    owed = _OWED.get(State(row.state), frozenset())
    if row.state == State.DUPLICATE and _first_is_decided(conn, row.message_id):
        owed = frozenset({Effect.RECEIPT_POSITIVE, Effect.RECEIPT_NEGATIVE})
    if owed and not owed & effects:
        found.append(Fault(row.message_id, "effect-missing", f"{row.state} waits for nothing"))
    live = {(one.effect, one.generation) for one in waiting}
    for effect in derived.effects:
        key = (effect.value, derived.generation)
        if effect is not Effect.ALARM and key not in live and not _done(conn, row.message_id, *key):
            found.append(Fault(row.message_id, "effect-missing", f"{effect} of generation {derived.generation}"))
    return found


def missing_effects(conn: Connection, row: Row[Any], derived: Derived) -> tuple[Effect, ...]:
    """What must be made again: owed by the last transition and neither waiting nor done, or owed by the state itself."""
    if not any(fault.code == "effect-missing" for fault in _effect_faults(conn, row, derived)):
        return ()
    waiting = conn.execute(select(queue_item.c.effect, queue_item.c.generation).where(_of(row.message_id))).all()
    live = {(one.effect, one.generation) for one in waiting}
    lost: list[Effect] = [
        effect
        for effect in derived.effects
        if effect is not Effect.ALARM
        and (effect.value, derived.generation) not in live
        and not _done(conn, row.message_id, effect.value, derived.generation)
    ]
    owed = _OWED.get(State(row.state), frozenset())
    if owed and not owed & {Effect(one.effect) for one in waiting} and not owed & set(lost):
        lost.append(next(effect for effect in Effect if effect in owed))
    return tuple(lost)


def _of(message_id: str) -> Any:
    return queue_item.c.message_id == message_id


def _done(conn: Connection, message_id: str, effect: str, generation: int) -> bool:
    query = select(attempt.c.id).where(
        attempt.c.message_id == message_id, attempt.c.effect == effect, attempt.c.generation == generation
    )
    return conn.execute(query.where(attempt.c.phase == "ended")).first() is not None


def _first_is_decided(conn: Connection, message_id: str) -> bool:
    first = dedupe.first_of(conn, message_id)
    query = select(message_state.c.state).where(message_state.c.message_id == first)
    return conn.execute(query).scalar_one() in _DECIDED
