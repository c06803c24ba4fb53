"""Reserve mode: a report that came on paper, by telephone or in person becomes a message like any other.

What the person tells is one document, the scanned letter another, both sealed as everything else. Nothing is opened, so
the message is READY in the transaction that makes it; CONFIRMED where the person has registered it in a case already;
HELD where the same report may be here, so that nobody registers it twice unknowingly and nothing is lost.

Safe to repeat under the same Idempotency-Key.
"""

import asyncio
import hashlib
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

import orjson
import uuid_utils
from sqlalchemy import Connection

from gateway import limits
from gateway.crashpoints import Point, Side, crashpoint
from gateway.domain.deadlines import ClockFacts
from gateway.domain.lifecycle import Event, State
from gateway.domain.message_type import Direction, Lane
from gateway.domain.registration import Registration, Reporter
from gateway.errors import ConflictError, MalformedRequestError, RequestError, TooLargeError, UnknownResourceError
from gateway.observability import metrics
from gateway.pipeline import copies
from gateway.pipeline.environment import Environment
from gateway.pipeline.notes import Note, keep
from gateway.pipeline.people import Decision, carry_out
from gateway.pipeline.unseal import REPORT_PDF
from gateway.pipeline.vault import MessageKey, SealedRecord
from gateway.spi import Stream
from gateway.store import idempotency, journal, ledger, messages, payloads, unit_of_work
from gateway.store.database import locked_state
from gateway.store.entry_fields import document_name
from gateway.store.payloads import WrappedKey

FACTS: Final = "registrering.json"
"""The document that holds what the person told."""

_PDF_BEGINS: Final = b"%PDF-"
_BY_HAND: Final = "registered-by-hand"


@dataclass(frozen=True, slots=True)
class Order:
    """A case system that asks for it, and its Idempotency-Key."""

    client: str
    key: str


@dataclass(frozen=True, slots=True)
class Registered:
    """The new message, where it stands, and which others it may be the same as."""

    message_id: str
    state: State
    may_be_same_as: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _New:
    """Everything the commit needs; made before the transaction begins."""

    message_id: str
    told: Registration
    order: Order | None
    key: MessageKey
    wrapped: WrappedKey
    documents: tuple[tuple[str, str, SealedRecord], ...]  # name, media type, record
    came_at: datetime
    at: int

    @property
    def pdf(self) -> bytes | None:
        """The scanned letter's digest."""
        return next((record.digest for name, _, record in self.documents if name == REPORT_PDF), None)


async def register(env: Environment, told: Registration, scan: Stream | None, order: Order | None) -> Registered:
    """Take in a report from a person's hand. Returns after COMMIT.

    Raises UnknownResourceError, MalformedRequestError, TooLargeError, ConflictError ``idempotency-conflict``, StoreError.
    """
    if told.tenant not in {str(office.tenant) for office in env.offices.all()}:
        detail = "no child-welfare office of this number is configured here"
        raise UnknownResourceError(detail)
    fault = told.fault(env.clock.now())
    if fault is not None:
        raise MalformedRequestError(fault)
    if len(told.reason) > limits.REASON_CHARS_MAX or len(told.reference or "") > limits.REFERENCE_CHARS_MAX:
        detail = f"a reason has at most {limits.REASON_CHARS_MAX} characters, a reference {limits.REFERENCE_CHARS_MAX}"
        raise MalformedRequestError(detail)
    new = await _seal(env, told, scan, order)
    crashpoint(Point.SPOOL_WRITTEN, Side.AFTER)
    store = env.store.for_tenants([told.tenant])
    try:
        done = await store.write(lambda conn: _commit(env, conn, new), Point.ACCEPT, Lane.CONCERN)
    except RequestError:
        await asyncio.to_thread(_forget, env, new)
        raise
    if done.message_id != new.message_id:
        await asyncio.to_thread(_forget, env, new)
    metrics.RECEIVED.labels(Lane.CONCERN.value, str(done.message_id != new.message_id).lower()).inc()
    return done


