"""Writes to a SQLite store until a file ``stop`` appears; says each number that was acknowledged, and each refusal.

``python -m tests.integration.store.faults_process FOLDER``
"""

import asyncio
import sys
from itertools import count
from pathlib import Path

from gateway.crashpoints import Point
from gateway.errors import StoreError
from gateway.store import journal
from gateway.store.sqlite import SqliteStore


async def main(folder: Path) -> None:
    store = SqliteStore(folder / "budstikke.sqlite3", busy_timeout_s=5)
    for number in count():
        entry = journal.Entry(journal.ARRIVED, "4601-02", number, "x" * 4000)
        try:
            await store.write(lambda conn, entry=entry: journal.write(conn, entry), Point.ACCEPT)
        except StoreError as error:
            print(error.code, flush=True)
        else:
            print("kept", number, flush=True)
        if (folder / "stop").exists():
            break
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
