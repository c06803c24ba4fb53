"""What became of every message that arrived in a span of time, told by evidence and not by the state alone.

What arrived is counted in the journal; what became of it is read from the rows that prove it. A message that only one of
the two knows, or that nothing accounts for, is what a balance is made to find.
"""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, exists, select

from gateway.domain.lifecycle import FINAL, Event, State
from gateway.store.journal import ARRIVED
from gateway.store.tables import confirmation, duplicate, journal, message, message_state

CONFIRMED: Final = "confirmed"
REFUSED: Final = "refused"
DUPLICATE: Final = "duplicate"
WAITING: Final = "waiting"
UNEXPLAINED: Final = "unexplained"
"""It arrived, and neither proof nor a state that waits accounts for it."""

UNJOURNALLED: Final = "unjournalled"
"""The message is there, and the journal knows nothing of its arrival."""

_FINAL: Final = frozenset(state.value for state in FINAL)
_DECIDED: Final = frozenset({State.CONFIRMED.value, State.REFUSED.value, State.DUPLICATE.value}) | _FINAL
_decision: Final = journal.alias("decision")


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one message. ``state`` and ``cause`` say why it waits."""

    tenant: str
    road: str
    fate: str
    state: str | None = None
    cause: str | None = None


def fates(conn: Connection, low: int, high: int) -> list[Fate]:
    """Of every message that arrived from ``low`` until before ``high``, in microseconds since 1970."""
    return [*_arrived(conn, low, high), *_unjournalled(conn, low, high)]


def _arrived(conn: Connection, low: int, high: int) -> list[Fate]:
    refused = exists().where(
        _decision.c.message_id == journal.c.message_id, _decision.c.event == Event.PERSON_REFUSED.value
    )
    query = (
        select(
            journal.c.tenant,
            message.c.road,
            message_state.c.state,
            message_state.c.cause,
            duplicate.c.message_id.is_not(None).label("linked"),
            confirmation.c.message_id.is_not(None).label("confirmed"),
            refused.label("refused"),
        )
        .outerjoin(message, message.c.id == journal.c.message_id)
        .outerjoin(message_state, message_state.c.message_id == journal.c.message_id)
        .outerjoin(duplicate, duplicate.c.message_id == journal.c.message_id)
        .outerjoin(confirmation, confirmation.c.message_id == journal.c.message_id)
        .where(journal.c.event == ARRIVED, journal.c.at >= low, journal.c.at < high)
    )
    return [
        Fate(
            row.tenant, row.road or "?", _fate(row.state, row.linked, row.confirmed, row.refused), row.state, row.cause
        )
        for row in conn.execute(query)
    ]


def _fate(state: str | None, linked: bool, confirmed: bool, refused: bool) -> str:  # noqa: FBT001  one row's facts
    """A state that waits counts first: what a person refused and released again waits."""
    if state is None:
        return UNEXPLAINED
    if state not in _DECIDED:
        return WAITING
    if linked:
        return DUPLICATE
    if confirmed:
        return CONFIRMED
    return REFUSED if refused else UNEXPLAINED


def _unjournalled(conn: Connection, low: int, high: int) -> list[Fate]:
    arrived = exists().where(journal.c.message_id == message.c.id, journal.c.event == ARRIVED)
    query = select(message.c.tenant, message.c.road).where(
        message.c.arrived_at >= low, message.c.arrived_at < high, message.c.direction == "inn", ~arrived
    )
    return [Fate(row.tenant, row.road, UNJOURNALLED) for row in conn.execute(query)]
