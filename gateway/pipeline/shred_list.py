"""The list of shredded messages, kept outside beside the published head: what a restore must delete again (S90).

A line for each message: its id and when it was shredded, nothing else. Lines are only ever appended. The journal holds the
same; but a restore has an old journal, and only what lies elsewhere tells it what was deleted since.
"""

import asyncio
import fcntl
import os
import re
from collections.abc import Iterator, Mapping
from functools import partial
from io import BufferedRandom
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, func, select

from gateway.errors import StructureError
from gateway.limits import SHRED_LIST_LINE_BYTES_MAX
from gateway.store import journal
from gateway.store.database import Store
from gateway.store.payloads import disk, sync_folder
from gateway.store.tables import journal as journal_table
from gateway.store.tables import leaf

NAME: Final = "shredded"
_LEAVES: Final = 10_000  # looked at in one read
_AT_ONCE: Final = 100_000  # ids held in memory while the list is read for them
_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class ShredList:
    """The list in one folder. Several processes may append to it."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / NAME
        self._settled = 0  # leaves below this number are known to be in the list

    async def add(self, shredded: Mapping[str, int]) -> None:
        """Append these ids with their times, once their shredding is committed. Raises StoreError; ``repair`` makes it good."""
        if shredded:
            await asyncio.to_thread(self._append, shredded)

    async def repair(self, store: Store) -> int:
        """Append what the journal has and the list lacks; returns how many. All at first, then what was numbered since.

        Raises StoreError.
        """
        added, low, found = 0, self._settled, dict[str, int]()
        while True:
            high, rows = await store.read(partial(_page, low))
            found |= rows
            if high == low or len(found) >= _AT_ONCE:
                added += await asyncio.to_thread(self._append_missing, found)
                self._settled, found = high, {}
            if high == low:
                return added
            low = high

    def _append_missing(self, wanted: Mapping[str, int]) -> int:
        missing = dict(wanted)
        if missing and self._file.exists():
            for one, whole in _lines(self._file):
                if one is not None and whole:
                    missing.pop(one, None)
        if missing:
            self._append(missing)
        return len(missing)

    def _append(self, shredded: Mapping[str, int]) -> None:
        """Durable when it returns. A line that a crash cut is removed first: its message is appended anew by ``repair``."""
        lines = "".join(f"{message_id} {journal.rfc3339(at)}\n" for message_id, at in shredded.items())
        with disk():
            new = not self._file.exists()
            with self._opened() as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                _cut_torn_line(file)
                file.write(lines.encode("ascii"))
                file.flush()
                os.fsync(file.fileno())
            if new:
                sync_folder(self._file.parent)

    def _opened(self) -> BufferedRandom:
        return os.fdopen(os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600), "r+b")


def ids(file: Path) -> Iterator[str]:
    """The ids in a list, however long it is: each line's first word. Blocks. Raises StructureError, StoreError."""
    for number, (first, _) in enumerate(_lines(file), start=1):
        if first is None:
            message = f"the list of shredded messages: line {number} does not begin with a message's id"
            raise StructureError(message)
        yield first


def _lines(file: Path) -> Iterator[tuple[str | None, bool]]:
    """Each line's id, None where it has none, and whether the line is whole."""
    with disk(), file.open("rb") as lines:
        while line := lines.readline(SHRED_LIST_LINE_BYTES_MAX):
            first = line.partition(b" ")[0].strip().decode("ascii", errors="replace")
            yield first if _ID.fullmatch(first) else None, line.endswith(b"\n")


def _cut_torn_line(file: BufferedRandom) -> None:
    """Leaves the file's place at its end, after a line feed."""
    end = file.seek(0, os.SEEK_END)
    start = file.seek(max(0, end - SHRED_LIST_LINE_BYTES_MAX))
    file.truncate(start + file.read().rfind(b"\n") + 1)
    file.seek(0, os.SEEK_END)


def _page(low: int, conn: Connection) -> tuple[int, dict[str, int]]:
    """Which messages the next leaves say were shredded, and when; and the number after the last of these leaves."""
    some = select(leaf.c.index, leaf.c.journal_id).where(leaf.c.index >= low).order_by(leaf.c.index).limit(_LEAVES)
    page = some.subquery()
    last = conn.execute(select(func.max(page.c.index))).scalar_one()
    if last is None:
        return low, {}
    query = (
        select(journal_table.c.message_id, journal_table.c.at)
        .join(page, page.c.journal_id == journal_table.c.id)
        .where(journal_table.c.event == journal.SHREDDED, page.c.index <= last)
        .order_by(page.c.index)
    )
    return last + 1, {row.message_id: row.at for row in conn.execute(query)}
