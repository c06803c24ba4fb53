"""Parcels on their way out: which road and recipient, what the partner called them, and whether any may have left."""

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, select

from gateway.domain.lifecycle import OUTBOUND, Effect, Event, State
from gateway.store import coverage, journal
from gateway.store.database import add_row, insert_new, now_us, remove_rows
from gateway.store.outbox import ENDED
from gateway.store.tables import attempt, message, message_state, parcel, payload, queue_item, receipt, taking
from gateway.store.tables import journal as entries

NOTHING_LEFT: Final = frozenset({"not-taken", "refused", "guards-stopped", "not-sealed", "overtaken", "not-called"})
"""First words of an attempt's code that prove that the partner has nothing of it."""

_PROOFS: Final = frozenset({Event.NOT_TAKEN, Event.PARTNER_REFUSED, Event.ROAD_CLOSED})
_OPEN: Final = sorted({row.state.value for row in OUTBOUND})  # asked for by name: the index is on the state
_SECOND_US: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class StoredParcel:
    """One road's share of a message; ``key`` is the same for every attempt on it.

    ``sealed_for``: the fingerprint of the recipient's own key that it was sealed for last (``pipeline.recipient_keys``).
    """

    tenant: str
    message_id: str
    number: int
    road: str
    adapter: str
    recipient: str
    key: str
    sealed_for: str | None = None

    @property
    def purpose(self) -> str:
        """The name that its sealed bytes are stored under."""
        return f"parcel:{self.road}"


def add(conn: Connection, new: StoredParcel, at: int) -> None:
    """Choose a road for a message."""
    add_row(conn, parcel, **asdict(new), at=at)


def keep_sealed_for(conn: Connection, message_id: str, number: int, fingerprint: str) -> None:
    """Keep which key it is sealed for. The row is evidence: another one takes its place, and the caller's entry tells of both."""
    query = select(parcel).where(parcel.c.message_id == message_id, parcel.c.number == number)
    row = conn.execute(query).mappings().one()
    if row["sealed_for"] != fingerprint:
        remove_rows(conn, parcel, message_id=message_id, number=number)
        add_row(conn, parcel, **{name: row[name] for name in coverage.columns(parcel)} | {"sealed_for": fingerprint})


def all_of(conn: Connection, message_id: str) -> list[StoredParcel]:
    """Every road that was chosen, the first first; the last one is in force."""
    return _found(conn, parcel.c.message_id == message_id)


def in_force(conn: Connection, message_id: str) -> StoredParcel | None:
    """The last one chosen; of what comes in, the receipt that is sent over the road it came by."""
    return next(reversed(all_of(conn, message_id)), None)


def by_key(conn: Connection, key: str) -> StoredParcel | None:
    """The parcel of this key."""
    return next(iter(_found(conn, parcel.c.key == key)), None)


def by_reference(conn: Connection, adapter: str, reference: str) -> list[StoredParcel]:
    """The parcels that this partner has called so; more than one is its mistake."""
    keys = select(taking.c.parcel_key).where(taking.c.partner_reference == reference)
    return [found for found in _found(conn, parcel.c.key.in_(keys)) if found.adapter == adapter]


def take(conn: Connection, taken: StoredParcel, reference: str, at: int) -> None:
    """Keep what the partner called it when it took it."""
    values = {
        "tenant": taken.tenant,
        "message_id": taken.message_id,
        "parcel_key": taken.key,
        "partner_reference": reference,
        "at": at,
    }
    if insert_new(conn, taking, values, ["parcel_key", "partner_reference"]):
        refs: dict[str, str | int] = {"road": taken.road}
        entry = journal.Entry(journal.PARTNER_NAMED, taken.tenant, at, "gateway", taken.message_id, refs=refs)
        journal.write_spare(conn, entry)


def awaited(conn: Connection, adapter: str, limit: int) -> list[tuple[StoredParcel, str, int]]:
    """What this partner took and whose message has not come to its end, the newest first: reference and time with it."""
    query = (
        select(parcel, taking.c.partner_reference, taking.c.at.label("taken_at"))
        .join(taking, taking.c.parcel_key == parcel.c.key)
        .join(message_state, message_state.c.message_id == parcel.c.message_id)
        .where(parcel.c.adapter == adapter, message_state.c.direction == "ut", message_state.c.state.in_(_OPEN))
        .order_by(taking.c.at.desc())
        .limit(limit)
    )
    return [(_stored(row), row.partner_reference, row.taken_at) for row in conn.execute(query)]


