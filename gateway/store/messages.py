"""Reading and writing what is known of a message beside its state."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, select

from gateway.domain.deadlines import ClockFacts, ClockReading, event_names
from gateway.store.database import add_row
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
    query = (
        select(
            message,
            message_state.c.state,
            message_state.c.since,
            message_state.c.claim_client,
            message_state.c.claim_until,
        )
        .join(message_state, message_state.c.message_id == message.c.id)
        .where(message.c.id == message_id, message.c.tenant.in_(list(tenants)))
    )
    return conn.execute(query).one_or_none()


def add_headers(conn: Connection, tenant: str, message_id: str, found: Mapping[str, str]) -> None:
    """Keep what the road said beside the parts."""
    for name, value in found.items():
        add_row(conn, header, tenant=tenant, message_id=message_id, name=name[:128], value=value[:512])


def headers(conn: Connection, message_id: str) -> dict[str, str]:
    """What the road said beside the parts."""
    rows = conn.execute(select(header.c.name, header.c.value).where(header.c.message_id == message_id))
    return {row.name: row.value for row in rows}


def add_history(conn: Connection, tenant: str, message_id: str, status: str, at: int) -> None:
    """Append a status for the sender; each status comes once."""
    seen = and_(history.c.tenant == tenant, history.c.message_id == message_id, history.c.status == status)
    if conn.execute(select(history.c.id).where(seen)).first() is None:
        add_row(conn, history, tenant=tenant, message_id=message_id, status=status, at=at)


def history_for(conn: Connection, message_id: str, sender: str) -> list[Row[Any]]:
    """The statuses of a message that this sender sent, oldest first."""
    query = (
        select(history.c.at, history.c.status)
        .join(message, message.c.id == history.c.message_id)
        .where(history.c.message_id == message_id, message.c.sender == sender, message.c.direction == "inn")
        .order_by(history.c.id)
    )
    return list(conn.execute(query))


def add_receipt(
    conn: Connection, tenant: str, message_id: str, kind: str, value: str, at: int, journal_id: int
) -> None:
    """One tick of a message: transport, application or case system. Each comes once."""
    seen = and_(receipt.c.tenant == tenant, receipt.c.message_id == message_id, receipt.c.kind == kind)
    if conn.execute(select(receipt.c.id).where(seen)).first() is None:
        values = {"tenant": tenant, "message_id": message_id, "kind": kind, "value": value}
        add_row(conn, receipt, **values, at=at, journal_id=journal_id)


def receipts(conn: Connection, message_id: str) -> list[Row[Any]]:
    """The ticks so far."""
    return list(conn.execute(select(receipt).where(receipt.c.message_id == message_id).order_by(receipt.c.id)))


def documents(conn: Connection, message_id: str) -> list[Row[Any]]:
    """The documents of a message, in order."""
    return list(conn.execute(select(document).where(document.c.message_id == message_id).order_by(document.c.id)))


def replace_documents(conn: Connection, message_id: str, rows: Sequence[dict[str, Any]]) -> None:
    """Set the documents that opening found; opening again finds them anew."""
    conn.execute(document.delete().where(document.c.message_id == message_id))
    if rows:
        conn.execute(document.insert(), list(rows))


def warnings(conn: Connection, message_id: str) -> list[Row[Any]]:
    """The warnings of a message, in order."""
    return list(conn.execute(select(warning).where(warning.c.message_id == message_id).order_by(warning.c.id)))


def replace_warnings(conn: Connection, tenant: str, message_id: str, found: Sequence[tuple[str, str]]) -> None:
    """Set the warnings that opening found, as (code, detail)."""
    conn.execute(warning.delete().where(warning.c.message_id == message_id))
    for code, detail in dict.fromkeys(found):
        add_row(conn, warning, tenant=tenant, message_id=message_id, code=code, detail=detail[:256])


def add_warning(conn: Connection, tenant: str, message_id: str, code: str, detail: str = "") -> None:
    """Add one warning, once."""
    seen = and_(warning.c.message_id == message_id, warning.c.code == code, warning.c.detail == detail)
    if conn.execute(select(warning.c.id).where(seen)).first() is None:
        add_row(conn, warning, tenant=tenant, message_id=message_id, code=code, detail=detail)


def replace_signer(conn: Connection, tenant: str, message_id: str, found: dict[str, Any] | None) -> None:
    """Set the signer as verified."""
    conn.execute(signer.delete().where(signer.c.message_id == message_id))
    if found is not None:
        add_row(conn, signer, tenant=tenant, message_id=message_id, **found)


def signer_of(conn: Connection, message_id: str) -> Row[Any] | None:
    """The signer as verified."""
    return conn.execute(select(signer).where(signer.c.message_id == message_id)).one_or_none()


# --- clocks ---------------------------------------------------------------------------------------------------------


def replace_facts(conn: Connection, tenant: str, message_id: str, facts: ClockFacts) -> None:
    """Keep what opening found out for the clocks."""
    conn.execute(clock_fact.delete().where(clock_fact.c.message_id == message_id))
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
    row = conn.execute(select(clock_fact).where(clock_fact.c.message_id == message_id)).one_or_none()
    arrived = conn.execute(select(message.c.arrived_at).where(message.c.id == message_id)).scalar_one_or_none()
    if row is None or arrived is None:
        return None
    events: defaultdict[str, list[datetime]] = defaultdict(list)
    for event in conn.execute(select(case_event).where(case_event.c.message_id == message_id)):
        for name in event_names(event.type, event.outcome):
            events[name].append(moment(event.at))
    return ClockFacts(
        arrived_at=moment(arrived),
        sent_at=moment(row.sent_at) if row.sent_at is not None else None,
        reporter_public=bool(row.reporter_public),
        reporter_known=bool(row.reporter_known),
        events=events,
    )


def replace_clocks(conn: Connection, tenant: str, message_id: str, readings: Sequence[ClockReading], now: int) -> None:
    """Set the clocks as read; rings that lie behind us have rung."""
    rung = {row.clock_id: row.rung for row in conn.execute(select(clock).where(clock.c.message_id == message_id))}
    conn.execute(clock.delete().where(clock.c.message_id == message_id))
    for reading in readings:
        running = reading.stopped is None and reading.due is not None
        ahead = [micros(ring) for ring in reading.rings if micros(ring) > now] if running else []
        add_row(
            conn,
            clock,
            tenant=tenant,
            message_id=message_id,
            clock_id=reading.id,
            status=reading.status.value,
            start=micros(reading.start) if reading.start else None,
            due=micros(reading.due) if reading.due else None,
            stopped=micros(reading.stopped) if reading.stopped else None,
            next_ring=min(ahead, default=None),
            rung=rung.get(reading.id, 0),
        )


def clocks(conn: Connection, message_id: str) -> list[Row[Any]]:
    """The clocks of a message."""
    return list(conn.execute(select(clock).where(clock.c.message_id == message_id).order_by(clock.c.clock_id)))


def find_case_event(conn: Connection, message_id: str, kind: str, at: int) -> Row[Any] | None:
    """The event of this type and time, if it came before."""
    same = and_(case_event.c.message_id == message_id, case_event.c.type == kind, case_event.c.at == at)
    return conn.execute(select(case_event).where(same)).one_or_none()


def add_case_event(
    conn: Connection, tenant: str, message_id: str, kind: str, at: int, client: str, outcome: str | None
) -> None:
    """Keep an event that moves clocks, once."""
    if find_case_event(conn, message_id, kind, at) is None:
        values = {"tenant": tenant, "message_id": message_id, "type": kind, "at": at, "outcome": outcome}
        add_row(conn, case_event, **values, client=client)


def all_history(conn: Connection, message_id: str) -> list[Row[Any]]:
    """Every status of a message, oldest first."""
    query = select(history.c.at, history.c.status).where(history.c.message_id == message_id).order_by(history.c.id)
    return list(conn.execute(query))
