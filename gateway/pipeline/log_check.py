"""Whether the evidence in a store is as it was told: the log holds together, and every row is what its entry commits to.

Each edit behind our back is found and located (requirement S95): entries against their leaves, leaves against the tree,
the tree against its signed heads, rows against the entries that commit to them (``row_check``), and content against its own
(``content_check``). It reads in pages, each of one moment, so that a live store can be looked at in constant memory.
What somebody cut from the log's end, or signed with our key, only a witness outside the house sees.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, select

from gateway.crypto import notes
from gateway.crypto.notes import NoteKey, NoteSigner
from gateway.domain import merkle
from gateway.errors import TrustError
from gateway.evidence import formats
from gateway.limits import LOG_CHECK_ROWS
from gateway.pipeline.findings import ADDED, CHANGED, MISSING, Finding, Outcome, Step, collect, read_entry
from gateway.store import journal, log
from gateway.store.log import Span
from gateway.store.tables import journal as entries
from gateway.store.tables import leaf, leaf_pending


def log_steps() -> list[Step]:
    """Entries, leaves and the tree over them."""
    return [check_leaves, check_lost, check_blocks]


def head_step(signer: NoteSigner | None, earlier: Sequence[NoteKey] = ()) -> Step:
    """Each head is signed, says what its row says, and is the root of the log's first leaves. After all other steps.

    Without a signer signatures are not looked at; ``earlier`` are keys that signed before it.
    """
    return partial(_check_heads, signer, earlier)


def check_leaves(conn: Connection, outcome: Outcome, place: int | None) -> int | None:
    """Numbers without gaps, and each entry as its leaf has it."""
    after = -1 if place is None else place
    rows = conn.execute(_LEAVES.where(leaf.c.index > after)).all()
    spans = _spans(conn)
    for row in rows:
        _check_gap(outcome, spans, after, row.number)
        _check_leaf(conn, outcome, spans, row)
        after = row.number
    if rows:
        outcome.last_leaf = after
        return after
    _check_gap(outcome, spans, after, None)
    return None


_LEAVES: Final[Select[Any]] = (
    select(leaf.c.index.label("number"), leaf.c.hash, leaf.c.tenant.label("of"), leaf.c.journal_id, entries)
    .outerjoin(entries, entries.c.id == leaf.c.journal_id)
    .order_by(leaf.c.index)
    .limit(LOG_CHECK_ROWS)
)


def _spans(conn: Connection) -> list[Span]:
    present = log.span(conn)
    assert present is not None  # noqa: S101  there is always a present log
    return [*log.closed(conn), present]


def _check_gap(outcome: Outcome, spans: Sequence[Span], before: int, number: int | None) -> None:
    """No number of a log is missing between two leaves; ``None`` stands for what comes after the last."""
    for span in spans:
        low = max(before + 1, span.base)
        high = min(span.base + span.size, span.base + span.size if number is None else number)
        if low < high:
            numbers = f"index={low}" if high == low + 1 else f"index={low} to {high - 1}"
            outcome.find(Finding(MISSING, "leaf", numbers, f"of log {span.origin}"))
            outcome.broken.update((0, index) for index in range(low, min(high, low + LOG_CHECK_ROWS)))


def _check_leaf(conn: Connection, outcome: Outcome, spans: Sequence[Span], row: Row[Any]) -> None:
    outcome.counts["leaves"] += 1
    name = f"index={row.number}"
    if not any(span.base <= row.number < span.base + span.size for span in spans):
        outcome.find(Finding(ADDED, "leaf", name, "of no log"))
    told = row.entry.encode() if row.entry is not None else None
    if told is None or merkle.leaf_hash(told) != bytes(row.hash):
        outcome.find(_blamed(conn, spans, row, told))
        outcome.broken.add((0, row.number))
        _unread(outcome, row.message_id)
        return
    body = read_entry(told)
    if body is None:
        outcome.find(Finding(CHANGED, "journal", f"id={row.id}", "it is no entry of ours"))
        _unread(outcome, row.message_id)
        return
    columns = (row.tenant, row.message_id, row.event, journal.rfc3339(row.at))
    if columns != (body["tenant"], body["message_id"], body["event"], body["at"]):
        outcome.find(
            Finding(CHANGED, "journal", f"id={row.id}", f"its columns are not those of its entry, leaf {row.number}")
        )
        _unread(outcome, row.message_id, body["message_id"])
    if row.of != body["tenant"]:
        outcome.find(Finding(CHANGED, "leaf", name, "its office is not that of its entry"))
    collect(outcome, row.number, body)


def _unread(outcome: Outcome, *message_ids: str | None) -> None:
    """An entry is not as it was: what it commits to cannot be told from here on."""
    outcome.unread += 1
    outcome.unjudged.update(one for one in message_ids if one is not None)


def _blamed(conn: Connection, spans: Sequence[Span], row: Row[Any], told: bytes | None) -> Finding:
    """Entry and leaf differ: the one that a signed head does not cover was changed."""
    if told is None:
        moved = any(merkle.leaf_hash(one.entry.encode()) == bytes(row.hash) for one in conn.execute(_LOST))
        if moved:
            return Finding(CHANGED, "leaf", f"index={row.number}", "it names another row of the journal")
        return Finding(MISSING, "journal", f"id={row.journal_id}", f"told by leaf {row.number}")
    span = next((span for span in spans if span.base <= row.number < span.base + span.size), None)
    newest = log.newest_head(conn, base=span.base) if span is not None else None
    if span is not None and newest is not None and row.number - span.base < newest.size <= span.size:
        index = row.number - span.base
        path = merkle.inclusion(index, newest.size, log.subtree(conn, span.base))
        root = merkle.root_by_inclusion(bytes(row.hash), index, newest.size, path)
        if root != bytes(newest.root):
            return Finding(CHANGED, "leaf", f"index={row.number}", "no signed head covers it")
    return Finding(CHANGED, "journal", f"id={row.id}", f"it is not what leaf {row.number} stands for")


_LOST: Final[Select[Any]] = (
    select(entries.c.id, entries.c.entry)
    .outerjoin(leaf, leaf.c.journal_id == entries.c.id)
    .outerjoin(leaf_pending, leaf_pending.c.journal_id == entries.c.id)
    .where(leaf.c.index.is_(None), leaf_pending.c.journal_id.is_(None))
    .order_by(entries.c.id)
    .limit(LOG_CHECK_ROWS)
)


def check_lost(conn: Connection, outcome: Outcome, place: int | None) -> int | None:
    """Each entry has a number or waits for it: what has neither was put in by somebody else."""
    rows = conn.execute(_LOST.where(entries.c.id > (0 if place is None else place))).all()
    for row in rows:
        if not any(finding.table == "leaf" and finding.kind == CHANGED for finding in outcome.findings):
            outcome.find(Finding(ADDED, "journal", f"id={row.id}", "neither numbered nor waiting for a number"))
    return rows[-1].id if rows else None


def check_blocks(conn: Connection, outcome: Outcome, place: tuple[int, int] | None) -> tuple[int, int] | None:
    """Each kept block is the root over what it stands for, and none is missing."""
    if place is None:
        outcome.find(*_absent(conn))
    rows = log.blocks(conn, (0, 0) if place is None else place)
    for row in rows:
        outcome.counts["blocks"] += 1
        name = f"level={row.level} index={row.place}"
        if row.tenant != "*":
            outcome.find(Finding(CHANGED, "tree_node", name, "it is of no office"))
        if log.holds(conn, row):
            continue
        children = range(row.place * log.SPAN, (row.place + 1) * log.SPAN)
        if not any((row.level - 1, child) in outcome.broken for child in children):
            outcome.find(Finding(CHANGED, "tree_node", name, "it is not the root over its leaves"))
        outcome.broken.add((row.level, row.place))
    return (rows[-1].level, rows[-1].place) if rows else None


def _absent(conn: Connection) -> Iterator[Finding]:
    """Blocks that are full and not kept; one finding for a level of a log."""
    for span in _spans(conn):
        level, low, high = 1, span.base // log.SPAN, (span.base + span.size) // log.SPAN
        while low < high:
            kept = log.kept_blocks(conn, level, low, high)
            if lacking := high - low - len(kept):
                first = next(index for index in range(low, high) if index not in kept)
                yield Finding(MISSING, "tree_node", f"level={level} index={first}", f"one of {lacking} on its level")
            level, low, high = level + 1, low // log.SPAN, high // log.SPAN


def _check_heads(
    signer: NoteSigner | None,
    earlier: Sequence[NoteKey],
    conn: Connection,
    outcome: Outcome,
    place: tuple[int, int] | None,
) -> tuple[int, int] | None:
    if outcome.has("closed_log"):
        return None  # where a log begins and ends is not as it was told
    rows = log.heads(conn, place or (-1, -1))
    spans = {span.base: span for span in _spans(conn)}
    for row in rows:
        outcome.counts["heads"] += 1
        name, span = f"base={row.base} size={row.size}", spans.get(row.base)
        if span is None:
            outcome.find(Finding(CHANGED, "head", name, "of no log"))
        elif row.tenant != "*" or not _says(row, span, signer, earlier):
            outcome.find(Finding(CHANGED, "head", name, "it is not what was signed"))
        elif not outcome.broken and (
            row.size > span.size or log.subtree(conn, span.base)(0, row.size) != bytes(row.root)
        ):
            outcome.find(Finding(CHANGED, "head", name, "it is not the root of its leaves"))
    return (rows[-1].base, rows[-1].size) if rows else None


def _says(row: Row[Any], span: Span, signer: NoteSigner | None, earlier: Sequence[NoteKey]) -> bool:
    """Nothing but our own signatures stands under the text."""
    text = formats.head_text(span.origin, row.size, bytes(row.root))
    if signer is None:
        return bool(row.note.startswith(text + "\n"))
    keys = [signer.under(span.origin).public, *(key for key in earlier if key.name == span.origin)]
    try:
        told, ours = notes.verified(row.note, keys)
    except TrustError:
        return False
    return told == text and row.note.count("\n") == text.count("\n") + 1 + len(ours)
