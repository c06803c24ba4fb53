"""A new log begins where an old one ends in doubt: after a restore, or on an old copy that a person goes on with.

Otherwise the same leaf numbers would be signed a second time over other entries (decisions 5.5). The old log keeps its
leaves, blocks and heads, so that its proofs stay good, and never signs again. The first leaf of the new one says which
head of the old log was the last that is known, who began it, and why.
"""

import base64
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from gateway.domain.merkle import leaf_hash
from gateway.store import journal, log
from gateway.store.database import add_row
from gateway.store.tables import closed_log, leaf, leaf_pending, log_state
from gateway.store.tables import journal as journal_table


@dataclass(frozen=True, slots=True)
class Beginning:
    """Why a log begins. ``after``, ``size``, ``root``: the last head known before it; ``code``: the reason, a word."""

    origin: str
    after: str
    size: int
    root: bytes
    person: str
    code: str
    at: int


def begin_log(conn: Connection, beginning: Beginning) -> None:
    """Close the present log and begin another. What waits for a number gets it in the new log, after its first entry."""
    if conn.dialect.name == "postgresql":
        conn.execute(select(func.pg_advisory_xact_lock(journal.SEQUENCER_LOCK)))
    old = log.span(conn)
    assert old is not None  # noqa: S101  there is always a present log
    add_row(conn, closed_log, origin=old.origin, base=old.base, size=old.size, closed_at=beginning.at)
    base = log.next_base(old.base + old.size)
    root = base64.b64encode(beginning.root).decode()
    refs: dict[str, str | int] = {"origin": beginning.after, "size": beginning.size, "root": root}
    entry = journal.Entry(journal.LOG_BEGUN, "*", beginning.at, beginning.person, code=beginning.code, refs=refs)
    journal.write(conn, entry)
    (row_id,) = journal.settle(conn)  # the new log begins with this one, whatever else the unit will tell
    text = conn.execute(select(journal_table.c.entry).where(journal_table.c.id == row_id)).scalar_one()
    add_row(conn, leaf, index=base, tenant="*", journal_id=row_id, hash=leaf_hash(text.encode()))
    conn.execute(leaf_pending.delete().where(leaf_pending.c.journal_id == row_id))
    conn.execute(
        log_state.update().where(log_state.c.id == 1).values(origin=beginning.origin, base=base, size=base + 1)
    )
