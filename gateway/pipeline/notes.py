"""Texts that people write to people: why a message was rejected, held or refused.

They may name people, so they are sealed under the message's data key and go with it; the journal has a commitment only.
Whoever reads them is in the journal before the first word is shown (requirement S70).
"""

import hashlib
from dataclasses import dataclass

from sqlalchemy import Connection, select

from gateway.crashpoints import Point
from gateway.errors import MalformedRequestError, UnknownResourceError
from gateway.pipeline.environment import Environment
from gateway.pipeline.vault import MessageKey
from gateway.store import journal, notes, payloads
from gateway.store.tables import message


@dataclass(frozen=True, slots=True)
class Note:
    """One text. ``kind`` is the event that it explains, ``at`` is in UTC microseconds."""

    at: int
    actor: str
    kind: str
    text: str


def keep(conn: Connection, key: MessageKey, note: Note) -> dict[str, str]:
    """Seal and store a text; returns what the journal commits to. An empty text is none."""
    if not note.text:
        return {}
    raw = note.text.encode()
    notes.add(
        conn,
        tenant=key.tenant,
        message_id=key.message_id,
        at=note.at,
        actor=note.actor,
        kind=note.kind,
        sealed=key.seal(_purpose(note.kind, note.at), raw),
    )
    return {"reason": journal.commitment(key.salt, hashlib.sha256(raw).digest())}


async def read(env: Environment, message_id: str, person: str) -> list[Note]:
    """Every text of a message, oldest first, shown to a named person.

    Raises MalformedRequestError without a person, UnknownResourceError, DecryptionError when the message is shredded.
    """
    if not person.strip():
        detail = "texts are shown to a named person only"
        raise MalformedRequestError(detail)
    return await env.store.write(lambda conn: _read(env, conn, message_id, person), Point.PERSON)


def _read(env: Environment, conn: Connection, message_id: str, person: str) -> list[Note]:
    tenant = conn.execute(select(message.c.tenant).where(message.c.id == message_id)).scalar_one_or_none()
    if tenant is None:
        detail = "no message has this id"
        raise UnknownResourceError(detail)
    entry = journal.Entry(journal.NOTES_SHOWN, tenant, env.now(), person, message_id=message_id)
    journal.write(conn, entry)
    rows = notes.of_message(conn, message_id)
    if not rows:
        return []
    key = env.vault.unlock(tenant, message_id, payloads.find_key(conn, message_id))
    return [
        Note(row.at, row.actor, row.kind, key.open(_purpose(row.kind, row.at), row.sealed).decode()) for row in rows
    ]


def _purpose(kind: str, at: int) -> str:
    """Bound into the seal, so that a text stays with its event and time."""
    return f"note:{kind}:{at}"
