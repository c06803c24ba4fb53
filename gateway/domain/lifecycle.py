"""The life of a message: two tables, and the one function that moves along them.

A state says what is owed, not what is being worked on: waiting and retrying are columns of the queue. Time limits
raise alarms and never change a state. ``docs/lifecycle.md`` is drawn from these tables.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from gateway.errors import IllegalTransitionError


class State(StrEnum):
    """What is owed to the message now."""

    # inbound
    RECEIVED = "RECEIVED"  # raw bytes are durable; to be opened
    READY = "READY"  # opened, verified, validated; waits for the case system
    OFFERED = "OFFERED"  # claimed by the case system for a while
    CONFIRMED = "CONFIRMED"  # stored by the case system, proven; the sender's receipt is owed
    REFUSED = "REFUSED"  # a named person refused; the sender's negative receipt is owed
    DUPLICATE = "DUPLICATE"  # linked to the first one; its receipt follows the first one's
    QUARANTINED = "QUARANTINED"  # a seal did not hold; a person must look
    RECEIPTED = "RECEIPTED"  # end: the sender knows
    # outbound
    ACCEPTED = "ACCEPTED"  # stored; the rules have not been asked
    CLEARED = "CLEARED"  # the rules allow it; to be sent
    SENT = "SENT"  # the partner took it; its receipt is awaited
    UNCERTAIN = "UNCERTAIN"  # bytes left and no answer came; to be asked
    DELIVERED = "DELIVERED"  # end: proven at the recipient
    WITHDRAWN = "WITHDRAWN"  # end: taken back before it left
    # both
    HELD = "HELD"  # a named person must decide


class Event(StrEnum):
    """What happened."""

    OPENED = "opened"
    SEAL_BROKEN = "seal-broken"
    CONTENT_DIFFERS = "content-differs"
    NOT_UNDERSTOOD = "not-understood"
    KILLED_WORKER = "killed-worker"
    SEEN_BEFORE = "seen-before"
    SEEN_REFUSED = "seen-refused"
    COPY_POSSIBLE = "copy-possible"
    CLAIMED = "claimed"
    CLAIM_LAPSED = "claim-lapsed"
    REJECTED = "rejected"
    READ_BACK_RIGHT = "read-back-right"
    READ_BACK_WRONG_3 = "read-back-wrong-3"
    RECEIPT_SENT = "receipt-sent"
    PERSON_HELD = "person-held"
    PERSON_RELEASED = "person-released"
    PERSON_REFUSED = "person-refused"
    PERSON_ACCEPTED = "person-accepted"
    PERSON_CONFIRMED = "person-confirmed"
    PERSON_WITHDREW = "person-withdrew"
    GUARDS_PASSED = "guards-passed"
    GUARDS_STOPPED = "guards-stopped"
    PARTNER_TOOK = "partner-took"
    TAKEN_FINAL = "taken-final"
    PARTNER_SILENT = "partner-silent"
    PARTNER_REFUSED = "partner-refused"
    NOT_TAKEN = "not-taken"
    CANNOT_ASK = "cannot-ask"
    RECEIPT_CAME = "receipt-came"
    ROAD_CLOSED = "road-closed"
    WITHDREW = "withdrew"


class Effect(StrEnum):
    """Work owed after a transition; each is a queue item written in the same transaction."""

    OPEN = "open"
    RING = "ring"
    RECEIPT_POSITIVE = "receipt-positive"
    RECEIPT_NEGATIVE = "receipt-negative"
    CHECK_GUARDS = "check-guards"
    SEND = "send"
    ASK_STATUS = "ask-status"
    NEXT_ROAD = "next-road"
    ALARM = "alarm"  # not queued: written in the transaction itself


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table."""

    state: State
    event: Event
    target: State
    effects: tuple[Effect, ...] = ()


Table = tuple[Row, ...]

S, E, F = State, Event, Effect


