"""What a partner signed of a message: kept as it came, sealed with the message, and told of in the journal.

Each piece is a record ``evidence:<n>`` whose commitment stands in the journal under the same name, so an auditor who gets the
bytes can show that they are those that came then. Whoever gets them is in the journal before the first byte (S70).
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import Connection, select

from gateway.crashpoints import Point
from gateway.errors import UnknownResourceError
from gateway.pipeline.environment import Environment
from gateway.store import journal, payloads
from gateway.store.database import locked_state
from gateway.store.parcels import StoredParcel
from gateway.store.tables import message

_EVIDENCE: Final = "evidence:"


def keep_words(env: Environment, conn: Connection, chosen: StoredParcel, words: Sequence[bytes]) -> None:
    """Keep what came with an outcome or a receipt of this parcel (``evidence``), each piece once however often it comes.

    Once the message is shredded there is nothing to seal it under, and nothing is kept.
    """
    if not words:
        return
    locked_state(conn, chosen.message_id)  # numbers are given by one at a time
    wrapped = payloads.find_key(conn, chosen.message_id)
    if wrapped is None:
        return
    tenant, message_id = chosen.tenant, chosen.message_id
    key = env.vault.unlock(tenant, message_id, wrapped)
    known = _committed(conn, message_id)
    number = len(payloads.all_of(conn, message_id, _EVIDENCE))
    commit: dict[str, str] = {}
    for piece in words:
        value = journal.commitment(key.salt, hashlib.sha256(piece).digest())
        if value in known:
            continue
        number += 1
        purpose = f"{_EVIDENCE}{number}"
        payloads.insert(conn, tenant, message_id, purpose, env.vault.seal_all(key, purpose, [piece]).stored)
        commit[purpose] = value
        known.add(value)
    if commit:
        refs: dict[str, str | int] = {"road": chosen.road}
        entry = journal.Entry(
            journal.PARTNER_SIGNED, tenant, env.now(), chosen.adapter, message_id, refs=refs, commit=commit
        )
        journal.write(conn, entry)


async def read_words(env: Environment, message_id: str, person: str) -> dict[str, bytes]:
    """Everything that partners signed of a message, by the record's name, shown to a named person.

    Raises UnknownResourceError, DecryptionError when the message is shredded.
    """
    return await env.store.write(lambda conn: _read(env, conn, message_id, person), Point.PERSON)


def _read(env: Environment, conn: Connection, message_id: str, person: str) -> dict[str, bytes]:
    tenant = conn.execute(select(message.c.tenant).where(message.c.id == message_id)).scalar_one_or_none()
    if tenant is None:
        detail = "no message has this id"
        raise UnknownResourceError(detail)
    key = env.vault.unlock(tenant, message_id, payloads.find_key(conn, message_id))
    journal.write(conn, journal.Entry(journal.PARTNER_WORDS_SHOWN, tenant, env.now(), person, message_id))
    found = payloads.all_of(conn, message_id, _EVIDENCE)
    return {purpose: b"".join(env.vault.pieces(key, purpose, stored)) for purpose, stored in found.items()}


def _committed(conn: Connection, message_id: str) -> set[str]:
    """The commitments to such pieces that stand in the journal."""
    bodies: Iterable[dict[str, dict[str, str]]] = (
        json.loads(row.entry) for row in journal.of_message(conn, message_id) if row.event == journal.PARTNER_SIGNED
    )
    return {value for body in bodies for name, value in body["commit"].items() if name.startswith(_EVIDENCE)}
