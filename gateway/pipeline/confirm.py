"""The case system decides: confirmed by read-back, or rejected to a person.

No digest of a document leaves us before this, so a right answer proves possession of the bytes. A wrong answer is an
answer too: it is committed, as evidence and alarm, before the caller hears of it.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row

from gateway import limits
from gateway.crashpoints import Point
from gateway.domain.lifecycle import Event, State
from gateway.domain.message_type import Lane
from gateway.errors import ConflictError, UnknownResourceError
from gateway.pipeline.case_events import move_clocks
from gateway.pipeline.environment import Environment
from gateway.pipeline.hand_over import NO_SUCH, NOT_OFFERED, CaseSystemClient, note
from gateway.pipeline.notes import Note, keep
from gateway.store import alarms, journal, messages, payloads, unit_of_work
from gateway.store.alarms import AlarmCode
from gateway.store.database import add_row, locked_state, row_by
from gateway.store.entry_fields import document_name
from gateway.store.tables import confirmation, message_state


@dataclass(frozen=True, slots=True)
class Readback:
    """What the case system says it has: its own reference, and the SHA-256 (hexadecimal) of each stored document."""

    reference: str
    documents: tuple[tuple[str, str], ...]


async def confirm(env: Environment, client: CaseSystemClient, message_id: str, readback: Readback) -> int:
    """Stored and read back. Returns when it was confirmed; the same confirm again gives the same answer.

    Raises ConflictError: ``readback-mismatch``, ``confirm-conflict`` or ``wrong-state``; UnknownResourceError.
    """
    answer = await env.store.write(
        lambda conn: _confirm(env, conn, client, message_id, readback), Point.CONFIRM, Lane.CONCERN
    )
    if isinstance(answer, ConflictError):  # the refusal itself had to be committed: alarm and evidence
        raise answer
    return answer


def _confirm(
    env: Environment, conn: Connection, client: CaseSystemClient, message_id: str, readback: Readback
) -> int | ConflictError:
    now = env.now()
    state = locked_state(conn, message_id)
    row = messages.find(conn, message_id, client.tenants)
    if state is None or row is None or row.state in NOT_OFFERED:
        raise UnknownResourceError(NO_SUCH)
    reference_mac = env.vault.mac(row.tenant, "reference", readback.reference.encode())
    documents_mac = env.vault.mac(row.tenant, "readback", json.dumps(sorted(readback.documents)).encode())
    earlier = row_by(conn, confirmation, message_id=message_id)
    if earlier is not None:
        if (earlier.reference_mac, earlier.documents_mac) == (reference_mac, documents_mac):
            return int(earlier.at)
        return _conflict(env, conn, client, row, now)
    if not unit_of_work.legal(state, Event.READ_BACK_RIGHT):
        return _late(env, conn, client, row, now, Event.READ_BACK_RIGHT)
    if not _matches(env, conn, row, readback):
        return _mismatch(env, conn, client, row, state.readback_failures + 1, now)
    key = env.vault.unlock(row.tenant, message_id, payloads.find_key(conn, message_id))
    digests = {name: bytes.fromhex(digest) for name, digest in readback.documents}
    commit = {
        document_name(number): journal.commitment(key.salt, digests[document.name])
        for number, document in enumerate(messages.documents(conn, message_id), start=1)
    }
    commit["reference"] = journal.commitment(key.salt, hashlib.sha256(readback.reference.encode()).digest())
    happening = unit_of_work.Happening(Event.READ_BACK_RIGHT, client.id, now, commit=commit)
    moved = unit_of_work.move_locked(conn, state, happening)
    add_row(
        conn,
        confirmation,
        message_id=message_id,
        tenant=row.tenant,
        kind="readback",
        actor=client.id,
        at=now,
        reference=key.seal("reference", readback.reference.encode()),
        reference_mac=reference_mac,
        documents_mac=documents_mac,
    )
    messages.add_receipt(conn, row.tenant, message_id, "case-system", "stored", now, moved.entry_id)
    if state.readback_failures:
        code = AlarmCode.READBACK_MISMATCH
        alarms.close(conn, tenant=row.tenant, code=code, subject=message_id, at=now, actor=client.id)
    move_clocks(env, conn, row, "levert", now, client.id)
    return now


def _matches(env: Environment, conn: Connection, row: Row[Any], readback: Readback) -> bool:
    """Every document exactly once, each with its right digest."""
    expected = {(d.name, d.mac) for d in messages.documents(conn, row.id)}
    try:
        given = [
            (name, env.vault.mac(row.tenant, "document", bytes.fromhex(digest))) for name, digest in readback.documents
        ]
    except ValueError:
        return False
    return len(given) == len(expected) and set(given) == expected


def _mismatch(
    env: Environment, conn: Connection, client: CaseSystemClient, row: Row[Any], failures: int, now: int
) -> ConflictError:
    conn.execute(message_state.update().where(message_state.c.message_id == row.id).values(readback_failures=failures))
    note(env, conn, client, row, journal.READ_BACK_WRONG, {"failures": failures})
    alarms.ring(conn, tenant=row.tenant, code=AlarmCode.READBACK_MISMATCH, subject=row.id, at=now)
    if failures >= limits.READBACK_TRIES_MAX and row.state in {State.READY, State.OFFERED}:
        happening = unit_of_work.Happening(Event.READ_BACK_WRONG_3, client.id, now, cause="readback-mismatch")
        unit_of_work.move(conn, row.id, happening)
    detail = "the digests are not those of the documents as served; read every document back from your own store"
    return ConflictError(detail, code="readback-mismatch")


def _conflict(env: Environment, conn: Connection, client: CaseSystemClient, row: Row[Any], now: int) -> ConflictError:
    note(env, conn, client, row, journal.CONFIRM_CONFLICT, {})
    alarms.ring(conn, tenant=row.tenant, code=AlarmCode.CONFIRM_CONFLICT, subject=row.id, at=now)
    detail = "the message is confirmed already, under another reference or with other documents"
    return ConflictError(detail, code="confirm-conflict")


def _late(
    env: Environment, conn: Connection, client: CaseSystemClient, row: Row[Any], now: int, event: Event
) -> ConflictError:
    """An event from outside without a row: journalled, and an alarm where two sides now disagree."""
    note(env, conn, client, row, journal.LATE, {"event": event.value, "state": row.state})
    if row.state == State.REFUSED or (row.state == State.RECEIPTED and event is Event.READ_BACK_RIGHT):
        alarms.ring(conn, tenant=row.tenant, code=AlarmCode.LATE_EVENT, subject=row.id, at=now)
    detail = f"the message is {row.state}; this is not possible from there"
    return ConflictError(detail)


async def reject(env: Environment, client: CaseSystemClient, message_id: str, reason: str, text: str = "") -> None:
    """The case system cannot take it: it goes to a person, never away.

    ``reason`` is a code and evidence; ``text`` is for that person, and kept sealed.
    """

    def work(conn: Connection) -> ConflictError | None:
        now = env.now()
        state = locked_state(conn, message_id)
        row = messages.find(conn, message_id, client.tenants)
        if state is None or row is None or row.state in NOT_OFFERED:
            raise UnknownResourceError(NO_SUCH)
        if not unit_of_work.legal(state, Event.REJECTED):
            return _late(env, conn, client, row, now, Event.REJECTED)
        key = env.vault.unlock(row.tenant, message_id, payloads.find_key(conn, message_id))
        commit = keep(conn, key, Note(now, client.id, Event.REJECTED, text))
        happening = unit_of_work.Happening(Event.REJECTED, client.id, now, cause=reason, commit=commit)
        unit_of_work.move(conn, message_id, happening)
        return None

    answer = await env.store.write(work, Point.REJECT, Lane.CONCERN)
    if answer is not None:
        raise answer
