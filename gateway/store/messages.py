"""Reading and writing what is known of a message beside its state."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, select

from gateway.domain.deadlines import ClockFacts, ClockReading, event_names
from gateway.store.database import add_row, add_rows, insert_new, remove_rows, row_by, rows_by
from gateway.store.tables import (
    case_event,
    clock,
    clock_fact,
    document,
    header,
    history,
    message,
    message_state,
    receipt,
    signer,
    warning,
)

_MICRO: Final = 1_000_000


def moment(at_us: int) -> datetime:
    """Microseconds since 1970 as an aware time."""
    return datetime.fromtimestamp(at_us / _MICRO, UTC)


def micros(at: datetime) -> int:
    """An aware time as microseconds since 1970."""
    return int(at.timestamp() * _MICRO)


def find(conn: Connection, message_id: str, tenants: Sequence[str]) -> Row[Any] | None:
    """A message with its state, if it is of one of these tenants."""
    return conn.execute(_FIND, {"message_id": message_id, "tenants": list(tenants)}).one_or_none()


_FIND: Final = (
    select(
        message,
        message_state.c.state,
        message_state.c.since,
        message_state.c.cause,
        message_state.c.claim_client,
        message_state.c.claim_until,
    )
    .join(message_state, message_state.c.message_id == message.c.id)
    .where(message.c.id == bindparam("message_id"), message.c.tenant.in_(bindparam("tenants", expanding=True)))
)


def get(conn: Connection, message_id: str) -> Row[Any]:
    """A message that is surely there: one of ours has its state or owes it something."""
    return rows_by(conn, message, id=message_id)[0]


def add_headers(conn: Connection, tenant: str, message_id: str, found: Mapping[str, str]) -> None:
    """Keep what the road said beside the parts."""
    of = {"tenant": tenant, "message_id": message_id}
    add_rows(conn, header, [{**of, "name": name[:128], "value": value[:512]} for name, value in found.items()])


def headers(conn: Connection, message_id: str) -> dict[str, str]:
    """What the road said beside the parts."""
    return {row.name: row.value for row in rows_by(conn, header, message_id=message_id)}


def add_history(conn: Connection, tenant: str, message_id: str, status: str, at: int) -> None:
    """Append a status for the sender; each status comes once."""
    values = {"tenant": tenant, "message_id": message_id, "status": status, "at": at}
    insert_new(conn, history, values, ["message_id", "tenant", "status"])


def tenant_of(conn: Connection, message_id: str, sender: str) -> str | None:
    """The office that this sender sent the message to."""
    query = select(message.c.tenant).where(
        message.c.id == message_id, message.c.sender == sender, message.c.direction == "inn"
    )
    return conn.execute(query).scalar_one_or_none()


def history_for(conn: Connection, message_id: str, sender: str) -> list[Row[Any]]:
    """The statuses of a message that this sender sent, oldest first."""
    query = (
        select(history.c.at, history.c.status)
        .join(message, message.c.id == history.c.message_id)
        .where(history.c.message_id == message_id, message.c.sender == sender, message.c.direction == "inn")
        .order_by(history.c.id)
    )
    return list(conn.execute(query))


def add_receipt(conn: Connection, tenant: str, message_id: str, kind: str, value: str, at: int, entry_id: str) -> None:
    """One tick of a message by its kind, as ``transport`` or ``opened``, and the entry that tells of it. Each comes once."""
    values = {"tenant": tenant, "message_id": message_id, "kind": kind, "value": value}
    insert_new(conn, receipt, values | {"at": at, "entry_id": entry_id}, ["message_id", "tenant", "kind"])


def receipts(conn: Connection, message_id: str) -> list[Row[Any]]:
    """The ticks so far."""
    return list(rows_by(conn, receipt, message_id=message_id))


def documents(conn: Connection, message_id: str) -> list[Row[Any]]:
    """The documents of a message, in order."""
    return list(rows_by(conn, document, message_id=message_id))


def forget_findings(conn: Connection, message_id: str) -> None:
    """Forget what an earlier opening found: opening again finds it anew."""
    for table in (document, warning, signer, clock_fact):
        remove_rows(conn, table, message_id=message_id)


def add_documents(conn: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Keep the documents that opening found."""
    add_rows(conn, document, rows)


def warnings(conn: Connection, message_id: str) -> list[Row[Any]]:
    """The warnings of a message, in order."""
    return list(rows_by(conn, warning, message_id=message_id))


def add_warnings(conn: Connection, tenant: str, message_id: str, found: Sequence[tuple[str, str]]) -> None:
    """Keep the warnings that opening found, as (code, detail)."""
    of = {"tenant": tenant, "message_id": message_id}
    shown = dict.fromkeys((code, detail[:256]) for code, detail in found)
    add_rows(conn, warning, [{**of, "code": code, "detail": detail} for code, detail in shown])


