"""A stored delivery is opened, verified and validated: one effect, one commit.

Safe to repeat: everything found is derived from the stored bytes and replaces what an earlier run left. Opening works
on the store's copy alone, so that no failure here can reach the sender (requirement S17).
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row

from gateway import limits
from gateway.crashpoints import Point
from gateway.domain.lifecycle import Effect, Event, State
from gateway.domain.message_type import Lane
from gateway.errors import UnknownResourceError
from gateway.pipeline import copies
from gateway.pipeline.environment import Environment
from gateway.pipeline.send import later
from gateway.pipeline.unseal import CONTAINER_PART, REPORT_PDF, Opened, Opening
from gateway.pipeline.vault import MessageKey, SealedRecord
from gateway.store import dedupe, journal, ledger, messages, outbox, payloads, unit_of_work
from gateway.store.database import locked_state
from gateway.store.dedupe import KeyKind
from gateway.store.entry_fields import document_name
from gateway.store.outbox import Item
from gateway.store.payloads import StoredRecord, WrappedKey

_OTHER_PDF: Final = "duplicate-pdf-differs"


@dataclass(frozen=True, slots=True)
class _Stored:
    row: Row[Any]
    wrapped: WrappedKey | None
    parts: dict[str, StoredRecord]
    headers: dict[str, str]


async def open_message(env: Environment, item: Item) -> str:
    """Perform the effect OPEN. Returns the outcome's code."""

    def load(conn: Connection) -> _Stored:
        row = messages.get(conn, item.message_id)
        parts = payloads.all_of(conn, item.message_id, "part:")
        return _Stored(row, payloads.find_key(conn, row.id), parts, messages.headers(conn, row.id))

    found = await env.store.read(load)
    row = found.row
    key = env.vault.unlock(row.tenant, row.id, found.wrapped)
    if CONTAINER_PART not in found.parts:
        if env.fetching.locked():  # one at a time: where large parts lie may hang, and other reports need the workers
            return await later(env, item, "not-called:fetching", delay_s=limits.FETCH_AGAIN_S)
        async with env.fetching:
            await _fetch_blob(env, found, key)
    opened = await asyncio.to_thread(Opening(env, row, key, found.parts, found.headers).run)
    return await env.store.write(lambda conn: _commit(env, conn, item, row, key, opened), Point.OPENED, Lane(row.lane))


async def _fetch_blob(env: Environment, found: _Stored, key: MessageKey) -> None:
    """What did not come with the delivery, where its road has it. Raises PartnerUnavailableError: it is tried again.

    What is gone at the partner is gone: opening then finds that nothing was delivered.
    """
    row, blobs = found.row, env.roads.blobs_of(found.row.road)
    if blobs is None:
        return
    sealing = env.vault.sealing(key, CONTAINER_PART)
    try:
        await sealing.pour(blobs.blob(found.headers))
        record: SealedRecord = await asyncio.to_thread(sealing.store)
    except BaseException as error:
        sealing.writer.discard()
        if isinstance(error, UnknownResourceError):
            return
        raise

    def keep(conn: Connection) -> None:
        payloads.insert(conn, row.tenant, row.id, CONTAINER_PART, record.stored)
        commit = {CONTAINER_PART: journal.commitment(key.salt, record.digest)}
        refs: dict[str, str | int] = {"size": record.size}
        entry = journal.Entry(journal.FETCHED, row.tenant, env.now(), "gateway", row.id, refs=refs, commit=commit)
        journal.write(conn, entry)

    await env.store.write(keep, Point.FETCHED, Lane(row.lane))
    found.parts[CONTAINER_PART] = record.stored


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
    if event is Event.OPENED and row.lane == Lane.CONCERN:
        _look_for_registered(env, conn, row, opened, at)
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
    if first_state is None or copies.was_refused(conn, first, first_state.state):
        return Event.SEEN_REFUSED, {"first": first}, None
    _warn_of_other_pdf(conn, row, first, env.now())
    return Event.SEEN_BEFORE, {"first": first}, first


def _look_for_registered(env: Environment, conn: Connection, row: Row[Any], opened: Opened, at: int) -> None:
    report_id = messages.headers(conn, row.id).get(ledger.REPORT_ID)
    pdf = next((record.digest for name, _, record in opened.documents if name == REPORT_PDF), None)
    copies.warn_of_registered(env, conn, row, report_id, pdf, at)


def _id_keys(env: Environment, conn: Connection, row: Row[Any]) -> Iterator[tuple[KeyKind, str]]:
    headers = messages.headers(conn, row.id)
    if report_id := headers.get(ledger.REPORT_ID):
        yield KeyKind.REPORT_ID, env.vault.mac(row.tenant, KeyKind.REPORT_ID, report_id.encode())
    if client_id := headers.get("klientMeldingId"):
        identity = row.sender.encode() + b"\x00" + client_id.encode()
        yield KeyKind.CLIENT_ID, env.vault.mac(row.tenant, KeyKind.CLIENT_ID, identity)


def _warn_of_other_pdf(conn: Connection, row: Row[Any], first: str, at: int) -> None:
    macs = [{d.mac for d in messages.documents(conn, one) if d.name == REPORT_PDF} for one in (row.id, first)]
    if macs[0] != macs[1]:
        for one in (row.id, first):
            messages.add_warning(conn, row.tenant, one, _OTHER_PDF)
            journal.write_spare(conn, journal.Entry(journal.WARNED, row.tenant, at, "gateway", one, _OTHER_PDF))


def _link(conn: Connection, row: Row[Any], first: str) -> None:
    """Tie it to the first one; its receipt is owed at once when the first one is decided already."""
    dedupe.link(conn, row.tenant, row.id, first)
    first_state, own_state = locked_state(conn, first), locked_state(conn, row.id)
    if first_state is not None and own_state is not None and first_state.state in {State.CONFIRMED, State.RECEIPTED}:
        unit_of_work.owe(conn, own_state, Effect.RECEIPT_POSITIVE)
