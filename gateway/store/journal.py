"""The evidence journal: one entry per event, written in the transaction of what it tells, never updated.

An entry is RFC 8785 JSON with the fields of ``decisions.md`` 5.1. Nothing in it derives from content but what stands
under ``commit``, which is worthless once the message's salt is gone. Entries are noted while a unit of work runs and
written when it ends, because the last one of a message commits to every row that the unit made for it (``coverage``). A
sequencer gives committed entries their leaf number; every feed runs on that number, because row ids commit out of order
where there are several writers.
"""

import base64
import hmac
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import orjson
import uuid_utils
from sqlalchemy import Connection, Row, RowMapping, func, select, text

from gateway.domain.lifecycle import Event
from gateway.domain.merkle import leaf_hash
from gateway.limits import LOST_ENTRIES_BACK, SEQUENCER_ROWS_MAX
from gateway.store import coverage, entry_fields, log
from gateway.store.database import Work, add_rows, rows_by
from gateway.store.tables import journal, leaf, leaf_pending, log_state

T = TypeVar("T")

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
ATTEMPT_BEGUN: Final = "attempt-begun"
ATTEMPT_ENDED: Final = "attempt-ended"
PARCEL_SEALED: Final = "parcel-sealed"
PARTNER_NAMED: Final = "partner-named"
WARNED: Final = "warned"
INDEX_KEY_MADE: Final = "index-key-made"
TIME_STAMPED: Final = "time-stamped"
ROWS_COVERED: Final = "rows-covered"
PARTNER_SIGNED: Final = "partner-signed"
PARTNER_WORDS_SHOWN: Final = "partner-words-shown"
APPROVED: Final = "person-approved"
LOOKED_AT: Final = "documents-looked-at"
LETTER_TOLD: Final = "letter-told"
LETTERS_OPEN: Final = "letters-open"