def add_warning(conn: Connection, tenant: str, message_id: str, code: str, detail: str = "") -> None:
    """Add one warning, once."""
    values = {"tenant": tenant, "message_id": message_id, "code": code, "detail": detail}
    insert_new(conn, warning, values, ["message_id", "tenant", "code", "detail"])


def add_signer(conn: Connection, tenant: str, message_id: str, found: Mapping[str, Any]) -> None:
    """Keep the signer as verified."""
    add_row(conn, signer, tenant=tenant, message_id=message_id, **found)


def signer_of(conn: Connection, message_id: str) -> Row[Any] | None:
    """The signer as verified."""
    return row_by(conn, signer, message_id=message_id)


# --- clocks ---------------------------------------------------------------------------------------------------------


def add_facts(conn: Connection, tenant: str, message_id: str, facts: ClockFacts) -> None:
    """Keep what opening found out for the clocks."""
    add_row(
        conn,
        clock_fact,
        tenant=tenant,
        message_id=message_id,
        sent_at=micros(facts.sent_at) if facts.sent_at else None,
        reporter_public=int(facts.reporter_public),
        reporter_known=int(facts.reporter_known),
    )


def facts(conn: Connection, message_id: str) -> ClockFacts | None:
    """What is known for the clocks, events included."""
    row = conn.execute(_FACTS, {"message_id": message_id}).one_or_none()
    if row is None:
        return None
    events: defaultdict[str, list[datetime]] = defaultdict(list)
    for event in rows_by(conn, case_event, message_id=message_id):
        for name in event_names(event.type, event.outcome):
            events[name].append(moment(event.at))
    return ClockFacts(
        arrived_at=moment(row.arrived_at),
        sent_at=moment(row.sent_at) if row.sent_at is not None else None,
        reporter_public=bool(row.reporter_public),
        reporter_known=bool(row.reporter_known),
        events=events,
    )


_FACTS: Final = (
    select(clock_fact, message.c.arrived_at)
    .join(message, message.c.id == clock_fact.c.message_id)
    .where(clock_fact.c.message_id == bindparam("message_id"))
)


def replace_clocks(conn: Connection, tenant: str, message_id: str, readings: Sequence[ClockReading], now: int) -> None:
    """Set the clocks as read; rings that lie behind us have rung, but for one that is due and that nobody heard yet."""
    before = {row.clock_id: row for row in clocks(conn, message_id)}
    if before:
        remove_rows(conn, clock, message_id=message_id)
    of = {"tenant": tenant, "message_id": message_id}
    add_rows(conn, clock, [of | _clock_row(reading, before.get(reading.id), now) for reading in readings])


def _clock_row(reading: ClockReading, before: Row[Any] | None, now: int) -> dict[str, Any]:
    running = reading.stopped is None and reading.due is not None
    owed = before.next_ring if before is not None and before.next_ring is not None else now + 1
    ahead = [at for at in map(micros, reading.rings) if at > now or at == owed] if running else []
    return {
        "clock_id": reading.id,
        "status": reading.status.value,
        "start": micros(reading.start) if reading.start else None,
        "due": micros(reading.due) if reading.due else None,
        "stopped": micros(reading.stopped) if reading.stopped else None,
        "next_ring": min(ahead, default=None),
        "rung": before.rung if before is not None else 0,
    }


def clocks(conn: Connection, message_id: str) -> list[Row[Any]]:
    """The clocks of a message."""
    return list(rows_by(conn, clock, message_id=message_id))


def case_events(conn: Connection, message_id: str, kind: str) -> list[Row[Any]]:
    """Every event of this type."""
    return list(rows_by(conn, case_event, message_id=message_id, type=kind))


def find_case_event(conn: Connection, message_id: str, kind: str, at: int) -> Row[Any] | None:
    """The event of this type and time, if it came before."""
    return row_by(conn, case_event, message_id=message_id, type=kind, at=at)


def add_case_event(
    conn: Connection, tenant: str, message_id: str, kind: str, at: int, client: str, outcome: str | None
) -> None:
    """Keep an event that moves clocks, once."""
    values = {"tenant": tenant, "message_id": message_id, "type": kind, "at": at, "outcome": outcome, "client": client}
    insert_new(conn, case_event, values, ["message_id", "tenant", "type", "at"])


def all_history(conn: Connection, message_id: str) -> list[Row[Any]]:
    """Every status of a message, oldest first."""
    query = select(history.c.at, history.c.status).where(history.c.message_id == message_id).order_by(history.c.id)
    return list(conn.execute(query))