def rows(states: Iterable[State], event: Event, target: State, effects: tuple[Effect, ...] = ()) -> tuple[Row, ...]:
    """One row per state named."""
    return tuple(Row(state, event, target, effects) for state in states)


# fmt: off
INBOUND: Final[Table] = (
    Row(S.RECEIVED,    E.OPENED,            S.READY,       (F.RING,)),
    Row(S.RECEIVED,    E.SEAL_BROKEN,       S.QUARANTINED, (F.ALARM,)),
    Row(S.RECEIVED,    E.CONTENT_DIFFERS,   S.QUARANTINED, (F.ALARM,)),   # same id, other content
    Row(S.RECEIVED,    E.NOT_UNDERSTOOD,    S.QUARANTINED, (F.ALARM,)),   # its headers, its type, or nothing in it
    Row(S.RECEIVED,    E.KILLED_WORKER,     S.QUARANTINED, (F.ALARM,)),
    Row(S.RECEIVED,    E.SEEN_BEFORE,       S.DUPLICATE),                 # its receipt is queued when the first is decided
    Row(S.RECEIVED,    E.SEEN_REFUSED,      S.HELD,        (F.ALARM,)),   # a sender that tries again must reach a person
    Row(S.RECEIVED,    E.COPY_POSSIBLE,     S.HELD,        (F.ALARM,)),   # registered by hand, and maybe here already
    Row(S.READY,       E.CLAIMED,           S.OFFERED),
    Row(S.OFFERED,     E.CLAIM_LAPSED,      S.READY,       (F.RING,)),
    *rows((S.READY, S.OFFERED), E.REJECTED,          S.HELD, (F.ALARM,)),
    *rows((S.READY, S.OFFERED), E.READ_BACK_WRONG_3, S.HELD, (F.ALARM,)),
    *rows((S.READY, S.OFFERED), E.PERSON_HELD,       S.HELD),
    *rows((S.READY, S.OFFERED, S.HELD), E.READ_BACK_RIGHT, S.CONFIRMED, (F.RECEIPT_POSITIVE,)),
    *rows((S.READY, S.OFFERED, S.HELD, S.QUARANTINED), E.PERSON_CONFIRMED, S.CONFIRMED, (F.RECEIPT_POSITIVE,)),
    Row(S.HELD,        E.PERSON_RELEASED,   S.READY,       (F.RING,)),
    Row(S.HELD,        E.PERSON_REFUSED,    S.REFUSED,     (F.RECEIPT_NEGATIVE,)),
    Row(S.QUARANTINED, E.PERSON_RELEASED,   S.RECEIVED,    (F.OPEN,)),    # the missing key is there now
    Row(S.QUARANTINED, E.PERSON_ACCEPTED,   S.READY,       (F.RING,)),    # as it is, with its warning
    Row(S.QUARANTINED, E.PERSON_REFUSED,    S.REFUSED,     (F.RECEIPT_NEGATIVE,)),
    *rows((S.CONFIRMED, S.REFUSED, S.DUPLICATE), E.RECEIPT_SENT, S.RECEIPTED),
)

