"""A message's proof file: made on request of a named person, because it may tell what the journal keeps sealed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, select

from gateway.crashpoints import Point
from gateway.domain import merkle
from gateway.errors import MalformedRequestError, UnknownResourceError
from gateway.evidence.formats import ProofFile, Proven, succession, witness_update
from gateway.pipeline.environment import Environment
from gateway.store import journal, log, messages, payloads
from gateway.store.entry_fields import document_name
from gateway.store.tables import message


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for: by whom, with salt and document names or without, and for which witness's size.

    ``log``: the name of a closed log; None is the present one.
    """

    person: str
    opened: bool = False
    known: int | None = None
    log: str | None = None


@dataclass(frozen=True, slots=True)
class _Opened:
    """What lets others compare content: gone once the message is shredded."""

    salt: bytes | None = None
    names: Mapping[str, str] = field(default_factory=dict)


async def prove(env: Environment, message_id: str, wish: Wish) -> ProofFile | None:
    """The proof of all that the newest head covers; None when it covers nothing of this message yet.

    Who asked, and whether for the salt, is an entry of its own. Raises UnknownResourceError, DecryptionError when the
    salt is asked for after shredding, MalformedRequestError when the witness's head is newer than ours.
    """
    return await env.store.write(lambda conn: _prove(env, conn, message_id, wish), Point.PERSON)


def _prove(env: Environment, conn: Connection, message_id: str, wish: Wish) -> ProofFile | None:
    row = conn.execute(select(message).where(message.c.id == message_id)).one_or_none()
    if row is None:
        detail = "no message has this id"
        raise UnknownResourceError(detail)
    span = _span(conn, wish.log)
    newest = log.newest_head(conn, base=span.base)
    size = newest.size if newest is not None else 0
    covered = [one for one in log.leaves_of(conn, message_id, span.base) if one.number in range(size)]
    if newest is None or not covered:
        return None
    opened = _opened(env, conn, row) if wish.opened else _Opened()
    _tell(env, conn, row, wish)
    tree = log.subtree(conn, span.base)
    return ProofFile(
        message_id=message_id,
        head=newest.note,
        entries=[Proven(one.entry.encode(), one.number, merkle.inclusion(one.number, size, tree)) for one in covered],
        salt=opened.salt,
        names=opened.names,
        time_stamp=log.stamp_of(conn, span.base, size),
        since=_since(wish.known, size, tree),
    )


def _span(conn: Connection, name: str | None) -> log.Span:
    """Raises UnknownResourceError."""
    found = log.span(conn, name)
    if found is None:
        detail = "no log of this gateway has this name"
        raise UnknownResourceError(detail)
    return found


def _opened(env: Environment, conn: Connection, row: Row[Any]) -> _Opened:
    key = env.vault.unlock(row.tenant, row.id, payloads.find_key(conn, row.id))
    documents = messages.documents(conn, row.id)
    return _Opened(key.salt, {document_name(number): one.name for number, one in enumerate(documents, start=1)})


def _tell(env: Environment, conn: Connection, row: Row[Any], wish: Wish) -> None:
    code = "with-salt" if wish.opened else None
    journal.write(conn, journal.Entry(journal.PROVEN, row.tenant, env.now(), wish.person, row.id, code))


def _since(known: int | None, size: int, tree: merkle.Subtree) -> dict[int, list[bytes]]:
    if known is None:
        return {}
    if known > size:
        detail = "the witness knows a newer head than this gateway: wait, or find out why"
        raise MalformedRequestError(detail)
    return {known: merkle.consistency(known, size, tree)}


def update_for_witness(conn: Connection, known: int, name: str | None = None) -> str | None:
    """What a witness that knows so many leaves needs to move on to the newest head; None when there is none newer.

    ``name``: a closed log's. Raises UnknownResourceError, MalformedRequestError when it knows more than the log holds.
    """
    base = _span(conn, name).base
    newest = log.newest_head(conn, base=base)
    size = newest.size if newest is not None else 0
    path = _since(known, size, log.subtree(conn, base))[known]  # raises before a cut log is called nothing new
    return witness_update(known, path, newest.note) if newest is not None and size != known else None


def succession_for_witness(conn: Connection) -> str | None:
    """What a witness of the closed log needs to follow the present one; None while no head of that is signed.

    Raises UnknownResourceError when the present log is the first one.
    """
    base = _span(conn, None).base
    newest, entry = log.newest_head(conn), log.first_entry(conn)
    if base == 0:
        detail = "this log is the first one: no other was closed before it"
        raise UnknownResourceError(detail)
    if newest is None or entry is None:
        return None
    return succession(entry, merkle.inclusion(0, newest.size, log.subtree(conn)), newest.note)
