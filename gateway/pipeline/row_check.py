"""Whether the rows of a store are what the journal's entries commit to, message by message (``gateway.store.coverage``).

A row that no entry commits to was changed or put in; a commitment without its row was taken out. Rows of one entry and table
stand in the order in which it tells of them. Rows of messages from before schema 0005 have no commitments and are counted.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import BindParameter, Connection, RowMapping, Select, Table, bindparam, select

from gateway.crypto.notes import NoteKey, NoteSigner
from gateway.limits import LOG_CHECK_MESSAGES
from gateway.pipeline.findings import (
    ADDED,
    CHANGED,
    MISSING,
    OF_NOBODY,
    REORDERED,
    Finding,
    Outcome,
    Step,
    Told,
    collect,
    read_entry,
)
from gateway.pipeline.log_check import head_step, log_steps
from gateway.store import coverage
from gateway.store.tables import client, leaf, message, metadata, payload_key
from gateway.store.tables import journal as entries

_OF_MESSAGES: Final = tuple(
    table for table in metadata.sorted_tables if coverage.covered(table) and table.name not in OF_NOBODY
)
_HANGING: Final = tuple(table for table in _OF_MESSAGES if table is not message)
_SALTED: Final = {
    holder: tuple(table for table in _OF_MESSAGES if coverage.salted_by(table) is holder)
    for holder in (message, payload_key)
}


def row_steps() -> list[Step]:
    """Rows of no message, then of each message, then of messages that are not there."""
    return [check_nobodys, check_messages, *(_strays_of(table) for table in (entries, *_HANGING))]


def evidence_steps(signer: NoteSigner | None, earlier: Sequence[NoteKey] = ()) -> list[Step]:
    """Log and rows, whole; the arguments are ``head_step``'s."""
    return [*log_steps(), *row_steps(), head_step(signer, earlier)]


def check_nobodys(conn: Connection, outcome: Outcome, place: None) -> None:
    """Rows of no message, at one moment with the entries that came since the leaves were looked at. After them only."""
    del place
    since = select(entries.c.entry, leaf.c.index.label("number")).outerjoin(leaf, leaf.c.journal_id == entries.c.id)
    for row in conn.execute(since.where(leaf.c.index.is_(None) | (leaf.c.index > outcome.last_leaf))):
        if (body := read_entry(row.entry)) is not None:
            collect(outcome, row.number, body)
    if outcome.unread:
        return
    for table in (metadata.tables[name] for name in sorted(OF_NOBODY)):
        rows = [(row, _value(table, row)) for row in conn.execute(_whole(table)).mappings()]
        outcome.find(*_differences(table, rows, outcome.told))
        outcome.counts["rows"] += len(rows)
    open_again = select(client.c.id).where(client.c.id.in_(sorted(outcome.revoked)), client.c.revoked_at.is_(None))
    for client_id in conn.execute(open_again).scalars():
        outcome.find(Finding(CHANGED, "client", f"id={client_id}", "the journal says that it was shut out"))
    outcome.told = Told()
    if outcome.has("closed_log"):
        outcome.withdraw(
            {"leaf", "tree_node"}
        )  # what lies between a log's ends is judged when they are as they were told


def check_messages(conn: Connection, outcome: Outcome, place: str | None) -> str | None:
    """The next messages, by id."""
    query = select(message.c.id).order_by(message.c.id).limit(LOG_CHECK_MESSAGES)
    ids = list(conn.execute(query.where(message.c.id > (place or ""))).scalars())
    _check(conn, outcome, ids)
    outcome.counts["messages"] += len(ids)
    return ids[-1] if ids else None


def _strays_of(table: Table) -> Step:
    """Rows and entries of messages that are not there. Each message once: by the first table that has something of it."""
    name = table.c.message_id
    absent = ~select(message.c.id).where(message.c.id == name).exists()
    query = select(name).where(name.is_not(None), absent).distinct().order_by(name).limit(LOG_CHECK_MESSAGES)
    before = (entries, *_HANGING)[: (entries, *_HANGING).index(table)]

    def step(conn: Connection, outcome: Outcome, place: str | None) -> str | None:
        ids = list(conn.execute(query.where(name > (place or ""))).scalars())
        if not ids:
            return None
        seen = {one for other in before for one in conn.execute(_named(other, ids)).scalars()}
        _check(conn, outcome, [one for one in ids if one not in seen])
        return str(ids[-1])

    return step


def _named(table: Table, ids: Sequence[str]) -> Select[Any]:
    return select(table.c.message_id).where(table.c.message_id.in_(ids)).distinct()