PUBLISHED: Final = frozenset(
    {
        *(event.value for event in Event),
        ARRIVED, REPEATED, SHOWN, DOCUMENT_SHOWN, READ_BACK_WRONG, CONFIRM_CONFLICT, CASE_EVENT, LATE,
        ALARM_OPENED, ALARM_SEEN, ALARM_CLOSED, PARKED, CLIENT_ADDED, CLIENT_ROTATED, CLIENT_REVOKED,
        WEBHOOK_SET, WEBHOOK_REMOVED, SUBMITTED, CLOCK_JUMPED,
        NOTES_SHOWN, UNPARKED, PROVEN, SHREDDED, KEYS_REWRAPPED, LOG_BEGUN, ROAD_RELEASED, RECEIPT_LOST, FETCHED,
        COPY_SEEN, PORTAL_LIST,
        ATTEMPT_BEGUN, ATTEMPT_ENDED, PARCEL_SEALED, PARTNER_NAMED, WARNED,
        INDEX_KEY_MADE, TIME_STAMPED, ROWS_COVERED,
        PARTNER_SIGNED, PARTNER_WORDS_SHOWN,
        APPROVED, LOOKED_AT,
        LETTER_TOLD, LETTERS_OPEN,
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


@dataclass(frozen=True, slots=True)
class _Noted:
    """An entry that is written when the unit ends. ``spare``: only if nothing else of the unit tells of its message."""

    body: dict[str, Any]
    at: int
    spare: bool


def run(conn: Connection, work: Work[T]) -> T:
    """A unit of work from its first statement to its entries; how the stores run one, inside its transaction."""
    coverage.begin(conn)
    result = work(conn)
    settle(conn)
    return result


def write(conn: Connection, entry: Entry) -> str:
    """Append an entry when the unit ends, and queue it for its leaf number. Returns the entry's id."""
    return _note(conn, entry, spare=False)


def write_spare(conn: Connection, entry: Entry) -> None:
    """Append an entry for rows of its message, unless another one of the unit tells of the message and so of them."""
    _note(conn, entry, spare=True)


def _note(conn: Connection, entry: Entry, *, spare: bool) -> str:
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
    coverage.unit(conn).entries.append(_Noted(body, entry.at, spare))
    return str(body["id"])


def settle(conn: Connection) -> list[int]:
    """Write the unit's entries, each row committed to by the last one that may tell of it. Returns the journal's row ids.

    At the end of every unit; before it only where what is noted so far is whole. Raises RuntimeError for a row that no
    entry tells of: a fault of ours, and none that may be kept.
    """
    noted = coverage.unit(conn)
    entries = _wanted(noted.entries)
    numbers: Counter[tuple[str, str, str]] = Counter()
    for row, value in coverage.values(conn, noted):
        body = _teller(entries, row)
        place = (body["id"], row.verb, row.table.name)
        numbers[place] += 1
        body["commit"][f"{row.verb}:{row.table.name}:{numbers[place]}"] = value
    coverage.begin(conn)
    ids = [int(conn.execute(_APPEND, _columns(entry)).scalar_one()) for entry in entries]
    pending = zip(ids, entries, strict=True)
    add_rows(conn, leaf_pending, [{"journal_id": row_id, "tenant": entry.body["tenant"]} for row_id, entry in pending])
    return ids


def _wanted(entries: Sequence[_Noted]) -> list[_Noted]:
    """All but the spare ones of messages that another one tells of."""
    told = {entry.body["message_id"] for entry in entries if not entry.spare}
    wanted = []
    for entry in entries:
        if not entry.spare or entry.body["message_id"] not in told:
            wanted.append(entry)
            told.add(entry.body["message_id"])
    return wanted


def _teller(entries: Sequence[_Noted], row: coverage.Noted) -> dict[str, Any]:
    """The last entry of the row's message; for a row of no message, of its tenant, or else of the installation."""
    name, wanted = ("message_id", [row.message_id]) if row.message_id is not None else ("tenant", [row.tenant, "*"])
    for value in wanted:
        for entry in reversed(entries):
            if entry.body[name] == value:
                return entry.body
    message = f"no entry of the unit tells of a row of {row.table.name}"
    raise RuntimeError(message)


def _columns(entry: _Noted) -> dict[str, Any]:
    """The journal's row. Keys are ASCII and numbers whole, so that sorting the keys is all that RFC 8785 asks."""
    text = orjson.dumps(entry.body, option=orjson.OPT_SORT_KEYS).decode()
    return {name: entry.body[name] for name in ("tenant", "message_id", "event")} | {"at": entry.at, "entry": text}


_APPEND: Final = journal.insert().returning(journal.c.id)
_PENDING: Final = (
    select(journal.c.id, journal.c.tenant, journal.c.entry)
    .join(leaf_pending, leaf_pending.c.journal_id == journal.c.id)
    .order_by(leaf_pending.c.journal_id)  # by journal.id SQLite would read the log from its beginning, every time
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


def queue_lost(conn: Connection) -> int:
    """Queue again what lost its place behind our back. Returns how many."""
    found = lost(conn)
    add_rows(conn, leaf_pending, [dict(row) for row in found])
    return len(found)


def lost(conn: Connection) -> Sequence[RowMapping]:
    """Entries that nobody will number, among the newest."""
    newest = conn.execute(select(func.coalesce(func.max(journal.c.id), 0))).scalar_one()
    query = (
        select(journal.c.id.label("journal_id"), journal.c.tenant)
        .outerjoin(leaf, leaf.c.journal_id == journal.c.id)
        .outerjoin(leaf_pending, leaf_pending.c.journal_id == journal.c.id)
        .where(journal.c.id > newest - LOST_ENTRIES_BACK, leaf.c.index.is_(None), leaf_pending.c.journal_id.is_(None))
    )
    return conn.execute(query).mappings().all()


def of_message(conn: Connection, message_id: str) -> list[Row[Any]]:
    """Every entry of a message, oldest first; not those that the unit which asks has noted itself."""
    return list(rows_by(conn, journal, message_id=message_id))


def newest(conn: Connection, message_id: str, event: str) -> dict[str, Any] | None:
    """The last entry of a message that tells of this event."""
    query = (
        select(journal.c.entry)
        .where(journal.c.message_id == message_id, journal.c.event == event)
        .order_by(journal.c.id.desc())
        .limit(1)
    )
    entry = conn.execute(query).scalar_one_or_none()
    return None if entry is None else dict(json.loads(entry))


def feed(conn: Connection, tenants: list[str], after: int, limit: int) -> list[Row[Any]]:
    """Numbered entries of these tenants' messages after a leaf number, without what the gateway tells of its own work."""
    query = (
        select(leaf.c.index, journal.c.entry)
        .join(journal, journal.c.id == leaf.c.journal_id)
        .where(leaf.c.tenant.in_(tenants), leaf.c.index > after, journal.c.message_id.is_not(None))
        .where(journal.c.event.not_in([ATTEMPT_BEGUN, ATTEMPT_ENDED]))
        .order_by(leaf.c.index)
        .limit(limit)
    )
    return list(conn.execute(query))


def unnumbered(conn: Connection) -> int:
    """How many entries wait for their number."""
    return int(conn.execute(text("SELECT count(*) FROM leaf_pending")).scalar_one())
