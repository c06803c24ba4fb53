"""Writes to a SQLite store until it may write no more; says each number that was acknowledged.

``python -m tests.integration.store.filling_process FOLDER full|io``: ``full`` goes on after the first refusal and says
``full`` for each; ``io`` limits the size of files first, so that the system refuses a write.
"""

import asyncio
import resource
import sys
from pathlib import Path

from gateway.crashpoints import Point
from gateway.errors import StoreFullError
from gateway.store import journal
from gateway.store.sqlite import SqliteStore

_MORE_BYTES = 1024 * 1024  # room for some bursts
_MANY = 400


async def main(folder: Path, how: str) -> None:
    file = folder / "budstikke.sqlite3"
    store = SqliteStore(file, busy_timeout_s=5)

    async def write(number: int) -> None:
        entry = journal.Entry(journal.ARRIVED, "4601-02", number, "x" * 2000)
        try:
            await store.write(lambda conn: journal.write(conn, entry), Point.ACCEPT)
        except StoreFullError:
            print("full", flush=True)
        else:
            print("kept", number, flush=True)

    await write(0)
    if how == "io":
        wal = file.with_name(file.name + "-wal").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (wal + _MORE_BYTES, wal + _MORE_BYTES))
    for start in range(1, 50 * _MANY, _MANY):
        await asyncio.gather(*(write(number) for number in range(start, start + _MANY)))
        if how == "full" and start > 10 * _MANY:
            break
    print("end", flush=True)
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