async def _seal(env: Environment, told: Registration, scan: Stream | None, order: Order | None) -> _New:
    message_id, now = str(uuid_utils.uuid7()), env.clock.now()
    key, wrapped = env.vault.new_key(told.tenant, message_id)
    came_at = told.came_at or now
    raw = orjson.dumps(_facts(told, came_at, now), option=orjson.OPT_INDENT_2)
    documents = [(FACTS, "application/json", env.vault.seal_all(key, f"document:{FACTS}", [raw]))]
    if scan is not None:
        documents.append((REPORT_PDF, "application/pdf", await _seal_scan(env, key, scan)))
    return _New(message_id, told, order, key, wrapped, tuple(documents), came_at, messages.micros(now))


async def _seal_scan(env: Environment, key: MessageKey, scan: Stream) -> SealedRecord:
    sealing = env.vault.sealing(key, f"document:{REPORT_PDF}")
    try:
        await sealing.pour(_a_pdf(scan, env.settings.intake.body_bytes_max))
        return await asyncio.to_thread(sealing.store)
    except BaseException:
        sealing.writer.discard()
        raise


async def _a_pdf(scan: Stream, bytes_max: int) -> Stream:
    """The same stream, as long as it begins like a PDF and is not too large."""
    begins, size = b"", 0
    async for chunk in scan:
        begins += chunk[: len(_PDF_BEGINS) - len(begins)]
        size += len(chunk)
        if size > bytes_max:
            message = "the scanned letter is too large"
            raise TooLargeError(message)
        yield chunk
    if begins != _PDF_BEGINS:
        detail = f"{REPORT_PDF} is no PDF"
        raise MalformedRequestError(detail)


def _facts(told: Registration, came_at: datetime, now: datetime) -> dict[str, Any]:
    """What the case system gets to read, under the names that a registration has on the wire."""
    return {
        "office": told.tenant,
        "reporter": told.reporter.value,
        "reporterKnown": _known(told),
        "cameBy": told.came_by.value,
        "cameAt": came_at.isoformat(timespec="seconds"),
        "registeredAt": now.isoformat(timespec="seconds"),
        "registeredBy": told.person,
        "reference": told.reference,
        "bekymringsmeldingId": told.bekymringsmelding_id,
        "meldingId": told.melding_id,
    }


def _known(told: Registration) -> bool:
    return told.reporter is Reporter.PUBLIC or told.reporter_known


def _commit(env: Environment, conn: Connection, new: _New) -> Registered:
    told = new.told
    if new.order is not None:
        owner = _owner(env, conn, new, new.order)
        if owner != new.message_id:
            return _as_before(conn, new, owner)
    others = copies.known_by_id(conn, told.tenant, copies.shown_ids(told.bekymringsmelding_id, told.melding_id))
    first = copies.claim_pdf(env, conn, told.tenant, new.pdf, new.message_id) if new.pdf is not None else None
    others += [first] if first is not None and first not in others else []
    kind = env.types.type(told.type_key)
    unit_of_work.create(conn, _message(new, kind.lane), State.RECEIVED, None, new.at)
    _write(env, conn, new)
    held = told.reference is None and copies.lives_elsewhere(conn, others)
    happening = unit_of_work.Happening(
        Event.COPY_POSSIBLE if held else Event.OPENED,
        told.person,
        new.at,
        cause=Event.COPY_POSSIBLE.value if held else None,
        refs={"documents": len(new.documents), "warnings": 1 + len(others)},
        commit=keep(conn, new.key, Note(new.at, told.person, _BY_HAND, told.reason)),
    )
    state = unit_of_work.move(conn, new.message_id, happening).after
    copies.link(conn, told.tenant, new.message_id, others, new.at, told.person)
    if told.reference is not None:  # whoever registers has it in a case already
        answer = carry_out(env, conn, new.message_id, Decision("confirm", told.person, "", told.reference))
        if isinstance(answer, ConflictError):
            raise answer
        state = answer
    _start_clocks(env, conn, new)
    return Registered(new.message_id, state, tuple(others))


