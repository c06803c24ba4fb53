"""One moment of a database, copied while the gateway writes on, and what stood in it then."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, func, select, text

from gateway.backup import postgres_tools
from gateway.backup.place import Place, opened
from gateway.errors import StoreError, StoreFullError
from gateway.store import log, migrate
from gateway.store.tables import journal, message, payload

_PAGE: Final = 1000
_PATIENCE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the copy holds. ``names``: a file with a line for each payload file, its octets and its name."""

    database: Path
    names: Path
    schema: str
    origin: str
    head: str | None
    leaves: int
    messages: int
    entries: int


async def take(place: Place, folder: Path) -> Snapshot:
    """Copy the database into ``folder``. Raises ConfigError when its schema is not this program's, StoreError."""
    if place.database is None:
        copy = Place(folder)
        target = folder / migrate.SQLITE_FILE
        _copy_sqlite(place.data_dir / migrate.SQLITE_FILE, target)
        async with opened(copy) as store:  # a second file: what is read of it cannot move on meanwhile
            return await store.read(lambda conn: _read(conn, target, folder / "names"))
    dump, url = folder / "dump", place.database

    def at_one_moment(conn: Connection) -> Snapshot:
        """The copy sees what this transaction sees, so it stays open until the copy is made. Blocks the loop: of a command."""
        conn.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        found = _read(conn, dump, folder / "names")
        exported = conn.execute(text("SELECT pg_export_snapshot()")).scalar_one()
        postgres_tools.dump(url, exported, dump, folder)
        return found

    async with opened(place) as store:
        return await store.read(at_one_moment)


def names(snapshot: Snapshot) -> Iterator[tuple[str, int]]:
    """Name and octets of each payload file, in order of their rows."""
    with snapshot.names.open(encoding="ascii") as lines:
        for line in lines:
            size, _, name = line.rstrip("\n").partition(" ")
            yield name, int(size)


async def still_named(place: Place, wanted: list[str]) -> list[str]:
    """Which of these files the database names now. What was shredded since the snapshot is missed by nobody."""
    found: list[str] = []
    async with opened(place) as store:
        for low in range(0, len(wanted), _PAGE):
            found += await store.read(partial(_named_now, wanted[low : low + _PAGE]))
    return sorted(found)


def _named_now(wanted: list[str], conn: Connection) -> list[str]:
    return list(conn.execute(select(payload.c.file).where(payload.c.file.in_(wanted))).scalars())


def _copy_sqlite(source: Path, target: Path) -> None:
    """By SQLite's online backup, in one step: writers go on in the write-ahead log."""
    if not source.exists():
        raise StoreError(migrate.MISSING)
    try:
        with (
            closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True, timeout=_PATIENCE_S)) as live,
            closing(sqlite3.connect(target)) as copy,
        ):
            live.backup(copy)
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL:
            message = "the disk is full"
            raise StoreFullError(message) from error
        message = "the database cannot be copied"
        raise StoreError(message) from error


def _read(conn: Connection, database: Path, names_file: Path) -> Snapshot:
    migrate.check(conn)
    _write_names(conn, names_file)
    head = log.newest_head(conn)
    return Snapshot(
        database=database,
        names=names_file,
        schema=migrate.HEAD,
        origin=log.origin(conn),
        head=head.note if head is not None else None,
        leaves=log.size(conn),
        messages=conn.execute(select(func.count()).select_from(message)).scalar_one(),
        entries=conn.execute(select(func.count()).select_from(journal)).scalar_one(),
    )


def _write_names(conn: Connection, file: Path) -> None:
    query = select(payload.c.id, payload.c.size, payload.c.file).where(payload.c.file.is_not(None))
    query, last = query.order_by(payload.c.id).limit(_PAGE), 0
    with file.open("w", encoding="ascii") as out:
        while rows := conn.execute(query.where(payload.c.id > last)).all():
            out.writelines(f"{row.size} {row.file}\n" for row in rows)
            last = rows[-1].id
