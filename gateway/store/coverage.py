"""Which rows the journal vouches for, and what stands in an entry for each of them (decisions 5.3, requirement S95).

Every row with evidence columns is committed to by an entry of the unit of work that inserts it, as ``row:<table>:<n>``, and by
one of the unit that deletes it, as ``gone:<table>:<n>`` with the same value. So whoever edits a row behind our back leaves
a row that no entry tells of, and a commitment without its row.

The value is HMAC-SHA-256(salt, digest) in base64, where the digest is the SHA-256 of the row as RFC 8785 JSON: an array of the
table's name and an object of its evidence columns, without those that are NULL and without row ids, which the database gives;
octets stand as their SHA-256, hexadecimal. The salt is the message's ``row_salt``: of ``payload_key`` for what shredding
removes, of ``message`` for what stays. Each is as secret as the rows beside it and goes when they go, so that a commitment alone
lets nobody guess a row. Those two tables hold their salt themselves, and rows of no message tell nothing of anybody: their
value is SHA-256 of a prefix and the digest, which no HMAC can be taken for.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import orjson
from sqlalchemy import BindParameter, Connection, DefaultClause, Select, Table, bindparam, select

from gateway.store import tables

ROW: Final = "row"
GONE: Final = "gone"
SALT_BYTES: Final = 32
PLAIN: Final = b"budstikke row\x00"

OF_THE_LOG: Final = frozenset({tables.journal, tables.leaf, tables.tree_node, tables.head})
"""Evidence that is held together by hashes and signatures: entries by leaves, leaves by the tree, the tree by its heads."""
CONTENT: Final = frozenset({tables.payload, tables.document})
"""What shredding removes, together with its salt."""
_SALTS: Final[Mapping[Table, str]] = {tables.message: "id", tables.payload_key: "message_id"}
"""Tables that hold a salt, and what names the message there."""
_UNIT: Final = "unit"


@dataclass(frozen=True, slots=True)
class Noted:
    """A row that the unit of work inserted or deleted (``verb``)."""

    table: Table
    tenant: str
    message_id: str | None
    verb: str
    digest: bytes


@dataclass(slots=True)
class Unit:
    """What a unit of work has noted so far: entries to be written when it ends, and the rows that they must tell of.

    ``salts``: those that came with the rows themselves, by the table that holds them and the message.
    """

    entries: list[Any] = field(default_factory=list)
    rows: list[Noted] = field(default_factory=list)
    salts: dict[tuple[Table, str], bytes] = field(default_factory=dict)


def begin(conn: Connection) -> None:
    """A unit of work begins: what an undone one noted is forgotten."""
    conn.info[_UNIT] = Unit()


def unit(conn: Connection) -> Unit:
    """The unit of work that runs on this connection."""
    found: Unit = conn.info.setdefault(_UNIT, Unit())
    return found


@cache
def covered(table: Table) -> bool:
    """Whether rows of this table are committed to."""
    return table not in OF_THE_LOG and bool(columns(table))


@cache
def columns(table: Table) -> tuple[str, ...]:
    """The evidence columns of a table, without a row id."""
    return tuple(
        str(column.name) for column in table.c if column.info["kind"] == "evidence" and not column.info.get("given")
    )


@cache
def named_by(table: Table) -> str | None:
    """The column that says whose message a row is of; None where rows are of no message."""
    return "id" if table is tables.message else next((c.name for c in table.c if c.name == "message_id"), None)


def note(conn: Connection, table: Table, values: Mapping[str, Any], verb: str = ROW) -> None:
    """A row was inserted, or with ``GONE`` deleted: an entry of this unit must tell of it."""
    if not covered(table):
        return
    name = named_by(table)
    message_id = values[name] if name is not None else None
    noted = unit(conn)
    noted.rows.append(Noted(table, values.get("tenant", "*"), message_id, verb, digest(table, values)))
    if table in _SALTS and message_id is not None and values.get("row_salt") is not None:
        noted.salts[table, message_id] = bytes(values["row_salt"])


def digest(table: Table, values: Mapping[str, Any]) -> bytes:
    """SHA-256 of a row in its canonical form. What is not given is as the table's default has it."""
    return digest_of(table.name, {name: values.get(name, _default(table, name)) for name in columns(table)})


def digest_of(table: str, row: Mapping[str, Any]) -> bytes:
    """SHA-256 of the canonical form of these columns."""
    told = {
        name: hashlib.sha256(value).hexdigest() if isinstance(value, bytes) else value
        for name, value in row.items()
        if value is not None
    }
    return hashlib.sha256(orjson.dumps([table, told], option=orjson.OPT_SORT_KEYS)).digest()


@cache
def _default(table: Table, name: str) -> str | None:
    default = table.c[name].server_default
    return str(default.arg) if isinstance(default, DefaultClause) else None


def value(digest: bytes, salt: bytes | None = None) -> str:
    """What stands in an entry for a row of this digest; without a salt, for one that needs none."""
    raw = hmac.digest(salt, digest, "sha256") if salt is not None else hashlib.sha256(PLAIN + digest).digest()
    return base64.b64encode(raw).decode()


@cache
def salted_by(table: Table) -> Table | None:
    """The table that holds the salt for rows of this one; None where the value needs none."""
    if table in _SALTS or named_by(table) is None:
        return None
    return tables.payload_key if table in CONTENT else tables.message


def values(conn: Connection, noted: Unit) -> list[tuple[Noted, str]]:
    """The value of each noted row. A message from before there were salts has none, and no entry tells of its rows."""
    found = noted.salts | _missing_salts(conn, noted)
    told = []
    for row in noted.rows:
        holder = row.table if row.table in _SALTS else salted_by(row.table)
        salt = None if holder is None or row.message_id is None else found.get((holder, row.message_id))
        if holder is None or salt is not None:
            told.append((row, value(row.digest, None if row.table is holder else salt)))
    return told


def _missing_salts(conn: Connection, noted: Unit) -> dict[tuple[Table, str], bytes]:
    wanted: dict[Table, set[str]] = {}
    for row in noted.rows:
        holder = salted_by(row.table)
        if holder is not None and row.message_id is not None and (holder, row.message_id) not in noted.salts:
            wanted.setdefault(holder, set()).add(row.message_id)
    found: dict[tuple[Table, str], bytes] = {}
    for holder, ids in wanted.items():
        for message_id, salt in conn.execute(_salts(holder), {"ids": sorted(ids)}):
            found[holder, message_id] = bytes(salt)
    return found


@cache
def _salts(holder: Table) -> Select[Any]:
    name = holder.c[_SALTS[holder]]
    ids: BindParameter[str] = bindparam("ids", expanding=True)
    return select(name, holder.c.row_salt).where(name.in_(ids), holder.c.row_salt.is_not(None))