def _owner(env: Environment, conn: Connection, new: _New, order: Order) -> str:
    """Whose request this is: ours, or that of an earlier one with the same key and the same content."""
    tenant = new.told.tenant
    told = orjson.dumps({name: value for name, value in asdict(new.told).items() if value is not None})
    content = hashlib.sha256(told + b"\x00" + (new.pdf or b"")).digest()
    key = env.vault.mac(tenant, "idempotency", f"key\x00{order.client}\x00{order.key}".encode())
    mac = env.vault.mac(tenant, "idempotency-content", content)
    return idempotency.claim(conn, tenant, order.client, [key], mac, new.message_id)


def _as_before(conn: Connection, new: _New, message_id: str) -> Registered:
    entry = journal.Entry(journal.REPEATED, new.told.tenant, new.at, new.told.person, message_id=message_id)
    journal.write(conn, entry)
    state = locked_state(conn, message_id)
    assert state is not None  # noqa: S101  the key was claimed with it
    return Registered(message_id, State(state.state), tuple(copies.linked(conn, message_id)))


def _message(new: _New, lane: Lane) -> dict[str, Any]:
    client = new.order.client if new.order is not None else None
    return {
        "id": new.message_id,
        "tenant": new.told.tenant,
        "direction": Direction.IN.value,
        "road": copies.RESERVE,
        "sender": client or copies.RESERVE,
        "client": client,
        "type": new.told.type_key,
        "lane": lane.value,
        "remote_id": next(iter(copies.shown_ids(new.told.melding_id)), None),
        "arrived_at": messages.micros(new.came_at),
    }


def _write(env: Environment, conn: Connection, new: _New) -> None:
    """Key, records, documents and the arrival. It arrived when it came; the journal says when we were told."""
    tenant, told = new.told.tenant, new.told
    payloads.insert_key(conn, tenant, new.message_id, new.wrapped)
    for shown in copies.shown_ids(told.bekymringsmelding_id):
        messages.add_headers(conn, tenant, new.message_id, {ledger.REPORT_ID: shown})
    for _, _, record in new.documents:
        payloads.insert(conn, tenant, new.message_id, record.purpose, record.stored)
    messages.add_documents(conn, [_document(env, new, *one) for one in new.documents])
    messages.add_warning(conn, tenant, new.message_id, _BY_HAND, told.came_by.value)
    refs: dict[str, str | int] = {
        "road": copies.RESERVE,
        "type": told.type_key,
        "size": sum(record.size for _, _, record in new.documents),
        "at": journal.rfc3339(messages.micros(new.came_at)),
    }
    if new.order is not None:
        refs["client"] = new.order.client
    commit = {
        document_name(number): journal.commitment(new.key.salt, record.digest)
        for number, (_, _, record) in enumerate(new.documents, start=1)
    }
    entry = journal.Entry(
        journal.ARRIVED, tenant, new.at, told.person, new.message_id, told.came_by.value, refs, commit
    )
    journal.write(conn, entry)


def _document(env: Environment, new: _New, name: str, media_type: str, record: SealedRecord) -> dict[str, Any]:
    return {
        "tenant": new.told.tenant,
        "message_id": new.message_id,
        "name": name,
        "media_type": media_type,
        "size": record.size,
        "purpose": record.purpose,
        "mac": env.vault.mac(new.told.tenant, "document", record.digest),
    }


def _start_clocks(env: Environment, conn: Connection, new: _New) -> None:
    """They run from when it came, and what should have rung since then rings now."""
    told, tenant, came_at = new.told, new.told.tenant, messages.micros(new.came_at)
    public = told.reporter is Reporter.PUBLIC
    facts = ClockFacts(new.came_at, None, public, _known(told), {})
    messages.add_facts(conn, tenant, new.message_id, facts)
    seen_at = messages.micros(told.seen_at(new.came_at, messages.moment(new.at)))
    messages.add_case_event(conn, tenant, new.message_id, "person_sett", seen_at, told.person, None)
    known = messages.facts(conn, new.message_id)
    assert known is not None  # noqa: S101  just written
    readings = env.clocks(env.types.type(told.type_key), known)
    messages.replace_clocks(conn, tenant, new.message_id, readings, came_at)


def _forget(env: Environment, new: _New) -> None:
    for _, _, record in new.documents:
        if record.stored.file is not None:
            with suppress(OSError):
                (env.vault.folder.root / record.stored.file).unlink()
