"""A stored delivery is opened, verified and validated: one effect, one commit.

Safe to repeat: everything found is derived from the stored bytes and replaces what an earlier run left. Opening works
on the store's copy alone, so that no failure here can reach the sender (requirement S17).
"""

import asyncio
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BufferedReader
from typing import Any, BinaryIO, Final

from sqlalchemy import Connection, Row

from gateway import limits
from gateway.crashpoints import Point
from gateway.crypto.asice import VerifiedContainer, verify_container
from gateway.crypto.cms import open_envelope
from gateway.crypto.keys import KeyRing
from gateway.crypto.profiles import FIKS_CONCERN_REPORT, FIKS_ENVELOPE, PRINT_PART
from gateway.domain.deadlines import ClockFacts
from gateway.domain.lifecycle import Effect, Event, State
from gateway.domain.message_type import Lane, MessageType
from gateway.errors import ContentError, DocumentError, GatewayError, TrustError
from gateway.pipeline.environment import Environment
from gateway.pipeline.validate import Reading, clock_facts, validate
from gateway.pipeline.vault import MessageKey, SealedRecord
from gateway.store import dedupe, journal, messages, outbox, payloads, unit_of_work
from gateway.store.database import locked_state
from gateway.store.dedupe import KeyKind
from gateway.store.entry_fields import document_name
from gateway.store.outbox import Item
from gateway.store.payloads import StoredRecord

REPORT_JSON: Final = "bekymringsmelding.json"
REPORT_PDF: Final = "bekymringsmelding.pdf"
PRINT_COPY: Final = "bekymringsmelding-utskrift.pdf"
_CONTAINER_PART: Final = "part:asice"
_PRINT_PART: Final = "part:bekymringsmelding"
_SPOOL: Final = "spool"


@dataclass(slots=True)
class Opened:
    """What opening found, ready to be committed."""

    event: Event
    cause: str | None
    facts: ClockFacts
    documents: list[tuple[str, str, SealedRecord]] = field(default_factory=list)  # name, media type, record
    warnings: list[tuple[str, str]] = field(default_factory=list)
    signer: dict[str, Any] | None = None
    content_key: str | None = None