def unopened(conn: Connection, adapter: str, since: int, limit: int) -> list[tuple[StoredParcel, str, int]]:
    """What this partner took after ``since`` and has arrived, but was not told to be opened, the newest first."""
    opened = select(receipt.c.id).where(receipt.c.message_id == parcel.c.message_id, receipt.c.kind == "opened")
    arrived = message_state.c.state == State.DELIVERED
    query = (
        select(parcel, taking.c.partner_reference, taking.c.at.label("taken_at"))
        .join(taking, taking.c.parcel_key == parcel.c.key)
        .join(message_state, message_state.c.message_id == parcel.c.message_id)
        .where(parcel.c.adapter == adapter, message_state.c.direction == "ut", arrived)
        .where(taking.c.at >= since, ~opened.exists())
        .order_by(taking.c.at.desc())
        .limit(limit)
    )
    return [(_stored(row), row.partner_reference, row.taken_at) for row in conn.execute(query)]


def told(conn: Connection, adapter: str, references: Collection[str]) -> dict[str, set[str]]:
    """Of these references, those of parcels that this partner has taken, with the kinds of ticks their messages have."""
    query = (
        select(taking.c.partner_reference, receipt.c.kind)
        .join(parcel, taking.c.parcel_key == parcel.c.key)
        .outerjoin(receipt, receipt.c.message_id == taking.c.message_id)
        .where(parcel.c.adapter == adapter, taking.c.partner_reference.in_(references))
    )
    found: dict[str, set[str]] = {}
    for row in conn.execute(query):
        found.setdefault(row.partner_reference, set()).add(row.kind or "")
    return found


def references(conn: Connection, key: str) -> frozenset[str]:
    """What the partner has called it."""
    query = select(taking.c.partner_reference).where(taking.c.parcel_key == key)
    return frozenset(conn.execute(query).scalars())


def partner_of(conn: Connection, message_id: str) -> str:
    """The adapter whose calls a message waits for now; of what comes in, the road it came by."""
    chosen = select(parcel.c.adapter).where(parcel.c.message_id == message_id).order_by(parcel.c.number.desc()).limit(1)
    arrived = select(message.c.road).where(message.c.id == message_id)
    return str(conn.execute(chosen).scalar_one_or_none() or conn.execute(arrived).scalar_one())


def may_have_left(
    conn: Connection, message_id: str, *, but: tuple[int, int] | None = None, trust_person: bool = False
) -> bool:
    """Whether some attempt to send began and was not answered by a proven no.

    ``but``: generation and number of the attempt that asks and has called nobody yet. ``trust_person``: what a person
    released after the partner could not be asked counts as decided. Before anything was sealed nothing can have left.
    """
    sealed = select(payload.c.id).where(payload.c.message_id == message_id, payload.c.purpose.startswith("parcel:"))
    if conn.execute(sealed.limit(1)).first() is None:
        return False
    query = select(attempt).where(attempt.c.message_id == message_id, attempt.c.effect == Effect.SEND.value)
    proven_before = _proven_before(conn, message_id, trust_person=trust_person)
    open_attempts: dict[tuple[int, int], bool] = {}
    for row in conn.execute(query.order_by(attempt.c.id)):
        if (row.generation, row.number) == but or row.generation < proven_before:
            continue
        nothing = row.phase == ENDED and str(row.code).partition(":")[0] in NOTHING_LEFT
        open_attempts[row.generation, row.number] = not nothing
    return any(open_attempts.values())


def _proven_before(conn: Connection, message_id: str, *, trust_person: bool) -> int:
    """The generation that began with a proof, of the partner or on a person's word: older attempts left nothing."""
    proofs = {event.value for event in _PROOFS} | ({Event.CANNOT_ASK.value} if trust_person else set())
    rows = conn.execute(
        select(entries.c.entry).where(entries.c.message_id == message_id, entries.c.event.in_(sorted(proofs)))
    )
    return max((int(json.loads(row.entry)["refs"]["generation"]) for row in rows), default=0)


def delay_send(conn: Connection, message_id: str, generation: int, delay_s: float) -> None:
    """Let an owed attempt wait."""
    conn.execute(
        queue_item.update()
        .where(
            queue_item.c.message_id == message_id,
            queue_item.c.effect == Effect.SEND.value,
            queue_item.c.generation == generation,
        )
        .values(run_at=now_us(conn) + int(delay_s * _SECOND_US))
    )


def attempts(conn: Connection, message_id: str) -> int:
    """How often sending was begun, in all."""
    begun = select(attempt.c.id).where(
        attempt.c.message_id == message_id, attempt.c.effect == Effect.SEND.value, attempt.c.phase != ENDED
    )
    return len(conn.execute(begun).all())


def _found(conn: Connection, condition: ColumnElement[bool]) -> list[StoredParcel]:
    rows = conn.execute(select(parcel).where(condition).order_by(parcel.c.number))
    return [_stored(row) for row in rows]


def _stored(row: Row[Any]) -> StoredParcel:
    return StoredParcel(
        row.tenant, row.message_id, row.number, row.road, row.adapter, row.recipient, row.key, row.sealed_for
    )