OUTBOUND: Final[Table] = (
    Row(S.ACCEPTED,    E.GUARDS_PASSED,     S.CLEARED,     (F.SEND,)),
    *rows((S.ACCEPTED, S.CLEARED), E.GUARDS_STOPPED, S.HELD, (F.ALARM,)),  # the rules run before every attempt
    Row(S.HELD,        E.PERSON_RELEASED,   S.ACCEPTED,    (F.CHECK_GUARDS,)),
    *rows((S.ACCEPTED, S.CLEARED, S.SENT, S.UNCERTAIN), E.PERSON_HELD, S.HELD),
    *rows((S.ACCEPTED, S.CLEARED, S.HELD), E.WITHDREW, S.WITHDRAWN),       # while nothing has left
    Row(S.HELD,        E.PERSON_WITHDREW,   S.WITHDRAWN),
    *rows((S.ACCEPTED, S.CLEARED, S.SENT, S.UNCERTAIN, S.HELD), E.RECEIPT_CAME, S.DELIVERED),
    Row(S.CLEARED,     E.PARTNER_TOOK,      S.SENT),
    *rows((S.CLEARED, S.UNCERTAIN), E.TAKEN_FINAL, S.DELIVERED),           # taking is the delivery
    Row(S.CLEARED,     E.PARTNER_SILENT,    S.UNCERTAIN,   (F.ASK_STATUS,)),
    *rows((S.CLEARED, S.UNCERTAIN, S.SENT), E.PARTNER_REFUSED, S.HELD, (F.ALARM,)),
    Row(S.UNCERTAIN,   E.PARTNER_TOOK,      S.SENT),
    Row(S.UNCERTAIN,   E.NOT_TAKEN,         S.CLEARED,     (F.SEND,)),
    Row(S.UNCERTAIN,   E.CANNOT_ASK,        S.HELD,        (F.ALARM,)),
    *rows((S.CLEARED, S.UNCERTAIN, S.SENT), E.ROAD_CLOSED, S.ACCEPTED, (F.NEXT_ROAD,)),  # proven: cannot deliver any more
)
# fmt: on

FINAL: Final = frozenset({S.RECEIPTED, S.DELIVERED, S.WITHDRAWN})

FROM_OUTSIDE: Final = frozenset(
    {
        E.REJECTED,
        E.READ_BACK_RIGHT,
        E.RECEIPT_CAME,
        E.WITHDREW,
        E.PERSON_HELD,
        E.PERSON_RELEASED,
        E.PERSON_REFUSED,
        E.PERSON_ACCEPTED,
        E.PERSON_CONFIRMED,
        E.PERSON_WITHDREW,
    }
)
"""Events that may find no row: they are answered 409 or journalled as late, never a bug of ours."""

REST_LIMITS: Final[dict[State, tuple[timedelta, ...]]] = {
    S.RECEIVED: (timedelta(minutes=1), timedelta(minutes=15), timedelta(hours=1)),
    S.READY: (timedelta(hours=4), timedelta(hours=20), timedelta(hours=24), timedelta(days=20)),
    S.OFFERED: (timedelta(hours=4), timedelta(hours=20), timedelta(hours=24), timedelta(days=20)),
    S.QUARANTINED: (timedelta(minutes=15), timedelta(hours=1), timedelta(hours=4)),
    S.HELD: (timedelta(hours=4), timedelta(hours=20), timedelta(hours=24), timedelta(days=20)),
    S.CONFIRMED: (timedelta(minutes=15), timedelta(hours=2), timedelta(hours=24)),
    S.REFUSED: (timedelta(minutes=15), timedelta(hours=2), timedelta(hours=24)),
    S.DUPLICATE: (timedelta(hours=24), timedelta(days=20)),
    S.ACCEPTED: (timedelta(minutes=15), timedelta(hours=2), timedelta(hours=24)),
    S.CLEARED: (timedelta(minutes=15), timedelta(hours=2), timedelta(hours=24)),
    S.SENT: (timedelta(minutes=15), timedelta(hours=2), timedelta(hours=24)),
    S.UNCERTAIN: (timedelta(minutes=15), timedelta(hours=2), timedelta(hours=24)),
}
"""How long a message may rest before levels 1, 2, 3 (and K03's 20 days) ring; configuration may change them."""

_INDEX: Final = {id(table): {(row.state, row.event): row for row in table} for table in (INBOUND, OUTBOUND)}


def find(table: Table, state: State, event: Event) -> Row | None:
    """The row for ``event`` in ``state``, or None."""
    return _INDEX[id(table)].get((state, event))


def advance(table: Table, state: State, event: Event) -> tuple[State, tuple[Effect, ...]]:
    """The only way a state changes. Raises ``IllegalTransitionError`` where the table has no row."""
    row = find(table, state, event)
    if row is None:
        message = f"{event} has no row in {state}"
        raise IllegalTransitionError(message)
    return row.target, row.effects