class Opening:
    """One message being opened, in a worker thread: blocking, in constant memory."""

    def __init__(self, env: Environment, row: Row[Any], key: MessageKey, parts: dict[str, StoredRecord]) -> None:
        self._env = env
        self._row = row
        self._key = key
        self._parts = parts
        self._office = env.offices.of(row.tenant)
        self._kind: MessageType = env.types.type(row.type)

    def run(self) -> Opened:
        """Open, and turn every fault of the content into a quarantine with its reason."""
        opened = Opened(Event.OPENED, None, clock_facts(Reading(), self._kind, messages.moment(self._row.arrived_at)))
        try:
            self._open_container(opened)
        except (TrustError, ContentError) as error:
            opened.event, opened.cause = Event.SEAL_BROKEN, _cause(error)
            opened.documents.clear()
            opened.warnings.append(("quarantined", opened.cause))
            self._read_print_copy(opened)
        return opened

    def _open_container(self, opened: Opened) -> None:
        with self._container() as spool:
            container = verify_container(spool, FIKS_CONCERN_REPORT, self._env.trust, self._env.clock.now())
            opened.warnings.extend((code, "") for code in container.warnings)
            opened.signer = {
                "organisation": container.signer.organisation_number,
                "fingerprint": container.signer.fingerprint_sha256,
                "trust": container.signer.trust.value,
            }
            for document in container.documents:
                record = self._env.vault.seal_all(self._key, f"document:{document.name}", container.open(document.name))
                opened.documents.append((document.name, _media_type(document.media_type), record))
            self._judge(opened, container)

    @contextmanager
    def _container(self) -> Iterator[BinaryIO]:
        """Decrypt the envelope into an encrypted spool: nothing of it is believed yet (crypto-profile 2.2, step 7)."""
        pieces = self._decrypted(_CONTAINER_PART, self._office.receive, FIKS_ENVELOPE)
        sealing = self._env.vault.sealing(self._key, _SPOOL)
        try:
            for piece in pieces:
                sealing.update(piece)
            sealing.finish()
            with sealing.writer.spool() as source:
                yield BufferedReader(self._key.key.reader(self._key.name(_SPOOL), source, sealing.writer.size))
        finally:
            sealing.writer.discard()

    def _decrypted(self, purpose: str, ring: KeyRing, profile: Any) -> Iterator[bytes]:
        stored = self._parts.get(purpose)
        if stored is None:
            text = "the part was not delivered"
            raise DocumentError(text)
        reader = self._env.vault.reader(self._key, purpose, stored)
        return open_envelope(BufferedReader(reader), ring.decryption_keys(), profile)

    def _judge(self, opened: Opened, container: VerifiedContainer) -> None:
        """What is there, what is missing, what it says."""
        names = {name: record for name, _, record in opened.documents}
        if not names.keys() & {REPORT_JSON, REPORT_PDF}:
            text = "neither the report's JSON nor its PDF is in the container"
            raise DocumentError(text)
        if REPORT_JSON not in names:
            opened.warnings.append(("json-missing", ""))
        else:
            self._judge_json(opened, container, names[REPORT_JSON])
        if REPORT_PDF not in names:
            opened.warnings.append(("pdf-missing", ""))
            self._read_print_copy(opened)
        else:
            self._compare_print_part(opened, names[REPORT_PDF].digest)

    def _judge_json(self, opened: Opened, container: VerifiedContainer, record: SealedRecord) -> None:
        opened.content_key = self._env.vault.mac(self._row.tenant, KeyKind.CONTENT, record.digest)
        if record.size > limits.JSON_VALIDATED_BYTES_MAX:
            opened.warnings.append(("json-not-validated", ""))
            return
        raw = b"".join(container.open(REPORT_JSON))
        reading = validate(raw, self._kind, self._env.types, self._office.tenant)
        opened.facts = clock_facts(reading, self._kind, messages.moment(self._row.arrived_at))
        opened.warnings.extend(reading.warnings)

    def _read_print_copy(self, opened: Opened) -> None:
        """The print part as the readable copy, when it opens."""
        try:
            pieces = self._decrypted(_PRINT_PART, self._office.print_part, PRINT_PART)
            record = self._env.vault.seal_all(self._key, f"document:{PRINT_COPY}", pieces)
        except (TrustError, ContentError):
            opened.warnings.append(("print-copy-unreadable", ""))
            return
        opened.documents.append((PRINT_COPY, "application/pdf", record))
        opened.warnings.append(("print-copy", ""))

    def _compare_print_part(self, opened: Opened, digest: bytes) -> None:
        if _PRINT_PART not in self._parts:
            return
        try:
            pieces = self._decrypted(_PRINT_PART, self._office.print_part, PRINT_PART)
            same = _digest(pieces) == digest
        except (TrustError, ContentError):
            opened.warnings.append(("print-copy-unreadable", ""))
            return
        if not same:
            opened.warnings.append(("print-copy-differs", ""))


def _media_type(told: str) -> str:
    """As the sender's manifest has it, unless no column and no header could hold it."""
    return told if len(told) <= limits.MEDIA_TYPE_CHARS_MAX else "application/octet-stream"


def _digest(pieces: Iterator[bytes]) -> bytes:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.digest()


def _cause(error: GatewayError) -> str:
    return error.outcome if isinstance(error, TrustError) else error.code


async def open_message(env: Environment, item: Item) -> str:
    """Perform the effect OPEN. Returns the outcome's code."""

    def load(conn: Connection) -> tuple[Row[Any], payloads.WrappedKey | None, dict[str, StoredRecord]]:
        row = messages.get(conn, item.message_id)
        parts = payloads.all_of(conn, item.message_id, "part:")
        return row, payloads.find_key(conn, item.message_id), parts

    row, wrapped, parts = await env.store.read(load)
    key = env.vault.unlock(row.tenant, row.id, wrapped)
    opened = await asyncio.to_thread(Opening(env, row, key, parts).run)
    return await env.store.write(lambda conn: _commit(env, conn, item, row, key, opened), Point.OPENED, Lane(row.lane))


def _commit(env: Environment, conn: Connection, item: Item, row: Row[Any], key: MessageKey, opened: Opened) -> str:
    at = env.now()
    state = locked_state(conn, row.id)
    if not outbox.held(conn, item):
        return "lease-lost"
    if state is None or state.state != State.RECEIVED:
        outbox.finish(conn, item, "overtaken", at)
        return "overtaken"
    if state.generation > 1:
        _forget_findings(conn, row.id)
    _write_findings(env, conn, row, opened, at)
    event, refs, linked = _judge_duplicate(env, conn, row, opened)
    commit = {
        document_name(number): journal.commitment(key.salt, record.digest)
        for number, (_, _, record) in enumerate(opened.documents, start=1)
    }
    refs = {**refs, "documents": len(opened.documents), "warnings": len(opened.warnings)}
    cause = opened.cause or (event.value if event is not Event.OPENED else None)
    unit_of_work.move_locked(conn, state, unit_of_work.Happening(event, "gateway", at, cause, refs, commit))
    if linked is not None:
        _link(conn, row, linked)
    outbox.finish(conn, item, event.value, at)
    return event.value


