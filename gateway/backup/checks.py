"""Whether a restored database tells the truth of itself: entries, leaves, tree, signed heads, balance, payload files.

Each finding is one line of codes, names of ours and counts, never content.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import islice
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Table, func, select

from gateway.crypto import notes
from gateway.crypto.notes import NoteSigner
from gateway.domain.merkle import leaf_hash
from gateway.errors import TrustError
from gateway.evidence import formats
from gateway.limits import BACKUP_BALANCE_DAYS
from gateway.pipeline import balance
from gateway.store import journal, log
from gateway.store.payloads import PayloadFolder
from gateway.store.tables import head, leaf, payload
from gateway.store.tables import journal as entries

_PAGE: Final = 1000
_TOLD_MAX: Final = 20


def evidence_faults(conn: Connection, signer: NoteSigner | None) -> list[str]:
    """Where entries, leaves, tree and signed heads do not fit; without a signer the heads' signatures are not looked at."""
    return [*_leaf_faults(conn), *_tree_faults(conn), *_head_faults(conn, signer)]


def balance_faults(conn: Connection, until: date) -> list[str]:
    """Offices, roads and days of the last week whose messages are not all accounted for."""
    days = [until - timedelta(days=back) for back in range(BACKUP_BALANCE_DAYS)]
    return [
        f"balance {day.isoformat()} {line.tenant} {line.road}: difference {line.difference}"
        for day in days
        for line in balance.lines(conn, day)
        if line.difference
    ]


def files_without_row(conn: Connection, folder: Path) -> list[str]:
    """Payload files that no row names: they came, or were opened, after the copy was made."""
    payloads = PayloadFolder(folder)
    return sorted(str(path.relative_to(folder)) for path in payloads.unnamed(conn, float("inf")))


def rows_without_file(conn: Connection, folder: Path) -> list[str]:
    """Payload files that a row names and that are not there."""
    query = select(payload.c.file).where(payload.c.file.is_not(None)).order_by(payload.c.file)
    return [name for name in conn.execute(query).scalars() if not (folder / name).is_file()]


def _leaf_faults(conn: Connection) -> list[str]:
    """Each numbered entry hashes to its leaf; each entry is numbered or waits for it."""
    wrong = list(islice(_wrong_leaves(conn), _TOLD_MAX))
    faults = [f"leaf {number}: its entry hashes to something else" for number in wrong]
    lost = count(conn, entries) - count(conn, leaf) - journal.unnumbered(conn)
    return [*faults, *([f"{lost} entries are neither numbered nor waiting for it"] if lost else [])]


def _wrong_leaves(conn: Connection) -> Iterator[int]:
    query = select(leaf.c.index.label("number"), leaf.c.hash, entries.c.entry).outerjoin(
        entries, entries.c.id == leaf.c.journal_id
    )
    query, last = query.order_by(leaf.c.index).limit(_PAGE), -1
    while rows := conn.execute(query.where(leaf.c.index > last)).all():
        for row in rows:
            if row.entry is None or leaf_hash(row.entry.encode()) != bytes(row.hash):
                yield row.number
        last = rows[-1].number


def _tree_faults(conn: Connection) -> list[str]:
    broken = log.broken_blocks(conn)
    faults = [f"{broken} blocks of the tree do not fit their leaves"] if broken else []
    for span in (*log.closed(conn), log.span(conn)):
        assert span is not None  # noqa: S101  there is always a present log
        within = (leaf.c.index >= span.base) & (leaf.c.index < span.base + span.size)
        found = conn.execute(select(func.count()).select_from(leaf).where(within)).scalar_one()
        if found != span.size:
            faults.append(f"log {span.origin}: {found} leaves of {span.size}")
    return faults


def _head_faults(conn: Connection, signer: NoteSigner | None) -> list[str]:
    faults = []
    for span in (*log.closed(conn), log.span(conn)):
        assert span is not None  # noqa: S101  as above
        tree = log.subtree(conn, span.base)
        for row in conn.execute(select(head).where(head.c.base == span.base).order_by(head.c.size)):
            whole = row.size <= span.size and tree(0, row.size) == bytes(row.root)
            if not whole or (signer is not None and not _vouched(row.note, span.origin, signer, row.size, row.root)):
                faults.append(f"log {span.origin}: the head of {row.size} does not hold")
    return faults[:_TOLD_MAX]


def _vouched(note: str, origin: str, signer: NoteSigner, size: int, root: bytes) -> bool:
    try:
        text, _ = notes.verified(note, [signer.under(origin).public])
    except TrustError:
        return False
    return formats.read_head(text) == formats.Head(size, bytes(root)) and text.startswith(f"{origin}\n")


def count(conn: Connection, table: Table) -> int:
    """How many rows a table has."""
    return int(conn.execute(select(func.count()).select_from(table)).scalar_one())


def told(findings: Sequence[str]) -> list[str]:
    """The first of many, and how many more there are."""
    more = len(findings) - _TOLD_MAX
    return [*findings[:_TOLD_MAX], *([f"and {more} more"] if more > 0 else [])]
