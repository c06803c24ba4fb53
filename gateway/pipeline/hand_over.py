"""The case system's side of waiting messages: list, claim, look, fetch.

Every call that shows or changes a message is an evidence event, committed before the first byte leaves. Foreign and
unknown ids answer alike. No digest of a document leaves before confirmation: read-back must come from the other's store.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection, Integer, Row, Select, bindparam, func, select

from gateway import limits
from gateway.crashpoints import Point
from gateway.domain import history as words
from gateway.domain.lifecycle import Event, State
from gateway.domain.message_type import Direction, Lane
from gateway.errors import UnknownResourceError
from gateway.pipeline.environment import Environment
from gateway.pipeline.hold_places import named
from gateway.pipeline.release import hold_of
from gateway.pipeline.texts import WARNINGS, told
from gateway.store import journal, messages, parcels, payloads, unit_of_work
from gateway.store.database import now_us, row_by
from gateway.store.tables import document, message, message_state

_MICRO: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class CaseSystemClient:
    """A verified case system and the tenants it may see."""

    id: str
    tenants: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Claimed:
    """One claim: the message and when the claim lapses (UTC microseconds)."""

    message_id: str
    until: int


@dataclass(frozen=True, slots=True)
class DocumentBytes:
    """A document ready to be served; ``pieces(start, stop)`` gives its octets from start up to stop."""

    name: str
    media_type: str
    size: int
    reader: Any

    def pieces(self, start: int, stop: int) -> Iterator[bytes]:
        """Blocks on the disk; for a worker thread."""
        self.reader.seek(start)
        left = stop - start
        while left > 0 and (piece := self.reader.read(min(left, limits.CHUNK_BYTES))):
            left -= len(piece)
            yield piece


NOT_OFFERED: Final = frozenset({State.RECEIVED.value, State.QUARANTINED.value, State.DUPLICATE.value})
NO_SUCH: Final = "no message of yours has this id"
_ANSWERS: Final = "svar-til"  # Fiks IO's header with the platform's id of what is answered (fiks.md 4.3)


async def waiting(
    env: Environment, client: CaseSystemClient, state: State, types: Sequence[str], after: str, limit: int
) -> list[dict[str, Any]]:
    """Messages in a state, oldest first, after a message id. Holds no names and no identity numbers."""

    def work(conn: Connection) -> list[dict[str, Any]]:
        query = (
            select(message, message_state)
            .join(message_state, message_state.c.message_id == message.c.id)
            .where(
                message_state.c.tenant.in_(client.tenants),
                message_state.c.state == state.value,
                message_state.c.direction == Direction.IN.value,
                message.c.id > after,
            )
            .order_by(message.c.id)
            .limit(limit)
        )
        if state is State.OFFERED:  # a claim is between one client and us
            query = query.where(message_state.c.claim_client == client.id)
        if types:
            query = query.where(message.c.type.in_(list(types)))
        return [_summary(env, conn, row, messages.warnings(conn, row.id)) for row in conn.execute(query)]

    return await env.store.read(work)


def _summary(env: Environment, conn: Connection, row: Row[Any], warnings: Sequence[Row[Any]]) -> dict[str, Any]:
    return {
        "id": row.id,
        "type": row.type,
        "state": row.state,
        "arrivedAt": journal.rfc3339(row.arrived_at),
        "senderOrganisation": row.sender_organisation,
        "claimUntil": journal.rfc3339(row.claim_until) if row.claim_until else None,
        "clocks": _clocks(env, conn, row.id),
        "warnings": [{"code": w.code} for w in warnings],
    }


def _clocks(env: Environment, conn: Connection, message_id: str) -> list[dict[str, Any]]:
    return [clock_view(env, row) for row in messages.clocks(conn, message_id)]


def clock_view(env: Environment, row: Row[Any]) -> dict[str, Any]:
    """One clock as shown: its law and lengths stand in configuration."""
    rule = env.rules[row.clock_id]
    return {
        "id": row.clock_id,
        "law": rule.law,
        "title": rule.title,
        "status": row.status,
        "start": journal.rfc3339(row.start) if row.start else None,
        "due": journal.rfc3339(row.due) if row.due else None,
        "stop": list(rule.stop),
        "level": row.rung,
    }


async def head(env: Environment, client: CaseSystemClient, message_id: str) -> dict[str, Any]:
    """Everything but the documents' bytes. An evidence event."""

    def work(conn: Connection) -> dict[str, Any]:
        row = visible(conn, client, message_id)
        note(env, conn, client, row, journal.SHOWN, {})
        signer, warnings = messages.signer_of(conn, message_id), messages.warnings(conn, message_id)
        return {
            **_summary(env, conn, row, warnings),
            "tenant": row.tenant,
            "warnings": [
                {"code": w.code, "detail": w.detail or None, "text": WARNINGS.get(w.code, w.code)} for w in warnings
            ],
            "documents": [
                {"name": d.name, "mediaType": d.media_type, "size": d.size}
                for d in messages.documents(conn, message_id)
            ],
            "signer": None
            if signer is None
            else {
                "organisation": signer.organisation,
                "certificateFingerprint": signer.fingerprint,
                "trust": signer.trust,
            },
            "thread": _thread(conn, row),
            "hold": _hold(conn, row),
        }

    return await env.store.write(work, Point.SHOW, Lane.CONCERN)