def _check(conn: Connection, outcome: Outcome, ids: Sequence[str]) -> None:
    if not ids:
        return
    told: dict[str, Told] = {one: Told() for one in ids}
    for row in conn.execute(_ENTRIES, {"ids": ids}):
        if (body := read_entry(row.entry)) is not None:
            told[row.message_id].add(row.number, body["commit"])
    found: dict[str, dict[Table, list[RowMapping]]] = {one: {} for one in ids}
    for table in _OF_MESSAGES:
        name = str(coverage.named_by(table))
        for columns in conn.execute(_rows(table), {"ids": ids}).mappings():
            found[columns[name]].setdefault(table, []).append(columns)
    for one in ids:
        if one not in outcome.unjudged:
            outcome.find(*_message_faults(outcome, one, told[one], found[one]))


_ENTRIES: Final[Select[Any]] = (
    select(entries.c.message_id, entries.c.entry, leaf.c.index.label("number"))
    .outerjoin(leaf, leaf.c.journal_id == entries.c.id)
    .where(entries.c.message_id.in_(bindparam("ids", expanding=True)))
    .order_by(entries.c.id)
)


@cache
def _rows(table: Table) -> Select[Any]:
    ids: BindParameter[str] = bindparam("ids", expanding=True)
    return select(table).where(table.c[str(coverage.named_by(table))].in_(ids)).order_by(*table.primary_key)


@cache
def _whole(table: Table) -> Select[Any]:
    return select(table).order_by(*table.primary_key)


def _message_faults(
    outcome: Outcome, message_id: str, told: Told, found: Mapping[Table, Sequence[RowMapping]]
) -> list[Finding]:
    rows = sum(map(len, found.values()))
    outcome.counts["rows"] += rows
    if told.entries and message.name not in told.values:
        if message in found:
            outcome.counts["uncovered"] += rows
            return []
        return [Finding(MISSING, message.name, f"id={message_id}", "the journal tells of it")]
    faults = []
    for holder, tables in _SALTED.items():
        own = _differences(holder, [(row, _value(holder, row)) for row in found.get(holder, ())], told, message_id)
        salt = next((row["row_salt"] for row in found.get(holder, ())), None)
        valued = {table: [(row, _value(table, row, salt)) for row in found.get(table, ())] for table in tables}
        rest = [fault for table in tables for fault in _differences(table, valued[table], told, message_id)]
        strange = sum(fault.kind in {CHANGED, ADDED} for fault in rest)
        # Where the holder is not as it was told and no row fits, it is the salt that was changed: rows cannot be judged.
        faults += own if own and strange == sum(map(len, valued.values())) else own + rest
    return faults


def _value(table: Table, row: RowMapping, salt: bytes | None = None) -> str | None:
    """What an entry must have for the row; None where it cannot be known for want of a salt."""
    if coverage.salted_by(table) is None:
        return coverage.value(coverage.digest(table, dict(row)))
    return coverage.value(coverage.digest(table, dict(row)), bytes(salt)) if salt is not None else None


def _differences(
    table: Table, rows: Sequence[tuple[RowMapping, str | None]], told: Told, message_id: str | None = None
) -> list[Finding]:
    """Rows of one table and message against what is told of them."""
    of = f"of message {message_id}" if message_id is not None else ""
    lacking = Counter({value: count for value, count in told.values[table.name].items() if count > 0})
    strange, known = [], []
    for row, value in rows:
        if value is not None and lacking[value] > 0:
            lacking[value] -= 1
            known.append((row, value))
        else:
            strange.append(row)
    lost = list(lacking.elements())
    faults = [
        Finding(CHANGED if number < len(lost) else ADDED, table.name, _named_row(table, row), of)
        for number, row in enumerate(strange)
    ]
    for value in lost[len(strange) :]:
        leaf_number = told.places[table.name, value][0]
        where = f"told by leaf {leaf_number}" if leaf_number is not None else "told by an entry without a number yet"
        faults.append(Finding(MISSING, table.name, "", f"{of}, {where}" if of else where))
    return faults + _reordered(table, known, told, of)


def _reordered(table: Table, rows: Sequence[tuple[RowMapping, str]], told: Told, of: str) -> list[Finding]:
    """Rows whose ids do not rise as the entry tells of them: shown in another order, they say something else."""
    if not any(column.info.get("given") for column in table.primary_key):
        return []
    faults, last = list[Finding](), dict[int, int]()
    for row, value in rows:
        _, entry, place = told.places[table.name, value]
        if place < last.get(entry, 0):
            faults.append(Finding(REORDERED, table.name, _named_row(table, row), of))
        last[entry] = place
    return faults


def _named_row(table: Table, row: RowMapping) -> str:
    return " ".join(f"{column.name}={row[column]}" for column in table.primary_key)
