"""The Merkle tree over the numbered leaves, and the heads that were signed over it.

Hashes are kept for each full block of 256 leaves, of 256 such blocks, and so on: a proof reads a few short rows of
neighbours, whatever the size of the log, and there is one row more for 256 leaves.
"""

import secrets
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from gateway.domain import merkle
from gateway.store.database import insert_new
from gateway.store.tables import head, journal, leaf, log_state, tree_node

_BITS: Final = 8
_SPAN: Final = 1 << _BITS


def new_origin(name: str | None) -> str:
    """A name for a new log that no log ever had: two databases from one backup must not sign under the same name."""
    return f"{name or 'budstikke'}/{secrets.token_hex(4)}"


def grow(conn: Connection, before: int, after: int) -> None:
    """Keep the root of every block that became full between these two sizes. In the transaction that adds the leaves."""
    level, low, high = 1, before // _SPAN, after // _SPAN
    while low < high:
        rows = [
            {"level": level, "index": index, "hash": merkle.fold(_hashes(conn, level - 1, index * _SPAN, _SPAN))}
            for index in range(low, high)
        ]
        conn.execute(tree_node.insert(), rows)
        level, low, high = level + 1, low // _SPAN, high // _SPAN


def subtree(conn: Connection) -> merkle.Subtree:
    """The tree as ``merkle`` wants it."""

    def root(low: int, high: int) -> bytes:
        return merkle.join([_perfect(conn, first, last) for first, last in merkle.perfect(low, high)])

    return root


def size(conn: Connection) -> int:
    """How many leaves are numbered."""
    return int(conn.execute(select(log_state.c.size).where(log_state.c.id == 1)).scalar_one())


def origin(conn: Connection) -> str:
    """The name of this log, which no other log ever has."""
    return str(conn.execute(select(log_state.c.origin).where(log_state.c.id == 1)).scalar_one())


def newest_head(conn: Connection, below: int | None = None) -> Row[Any] | None:
    """The largest head that was signed, or the largest of fewer than ``below`` leaves."""
    query = select(head).order_by(head.c.size.desc()).limit(1)
    return conn.execute(query if below is None else query.where(head.c.size < below)).one_or_none()


def head_of(conn: Connection, wanted: int) -> Row[Any] | None:
    """The head of exactly this size."""
    return conn.execute(select(head).where(head.c.size == wanted)).one_or_none()


def keep_head(conn: Connection, wanted: int, root: bytes, note: str, at: int) -> None:
    """Keep a signed head. Another process may have kept the same one."""
    insert_new(conn, head, {"size": wanted, "root": root, "note": note, "at": at}, ["size"])


def leaves_of(conn: Connection, message_id: str) -> list[Row[Any]]:
    """Entries of a message in their order, with leaf ``number``, None while an entry waits for it."""
    query = (
        select(journal.c.id, journal.c.entry, leaf.c.index.label("number"))
        .outerjoin(leaf, leaf.c.journal_id == journal.c.id)
        .where(journal.c.message_id == message_id)
        .order_by(journal.c.id)
    )
    return list(conn.execute(query))


def _perfect(conn: Connection, low: int, high: int) -> bytes:
    """The root of a perfect subtree, from the largest blocks that fit in it."""
    height = (high - low).bit_length() - 1
    level = height // _BITS
    step = 1 << (_BITS * level)
    return merkle.fold(_hashes(conn, level, low // step, (high - low) // step))


def _hashes(conn: Connection, level: int, low: int, count: int) -> list[bytes]:
    """Neighbours on one level: leaves on level 0."""
    if level:
        query = select(tree_node.c.hash).where(tree_node.c.level == level).order_by(tree_node.c.index)
        query = query.where(tree_node.c.index >= low, tree_node.c.index < low + count)
    else:
        query = select(leaf.c.hash).where(leaf.c.index >= low, leaf.c.index < low + count).order_by(leaf.c.index)
    return [bytes(value) for value in conn.execute(query).scalars()]