def _thread(conn: Connection, row: Row[Any]) -> str | None:
    """The message of the office that this one answers, if it comes from whom that was sent to; a road is named after its adapter."""
    reference = messages.headers(conn, row.id).get(_ANSWERS)
    if reference is None:
        return None
    found = parcels.by_reference(conn, row.road.partition("-")[0], reference)
    return next((one.message_id for one in found if (one.tenant, one.recipient) == (row.tenant, row.sender)), None)


def _hold(conn: Connection, row: Row[Any]) -> dict[str, Any] | None:
    """Why a message that goes out is held, in plain words and in which documents, and how many people must release it."""
    if row.direction != Direction.OUT.value or row.state != State.HELD.value:
        return None
    hold = hold_of(conn, row.id, str(row.cause or ""))
    places = named(hold.places, [each.name for each in messages.documents(conn, row.id)])
    return {
        "code": hold.cause,
        "rule": hold.rule,
        "text": told(hold.cause, places),
        "places": [
            {"document": one.document, "name": one.name, "pages": one.pages, "morePages": one.more_pages}
            for one in places.documents
        ],
        "moreDocuments": places.more_documents,
        "personsNeeded": hold.needed,
        "personsSoFar": hold.persons,
    }


async def fetch(env: Environment, client: CaseSystemClient, message_id: str, name: str) -> DocumentBytes:
    """One document as it came. An evidence event, committed before the first byte."""

    def work(conn: Connection) -> tuple[Row[Any], Row[Any], Any, Any]:
        row = visible(conn, client, message_id)
        found = row_by(conn, document, message_id=message_id, name=name)
        if found is None:
            raise UnknownResourceError(NO_SUCH)
        note(env, conn, client, row, journal.DOCUMENT_SHOWN, {"document": found.id})
        return row, found, payloads.find_key(conn, message_id), payloads.find(conn, message_id, found.purpose)

    row, found, wrapped, stored = await env.store.write(work, Point.SHOW, Lane.CONCERN)
    if stored is None:
        raise UnknownResourceError(NO_SUCH)
    key = env.vault.unlock(row.tenant, message_id, wrapped)
    return DocumentBytes(found.name, found.media_type, found.size, env.vault.reader(key, found.purpose, stored))


def visible(conn: Connection, client: CaseSystemClient, message_id: str) -> Row[Any]:
    """A message this client may see now: its tenant's, and past the opening."""
    row = messages.find(conn, message_id, client.tenants)
    if row is None or row.state in NOT_OFFERED:
        raise UnknownResourceError(NO_SUCH)
    return row


def note(
    env: Environment,
    conn: Connection,
    client: CaseSystemClient,
    row: Row[Any],
    event: str,
    refs: Mapping[str, str | int],
) -> None:
    """Append an evidence event by this client."""
    journal.write(conn, journal.Entry(event, row.tenant, env.now(), client.id, message_id=row.id, refs=refs))


async def claim(
    env: Environment, client: CaseSystemClient, count: int, lease_s: int, types: Sequence[str]
) -> list[Claimed]:
    """Take up to ``count`` waiting messages for a while, concern reports first."""

    def work(conn: Connection) -> list[Claimed]:
        now = env.now()
        room = env.settings.case_system.claims_max - conn.execute(_CLAIMS, {"client": client.id}).scalar_one()
        wanted = {"tenants": client.tenants, "types": list(types), "limit": max(0, min(count, room))}
        found = conn.execute(_offered(some_types=bool(types)), wanted).all()
        return [_offer(conn, client, row, now, lease_s) for row in found]

    return await env.store.write(work, Point.OFFER, Lane.CONCERN)


_CLAIMS: Final = select(func.count()).where(
    message_state.c.claim_client == bindparam("client"), message_state.c.claim_until.is_not(None)
)


@cache
def _offered(*, some_types: bool) -> Select[Any]:
    """State rows of waiting messages, concern reports first; locked, and passing over those that others lock."""
    query = (
        select(message_state)
        .where(
            message_state.c.tenant.in_(bindparam("tenants", expanding=True)),
            message_state.c.state == State.READY.value,
            message_state.c.direction == Direction.IN.value,
        )
        .order_by(message_state.c.lane != Lane.CONCERN.value, message_state.c.message_id)
        .limit(bindparam("limit", type_=Integer))
        .with_for_update(skip_locked=True)
    )
    return query.where(message_state.c.type.in_(bindparam("types", expanding=True))) if some_types else query


def _offer(conn: Connection, client: CaseSystemClient, row: Row[Any], now: int, lease_s: int) -> Claimed:
    until = now_us(conn) + lease_s * _MICRO  # the store's clock, by which it lapses
    taken = unit_of_work.Claim(client.id, until)
    unit_of_work.move_locked(conn, row, unit_of_work.Happening(Event.CLAIMED, client.id, now, claim=taken))
    messages.add_history(conn, row.tenant, row.message_id, words.SENDT_FAGSYSTEM, now)
    return Claimed(row.message_id, until)
