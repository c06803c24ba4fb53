"""A case system sends something out: streamed, sealed and committed before it is told that we have it.

Safe to repeat: the same Idempotency-Key or meldingId with the same content is the same message.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import uuid_utils
from sqlalchemy import Connection

from gateway import limits
from gateway.crashpoints import Point, Side, crashpoint
from gateway.domain.lifecycle import Effect, State
from gateway.domain.message_type import Direction, MessageType
from gateway.errors import MalformedRequestError, RequestError, SchemaError, TooLargeError, UnknownResourceError
from gateway.pipeline import feedback_check, letter_clocks
from gateway.pipeline.accept import require_room
from gateway.pipeline.envelope import Melding, Vedlegg, read_envelope
from gateway.pipeline.envelope_check import require_deliverable
from gateway.pipeline.envelope_letter import Person
from gateway.pipeline.environment import Environment
from gateway.pipeline.hand_over import NO_SUCH, CaseSystemClient
from gateway.pipeline.letter_writing import require_documents, written_letter
from gateway.pipeline.outgoing import MELDING, case_pseudonym, recipient_pseudonym
from gateway.pipeline.quotas import require_quota
from gateway.pipeline.validate import read_json
from gateway.pipeline.vault import MessageKey, SealedRecord, Sealing
from gateway.spi import Part, Stream
from gateway.store import idempotency, journal, messages, payloads, unit_of_work
from gateway.store.entry_fields import document_name
from gateway.store.payloads import WrappedKey

_CAME_BY = "case-system"


@dataclass(frozen=True, slots=True)
class _Submission:
    """Everything the commit needs; made before the transaction begins."""

    message_id: str
    client: CaseSystemClient
    melding: Melding
    kind: MessageType
    key: MessageKey
    wrapped: WrappedKey
    envelope: SealedRecord
    documents: tuple[tuple[Vedlegg, SealedRecord], ...]
    keys: tuple[str, ...]
    content: str
    says: str | None
    at: int


async def submit(env: Environment, client: CaseSystemClient, key: str, parts: AsyncIterator[Part]) -> str:
    """Take a message to be sent; returns its id after COMMIT. ``key`` is the request's Idempotency-Key.

    The first part is the envelope, the others are its documents by file name. Raises MalformedRequestError,
    UnknownResourceError for an office that is not the client's, UnknownMessageTypeError, SchemaError, TooLargeError,
    ConflictError ``idempotency-conflict``, StoreError.
    """
    env = env.giving_way()
    raw = await _envelope(parts)
    melding = read_envelope(raw)
    if melding.tenant not in client.tenants:
        raise UnknownResourceError(NO_SUCH)
    kind = _kind(env, melding)
    require_deliverable(env, melding)
    require_room(env, kind.lane)
    require_quota(env, kind.lane, client.id)
    submission = await _seal(env, client, key, raw, melding, kind, parts)
    crashpoint(Point.SPOOL_WRITTEN, Side.AFTER)
    try:
        message_id = await env.store.write(lambda conn: _commit(env, conn, submission), Point.SUBMIT, kind.lane)
    except RequestError:
        await asyncio.to_thread(_forget, env, submission)
        raise
    if message_id != submission.message_id:
        await asyncio.to_thread(_forget, env, submission)
    env.log.info("message.submitted", message_id=message_id, tenant=melding.tenant, client=client.id)
    return message_id


async def _envelope(parts: AsyncIterator[Part]) -> bytes:
    part = await anext(parts, None)
    if part is None or part.name != MELDING:
        detail = f"the first part is {MELDING}, the envelope as JSON; the documents follow"
        raise MalformedRequestError(detail)
    raw = bytearray()
    async for chunk in part.stream:
        raw += chunk
        if len(raw) > limits.REQUEST_JSON_BYTES_MAX:
            message = "the envelope is too large"
            raise TooLargeError(message)
    return bytes(raw)


def _kind(env: Environment, melding: Melding) -> MessageType:
    kind = env.types.type(melding.type_key)
    if kind.direction is not Direction.OUT:
        detail = "melding.meldingstype: this type comes in, it is not sent"
        raise MalformedRequestError(detail)
    if not env.roads.roads_of(kind.key):
        detail = "melding.meldingstype: no road is configured for this type here"
        raise MalformedRequestError(detail, code="no-road")
    require_documents(kind, melding)
    return kind


async def _seal(
    env: Environment,
    client: CaseSystemClient,
    key: str,
    raw: bytes,
    melding: Melding,
    kind: MessageType,
    parts: AsyncIterator[Part],
) -> _Submission:
    """Seal each document as it comes, and the letter that is written from them.

    Nothing else is ever whole in memory but the envelope and a document with a schema.
    """
    message_id = str(uuid_utils.uuid7())
    message_key, wrapped = env.vault.new_key(melding.tenant, message_id)
    sealings: list[Sealing] = []
    try:
        documents, read = await _documents(env, message_key, melding, kind, parts, sealings)
        feedback_check.require_agreement(kind, melding, read)
        letter = await written_letter(env, kind, melding, documents, read)
        if letter is not None:
            documents.append(letter.vedlegg)
            sealings.append(_sealing_of(env, message_key, f"document:{letter.vedlegg.filnavn}", letter.pdf))
        sealings.append(_sealing_of(env, message_key, MELDING, raw))
        records = [await asyncio.to_thread(sealing.store) for sealing in sealings]
    except BaseException:
        for sealing in sealings:
            sealing.writer.discard()
        raise
    return _Submission(
        message_id=message_id,
        client=client,
        melding=melding,
        kind=kind,
        key=message_key,
        wrapped=wrapped,
        envelope=records[-1],
        documents=tuple(zip(documents, records[:-1], strict=True)),
        keys=_keys(env, client, melding, key),
        content=_content(env, melding.tenant, [*records[: len(melding.vedlegg)], records[-1]]),
        says=letter_clocks.says(kind, read),
        at=env.now(),
    )


def _keys(env: Environment, client: CaseSystemClient, melding: Melding, key: str) -> tuple[str, ...]:
    """The request's key, and the message's own: both scoped by client, none readable."""
    given = {"key": key, "melding-id": f"{melding.avsender.orgnr}/{melding.melding_id}"}
    return tuple(
        env.vault.mac(melding.tenant, "idempotency", f"{kind}\x00{client.id}\x00{value}".encode())
        for kind, value in given.items()
    )


def _sealing_of(env: Environment, key: MessageKey, purpose: str, content: bytes) -> Sealing:
    sealing = env.vault.sealing(key, purpose)
    sealing.update(content)
    sealing.finish()
    return sealing


def _content(env: Environment, tenant: str, records: Sequence[SealedRecord]) -> str:
    """What came, for a repeat to be known by. A letter of our own is no part of it: another version may write it otherwise."""
    digest = hashlib.sha256()
    for record in sorted(records, key=lambda one: one.purpose):
        digest.update(hashlib.sha256(record.purpose.encode()).digest() + record.digest)
    return env.vault.mac(tenant, "idempotency-content", digest.digest())


async def _documents(
    env: Environment,
    key: MessageKey,
    melding: Melding,
    kind: MessageType,
    parts: AsyncIterator[Part],
    sealings: list[Sealing],
) -> tuple[list[Vedlegg], object]:
    """The documents in the order they came: each one that the envelope names, once, and no other. And what was read of them."""
    awaited = {document.filnavn: document for document in melding.vedlegg}
    found: list[Vedlegg] = []
    read: object = None
    async for part in parts:
        document = awaited.pop(part.name, None)
        if document is None:
            detail = "a part is doubled, or melding.vedlegg does not name it"
            raise MalformedRequestError(detail)
        sealing = env.vault.sealing(key, f"document:{document.filnavn}")
        sealings.append(sealing)
        read = await _pour(env, kind, document, part.stream, sealing) or read
        found.append(document)
    if awaited:
        detail = f"melding.vedlegg: {len(awaited)} of the documents are missing in the request"
        raise MalformedRequestError(detail)
    return found, read


async def _pour(env: Environment, kind: MessageType, document: Vedlegg, stream: Stream, sealing: Sealing) -> object:
    """Seal one document. Returns what it says, where it has a schema."""
    read = bytearray() if document.filnavn == kind.schema_document else None
    async for chunk in stream:
        sealing.update(chunk)
        if read is not None:
            read += chunk
            if len(read) > limits.JSON_VALIDATED_BYTES_MAX:
                message = "a document with a schema is too large"
                raise TooLargeError(message)
    sealing.finish()
    if document.storrelse is not None and document.storrelse != sealing.size:
        detail = "melding.vedlegg: a document is not as large as storrelse says"
        raise MalformedRequestError(detail)
    if read is None:
        return None
    reading = read_json(bytes(read))
    if reading.warnings or env.types.flaws(kind.key, reading.document):
        message = "a document does not follow the schema of its type"
        raise SchemaError(message)
    return reading.document


def _commit(env: Environment, conn: Connection, sent: _Submission) -> str:
    tenant, message_id = sent.melding.tenant, sent.message_id
    owner = idempotency.claim(conn, tenant, sent.client.id, sent.keys, sent.content, message_id)
    if owner != message_id:
        entry = journal.Entry(journal.REPEATED, tenant, sent.at, sent.client.id, message_id=owner)
        journal.write(conn, entry)
        return owner
    feedback_check.require_known_report(conn, sent.kind, sent.melding)
    unit_of_work.create(conn, _message(env, sent), State.ACCEPTED, Effect.CHECK_GUARDS, sent.at)
    payloads.insert_key(conn, tenant, message_id, sent.wrapped)
    records = [sent.envelope, *(record for _, record in sent.documents)]
    for record in records:
        payloads.insert(conn, tenant, message_id, record.purpose, record.stored)
    messages.add_documents(conn, [_document(env, sent, *pair) for pair in sent.documents])
    letter_clocks.begin(env, conn, message_id, sent.kind, sent.melding, sent.says)
    refs: dict[str, str | int] = {
        "type": sent.kind.key,
        "documents": len(sent.documents),
        "size": sum(record.size for record in records),
    }
    commit = {MELDING: journal.commitment(sent.key.salt, sent.envelope.digest)} | {
        document_name(number): journal.commitment(sent.key.salt, record.digest)
        for number, (_, record) in enumerate(sent.documents, start=1)
    }
    entry = journal.Entry(
        journal.SUBMITTED, tenant, sent.at, sent.client.id, message_id=message_id, refs=refs, commit=commit
    )
    journal.write(conn, entry)
    return message_id


def _message(env: Environment, sent: _Submission) -> dict[str, Any]:
    to = sent.melding.mottaker
    return {
        "id": sent.message_id,
        "tenant": sent.melding.tenant,
        "direction": Direction.OUT.value,
        "road": _CAME_BY,
        "sender": sent.client.id,
        "sender_organisation": sent.melding.avsender.orgnr,
        "client": sent.client.id,
        "recipient": None if isinstance(to, Person) else to.orgnr,
        "person": recipient_pseudonym(env, sent.melding),
        "case_reference": case_pseudonym(env, sent.melding),
        "follows": sent.melding.oppfolging_av_melding_id,
        "relation": sent.melding.meldingsforbindelse,
        "type": sent.kind.key,
        "lane": sent.kind.lane.value,
        "remote_id": sent.melding.melding_id,
        "arrived_at": sent.at,
    }


def _document(env: Environment, sent: _Submission, document: Vedlegg, record: SealedRecord) -> dict[str, Any]:
    return {
        "tenant": sent.melding.tenant,
        "message_id": sent.message_id,
        "name": document.filnavn,
        "media_type": document.mime_type,
        "size": record.size,
        "purpose": record.purpose,
        "mac": env.vault.mac(sent.melding.tenant, "document", record.digest),
    }


def _forget(env: Environment, sent: _Submission) -> None:
    for record in (sent.envelope, *(record for _, record in sent.documents)):
        if record.stored.file is not None:
            (env.vault.folder.root / record.stored.file).unlink(missing_ok=True)
