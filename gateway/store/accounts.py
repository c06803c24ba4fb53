"""What became of every message that arrived in a span of time, told by evidence and not by the state alone.

What arrived is counted in the journal; what became of it is read from the rows that prove it. A message that only one of
the two knows, or that nothing accounts for, is what a balance is made to find.
"""

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, and_, exists, literal_column, select

from gateway.domain.lifecycle import FINAL, Event, State
from gateway.store.journal import ARRIVED
from gateway.store.tables import confirmation, duplicate, header, journal, message, message_state, receipt

CONFIRMED: Final = "confirmed"
REFUSED: Final = "refused"
DUPLICATE: Final = "duplicate"
WAITING: Final = "waiting"
UNEXPLAINED: Final = "unexplained"
"""It arrived, and neither proof nor a state that waits accounts for it."""

UNJOURNALLED: Final = "unjournalled"
"""The message is there, and the journal knows nothing of its arrival."""

NO_ACCOUNT: Final = "-"
"""Of a road without accounts."""

_FINAL: Final = frozenset(state.value for state in FINAL)
_DECIDED: Final = frozenset({State.CONFIRMED.value, State.REFUSED.value, State.DUPLICATE.value}) | _FINAL
_entry: Final = journal.alias("entry")
_account: Final = header.alias("account_header")
_of_account: Final = and_(_account.c.message_id == message.c.id, _account.c.name == "account")
arrived: Final = journal.c.event == literal_column(f"'{ARRIVED}'")
"""As a literal, for the index over arrivals alone."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one message, and how far it came. ``state`` and ``cause`` say why it waits."""

    tenant: str
    road: str
    account: str
    fate: str
    state: str | None = None
    cause: str | None = None
    stored: bool = False
    offered: bool = False
    receipted: bool = False


def fates(conn: Connection, low: int, high: int) -> list[Fate]:
    """Of every message that arrived from ``low`` until before ``high``, in microseconds since 1970."""
    return [*_arrived(conn, low, high), *_unjournalled(conn, low, high)]


def _journalled(event: Event) -> ColumnElement[bool]:
    return exists().where(_entry.c.message_id == journal.c.message_id, _entry.c.event == event.value)


def _arrived(conn: Connection, low: int, high: int) -> list[Fate]:
    told = exists().where(receipt.c.message_id == journal.c.message_id, receipt.c.kind == "application")
    query = (
        select(
            journal.c.tenant,
            message.c.road,
            _account.c.value.label("account"),
            message_state.c.state,
            message_state.c.cause,
            message.c.id.is_not(None).label("stored"),
            duplicate.c.message_id.is_not(None).label("linked"),
            confirmation.c.message_id.is_not(None).label("confirmed"),
            _journalled(Event.PERSON_REFUSED).label("refused"),
            _journalled(Event.CLAIMED).label("offered"),
            told.label("receipted"),
        )
        .outerjoin(message, message.c.id == journal.c.message_id)
        .outerjoin(_account, _of_account)
        .outerjoin(message_state, message_state.c.message_id == journal.c.message_id)
        .outerjoin(duplicate, duplicate.c.message_id == journal.c.message_id)
        .outerjoin(confirmation, confirmation.c.message_id == journal.c.message_id)
        .where(arrived, journal.c.at >= low, journal.c.at < high)
    )
    return [_read(row) for row in conn.execute(query)]


def _read(row: Row[Any]) -> Fate:
    return Fate(
        tenant=row.tenant,
        road=row.road or "?",
        account=row.account or NO_ACCOUNT,
        fate=_fate(row),
        state=row.state,
        cause=row.cause,
        stored=bool(row.stored),
        offered=bool(row.offered),
        receipted=bool(row.receipted),
    )


def _fate(row: Row[Any]) -> str:
    """A state that waits counts first: what a person refused and released again waits."""
    if row.state is None:
        return UNEXPLAINED
    if row.state not in _DECIDED:
        return WAITING
    if row.linked:
        return DUPLICATE
    if row.confirmed:
        return CONFIRMED
    return REFUSED if row.refused else UNEXPLAINED


def _unjournalled(conn: Connection, low: int, high: int) -> list[Fate]:
    known = exists().where(journal.c.message_id == message.c.id, journal.c.event == ARRIVED)
    query = (
        select(message.c.tenant, message.c.road, _account.c.value.label("account"))
        .outerjoin(_account, _of_account)
        .where(message.c.arrived_at >= low, message.c.arrived_at < high, message.c.direction == "inn", ~known)
    )
    return [
        Fate(row.tenant, row.road, row.account or NO_ACCOUNT, UNJOURNALLED, stored=True) for row in conn.execute(query)
    ]
