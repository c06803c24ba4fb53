"""The evidence journal: one entry per event, written in the transaction of what it tells, never updated.

An entry is RFC 8785 JSON with the fields of ``decisions.md`` 5.1. Nothing in it derives from content but what stands
under ``commit``, which is worthless once the message's salt is gone. A sequencer gives committed entries their leaf
number; every feed runs on that number, because row ids commit out of order where there are several writers.
"""

import base64
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import rfc8785
import uuid_utils
from sqlalchemy import Connection, Row, func, select, text

from gateway.domain.lifecycle import Event
from gateway.domain.merkle import leaf_hash
from gateway.limits import SEQUENCER_ROWS_MAX
from gateway.store import entry_fields, log
from gateway.store.database import add_row, add_rows, rows_by
from gateway.store.tables import journal, leaf, leaf_pending, log_state

ENTRY_VERSION: Final = 1
SEQUENCER_LOCK: Final = 0x62756473  # one number for the whole database

# Events that are not transitions. Together with ``lifecycle.Event`` this is the published list (docs/evidence.md).
ARRIVED: Final = "arrived"
REPEATED: Final = "repeated"
SHOWN: Final = "shown"
DOCUMENT_SHOWN: Final = "document-shown"
READ_BACK_WRONG: Final = "read-back-wrong"
CONFIRM_CONFLICT: Final = "confirm-conflict"
CASE_EVENT: Final = "case-event"
LATE: Final = "late"
ALARM_OPENED: Final = "alarm-opened"
ALARM_SEEN: Final = "alarm-seen"
ALARM_CLOSED: Final = "alarm-closed"
PARKED: Final = "effect-parked"
CLIENT_ADDED: Final = "client-added"
CLIENT_ROTATED: Final = "client-rotated"
CLIENT_REVOKED: Final = "client-revoked"
WEBHOOK_SET: Final = "webhook-set"
WEBHOOK_REMOVED: Final = "webhook-removed"
SUBMITTED: Final = "submitted"
CLOCK_JUMPED: Final = "clock-jumped"
NOTES_SHOWN: Final = "notes-shown"
UNPARKED: Final = "effect-unparked"
PROVEN: Final = "proof-made"
SHREDDED: Final = "shredded"
KEYS_REWRAPPED: Final = "keys-rewrapped"
LOG_BEGUN: Final = "log-begun"
ROAD_RELEASED: Final = "road-released"
RECEIPT_LOST: Final = "receipt-lost"
FETCHED: Final = "fetched"
COPY_SEEN: Final = "copy-seen"
PORTAL_LIST: Final = "portal-list"