def _forget_findings(conn: Connection, message_id: str) -> None:
    """Somebody let it be opened again: what an earlier opening found is found anew."""
    payloads.forget(conn, message_id, "document:")
    messages.forget_findings(conn, message_id)


def _write_findings(env: Environment, conn: Connection, row: Row[Any], opened: Opened, at: int) -> None:
    for _, _, record in opened.documents:
        payloads.insert(conn, row.tenant, row.id, record.purpose, record.stored)
    messages.add_documents(
        conn,
        [
            {
                "tenant": row.tenant,
                "message_id": row.id,
                "name": name,
                "media_type": media_type,
                "size": record.size,
                "purpose": record.purpose,
                "mac": env.vault.mac(row.tenant, "document", record.digest),
            }
            for name, media_type, record in opened.documents
        ],
    )
    messages.add_warnings(conn, row.tenant, row.id, opened.warnings)
    if opened.signer is not None:
        messages.add_signer(conn, row.tenant, row.id, opened.signer)
    messages.add_facts(conn, row.tenant, row.id, opened.facts)
    readings = env.clocks(env.types.type(row.type), opened.facts)
    messages.replace_clocks(conn, row.tenant, row.id, readings, at)


def _judge_duplicate(
    env: Environment, conn: Connection, row: Row[Any], opened: Opened
) -> tuple[Event, dict[str, str | int], str | None]:
    """Stage 2 of the duplicate rules (decisions 1.6): the event, its references, and the first one when linked."""
    if opened.event is not Event.OPENED or opened.content_key is None:
        return opened.event, {}, None
    same = dedupe.claim(conn, row.tenant, KeyKind.CONTENT, opened.content_key, row.id)
    for kind, key in _id_keys(env, conn, row):
        owner = dedupe.claim(conn, row.tenant, kind, key, row.id)
        if owner != row.id and dedupe.first_of(conn, owner) != dedupe.first_of(conn, same):
            return Event.CONTENT_DIFFERS, {"other": owner}, None
    if same == row.id:
        return Event.OPENED, {}, None
    first = dedupe.first_of(conn, same)
    first_state = locked_state(conn, first)
    if first_state is None or _was_refused(conn, first, first_state.state):
        return Event.SEEN_REFUSED, {"first": first}, None
    _warn_of_other_pdf(conn, row, first)
    return Event.SEEN_BEFORE, {"first": first}, first


def _id_keys(env: Environment, conn: Connection, row: Row[Any]) -> Iterator[tuple[KeyKind, str]]:
    headers = messages.headers(conn, row.id)
    if report_id := headers.get("bekymringsmelding-id"):
        yield KeyKind.REPORT_ID, env.vault.mac(row.tenant, KeyKind.REPORT_ID, report_id.encode())
    if client_id := headers.get("klientMeldingId"):
        identity = row.sender.encode() + b"\x00" + client_id.encode()
        yield KeyKind.CLIENT_ID, env.vault.mac(row.tenant, KeyKind.CLIENT_ID, identity)


def _was_refused(conn: Connection, first: str, state: str) -> bool:
    if state == State.REFUSED:
        return True
    values = {receipt.value for receipt in messages.receipts(conn, first) if receipt.kind == "application"}
    return "refused" in values


def _warn_of_other_pdf(conn: Connection, row: Row[Any], first: str) -> None:
    macs = [{d.mac for d in messages.documents(conn, one) if d.name == REPORT_PDF} for one in (row.id, first)]
    if macs[0] != macs[1]:
        for one in (row.id, first):
            messages.add_warning(conn, row.tenant, one, "duplicate-pdf-differs")


def _link(conn: Connection, row: Row[Any], first: str) -> None:
    """Tie it to the first one; its receipt is owed at once when the first one is decided already."""
    dedupe.link(conn, row.tenant, row.id, first)
    first_state, own_state = locked_state(conn, first), locked_state(conn, row.id)
    if first_state is not None and own_state is not None and first_state.state in {State.CONFIRMED, State.RECEIPTED}:
        unit_of_work.owe(conn, own_state, Effect.RECEIPT_POSITIVE)
