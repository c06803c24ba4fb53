"""The Merkle tree over the numbered leaves, and the heads that were signed over it.

Hashes are kept for each full block of 256 leaves, of 256 such blocks, and so on: a proof reads a few short rows of
neighbours, whatever the size of the log, and there is one row more for 256 leaves.

Leaves are numbered through, for the feeds. A log that follows a closed one begins further on, at its ``base``, and its
tree counts from there; the closed log's leaves, blocks and heads stay, so that proofs can still be made under them.
"""

import secrets
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, func, select, tuple_

from gateway.domain import merkle
from gateway.store.database import insert_new
from gateway.store.tables import closed_log, head, journal, leaf, log_state, time_stamp, tree_node

_BITS: Final = 8
SPAN: Final = 1 << _BITS
_ALIGNED: Final = (
    SPAN**3
)  # where a log may begin, so that no block holds leaves of two; one more level is 2 ** 32 leaves


@dataclass(frozen=True, slots=True)
class Span:
    """One log of this database: its name, its first leaf's number, how many leaves it has."""

    origin: str
    base: int
    size: int


def new_origin(name: str | None) -> str:
    """A name for a new log that no log ever had: two databases from one backup must not sign under the same name."""
    return f"{name or 'budstikke'}/{secrets.token_hex(4)}"


def grow(conn: Connection, before: int, after: int) -> None:
    """Keep the root of every block that became full between these two sizes. In the transaction that adds the leaves."""
    level, low, high = 1, before // SPAN, after // SPAN
    while low < high:
        rows = [
            {"level": level, "index": index, "hash": merkle.fold(_hashes(conn, level - 1, index * SPAN, SPAN))}
            for index in range(low, high)
        ]
        conn.execute(tree_node.insert(), rows)
        level, low, high = level + 1, low // SPAN, high // SPAN


def subtree(conn: Connection, base: int | None = None) -> merkle.Subtree:
    """The tree of the log that begins at ``base``, or of the present one, as ``merkle`` wants it."""
    first = _present(conn).base if base is None else base

    def root(low: int, high: int) -> bytes:
        return merkle.join([_perfect(conn, first + begin, first + end) for begin, end in merkle.perfect(low, high)])

    return root


def span(conn: Connection, origin: str | None = None) -> Span | None:
    """The log of this name, closed or not; None when there is none. Without a name, the present one."""
    present = _present(conn)
    if origin in {None, present.origin}:
        return present
    row = conn.execute(select(closed_log).where(closed_log.c.origin == origin)).one_or_none()
    return Span(row.origin, row.base, row.size) if row is not None else None


def closed(conn: Connection) -> list[Span]:
    """The logs that never sign again, the oldest first."""
    rows = conn.execute(select(closed_log).order_by(closed_log.c.base))
    return [Span(row.origin, row.base, row.size) for row in rows]


def next_base(size: int) -> int:
    """Where the next log begins when so many leaf numbers are given: beyond those that lost time may have given, too."""
    return (size // _ALIGNED + 1) * _ALIGNED


def size(conn: Connection) -> int:
    """How many leaves of this log are numbered."""
    return _present(conn).size


def origin(conn: Connection) -> str:
    """The name of this log, which no other log ever has."""
    return _present(conn).origin


def newest_head(conn: Connection, below: int | None = None, *, base: int | None = None) -> Row[Any] | None:
    """The largest head that was signed, or the largest of fewer than ``below`` leaves; of the log at ``base``, or this."""
    begin = _present(conn).base if base is None else base
    query = select(head).where(head.c.base == begin).order_by(head.c.size.desc()).limit(1)
    return conn.execute(query if below is None else query.where(head.c.size < below)).one_or_none()


def head_of(conn: Connection, wanted: int) -> Row[Any] | None:
    """This log's head of exactly this size."""
    query = select(head).where(head.c.base == _present(conn).base, head.c.size == wanted)
    return conn.execute(query).one_or_none()


def keep_head(conn: Connection, wanted: int, root: bytes, note: str, at: int, *, base: int = 0) -> None:
    """Keep a signed head of the log that begins at ``base``. Another process may have kept the same one."""
    insert_new(conn, head, {"base": base, "size": wanted, "root": root, "note": note, "at": at}, ["base", "size"])


def stamp_of(conn: Connection, base: int, wanted: int) -> bytes | None:
    """The time stamp over the head of this size of the log at ``base``, if there is one."""
    query = select(time_stamp.c.response).where(time_stamp.c.base == base, time_stamp.c.size == wanted)
    response = conn.execute(query).scalar_one_or_none()
    return bytes(response) if response is not None else None


def newest_stamp(conn: Connection, base: int) -> int | None:
    """The size of the largest stamped head of the log at ``base``."""
    found: int | None = conn.execute(select(func.max(time_stamp.c.size)).where(time_stamp.c.base == base)).scalar_one()
    return found


def first_entry(conn: Connection) -> bytes | None:
    """The entry of this log's first leaf."""
    query = select(journal.c.entry).join(leaf, leaf.c.journal_id == journal.c.id)
    entry = conn.execute(query.where(leaf.c.index == _present(conn).base)).scalar_one_or_none()
    return entry.encode() if entry is not None else None


def blocks(conn: Connection, after: tuple[int, int]) -> list[Row[Any]]:
    """Kept blocks after this (level, index), in order, as ``level``, ``place``, ``tenant``, ``hash``; a page of them."""
    place = (tree_node.c.level, tree_node.c.index.label("place"))
    query = select(*place, tree_node.c.tenant, tree_node.c.hash).order_by(*place).limit(SPAN)
    return list(conn.execute(query.where(tuple_(tree_node.c.level, tree_node.c.index) > tuple_(*after))))


def holds(conn: Connection, block: Row[Any]) -> bool:
    """Whether a kept block is the root over what it stands for."""
    return merkle.fold(_hashes(conn, block.level - 1, block.place * SPAN, SPAN)) == bytes(block.hash)


def kept_blocks(conn: Connection, level: int, low: int, high: int) -> set[int]:
    """Which blocks of a level, from ``low`` up to ``high``, are kept."""
    query = select(tree_node.c.index).where(tree_node.c.level == level)
    return set(conn.execute(query.where(tree_node.c.index >= low, tree_node.c.index < high)).scalars())


def heads(conn: Connection, after: tuple[int, int]) -> list[Row[Any]]:
    """Kept heads after this (base, size), in order; a page of them."""
    query = select(head).order_by(head.c.base, head.c.size).limit(SPAN)
    return list(conn.execute(query.where(tuple_(head.c.base, head.c.size) > tuple_(*after))))


def leaves_of(conn: Connection, message_id: str, base: int) -> list[Row[Any]]:
    """Entries of a message in their order, with leaf ``number`` from ``base`` on, None while an entry waits for it."""
    query = (
        select(journal.c.id, journal.c.entry, (leaf.c.index - base).label("number"))
        .outerjoin(leaf, leaf.c.journal_id == journal.c.id)
        .where(journal.c.message_id == message_id)
        .order_by(journal.c.id)
    )
    return list(conn.execute(query))


def _present(conn: Connection) -> Span:
    row = conn.execute(select(log_state.c.origin, log_state.c.base, log_state.c.size).where(log_state.c.id == 1)).one()
    return Span(row.origin, row.base, row.size - row.base)


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