PUBLISHED: Final = frozenset(
    {
        *(event.value for event in Event),
        ARRIVED, REPEATED, SHOWN, DOCUMENT_SHOWN, READ_BACK_WRONG, CONFIRM_CONFLICT, CASE_EVENT, LATE,
        ALARM_OPENED, ALARM_SEEN, ALARM_CLOSED, PARKED, CLIENT_ADDED, CLIENT_ROTATED, CLIENT_REVOKED,
        WEBHOOK_SET, WEBHOOK_REMOVED, SUBMITTED, CLOCK_JUMPED,
        NOTES_SHOWN, UNPARKED, PROVEN, SHREDDED, KEYS_REWRAPPED, LOG_BEGUN, ROAD_RELEASED, RECEIPT_LOST, FETCHED,
        COPY_SEEN, PORTAL_LIST,
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """What happened. ``actor`` is an id, never a name; ``refs`` holds our own ids and counts; ``commit`` digests."""

    event: str
    tenant: str
    at: int
    actor: str
    message_id: str | None = None
    code: str | None = None
    refs: Mapping[str, str | int] = field(default_factory=dict)
    commit: Mapping[str, str] = field(default_factory=dict)


def commitment(salt: bytes, digest: bytes) -> str:
    """What stands in the journal for bytes: HMAC-SHA-256 of their SHA-256 under the message's salt, base64."""
    return base64.b64encode(hmac.digest(salt, digest, "sha256")).decode()


def rfc3339(at_us: int) -> str:
    """Microseconds since 1970 as RFC 3339 in UTC."""
    return datetime.fromtimestamp(at_us / 1_000_000, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def write(conn: Connection, entry: Entry) -> int:
    """Append an entry and queue it for its leaf number. Returns the journal's row id."""
    if entry.event not in PUBLISHED:
        message = f"{entry.event} is not a published event"
        raise ValueError(message)
    body: dict[str, Any] = {
        "v": ENTRY_VERSION,
        "id": str(uuid_utils.uuid7()),
        "at": rfc3339(entry.at),
        "tenant": entry.tenant,
        "message_id": entry.message_id,
        "event": entry.event,
        "actor": entry.actor,
        "code": entry.code,
        "refs": dict(entry.refs),
        "commit": dict(entry.commit),
    }
    if faults := entry_fields.unpublished(body):
        message = f"{entry.event}: not as the published list has it: {', '.join(faults)}"
        raise ValueError(message)
    values = {
        "tenant": entry.tenant,
        "message_id": entry.message_id,
        "event": entry.event,
        "at": entry.at,
        "entry": rfc8785.dumps(body).decode(),
    }
    row_id = conn.execute(_APPEND, values).scalar_one()
    add_row(conn, leaf_pending, journal_id=row_id, tenant=entry.tenant)
    return int(row_id)


_APPEND: Final = journal.insert().returning(journal.c.id)
_PENDING: Final = (
    select(journal.c.id, journal.c.tenant, journal.c.entry)
    .join(leaf_pending, leaf_pending.c.journal_id == journal.c.id)
    .order_by(journal.c.id)
    .limit(SEQUENCER_ROWS_MAX)
)


def number_pending(conn: Connection) -> int:
    """Give committed entries their leaf numbers, in row order. Returns how many got one.

    One sequencer at a time: a transaction lock on PostgreSQL, the single writer on SQLite; the stored size is compared
    and set, so that a second sequencer could never number the same leaf.
    """
    if conn.dialect.name == "postgresql":
        taken = conn.execute(select(func.pg_try_advisory_xact_lock(SEQUENCER_LOCK))).scalar_one()
        if not taken:
            return 0
    pending = conn.execute(_PENDING).all()
    if not pending:
        return 0
    size = conn.execute(select(log_state.c.size).where(log_state.c.id == 1)).scalar_one()
    leaves = [
        {"index": size + step, "tenant": row.tenant, "journal_id": row.id, "hash": leaf_hash(row.entry.encode())}
        for step, row in enumerate(pending)
    ]
    add_rows(conn, leaf, leaves)
    log.grow(conn, size, size + len(pending))
    conn.execute(leaf_pending.delete().where(leaf_pending.c.journal_id.in_([row.id for row in pending])))
    moved = conn.execute(
        log_state.update().where(log_state.c.id == 1, log_state.c.size == size).values(size=size + len(pending))
    )
    if moved.rowcount != 1:
        message = "two sequencers numbered the log"
        raise RuntimeError(message)
    return len(pending)


def of_message(conn: Connection, message_id: str) -> list[Row[Any]]:
    """Every entry of a message, oldest first."""
    return list(rows_by(conn, journal, message_id=message_id))


def feed(conn: Connection, tenants: list[str], after: int, limit: int) -> list[Row[Any]]:
    """Numbered entries of these tenants' messages after a leaf number."""
    query = (
        select(leaf.c.index, journal.c.entry)
        .join(journal, journal.c.id == leaf.c.journal_id)
        .where(leaf.c.tenant.in_(tenants), leaf.c.index > after, journal.c.message_id.is_not(None))
        .order_by(leaf.c.index)
        .limit(limit)
    )
    return list(conn.execute(query))


def unnumbered(conn: Connection) -> int:
    """How many entries wait for their number."""
    return int(conn.execute(text("SELECT count(*) FROM leaf_pending")).scalar_one())
