"""How fast a backup is made and restored: MB of payload files per second of clock and of CPU, on SQLite.

    python -m bench.backup [MB]

Beside it what no implementation could leave out: SHA-256 and AES-GCM over each octet, once to make and once to restore.
"""

import asyncio
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from bench.machine import measure
from gateway.backup.make import make_backup
from gateway.backup.place import Place, opened
from gateway.backup.restore import Wish, restore
from gateway.backup.seal import Opener, Recipient
from gateway.crashpoints import Point
from gateway.crypto.keys import KeyFile, read_key
from gateway.limits import MIB
from gateway.store import migrate, payloads
from gateway.store.payloads import PayloadFolder
from gateway.testing.pki import receive_key

FILE_BYTES: Final = 2 * MIB
TENANT: Final = "4601-02"


def main() -> None:
    """Make, restore, print."""
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    with tempfile.TemporaryDirectory(prefix="budstikke-bench-") as name:
        asyncio.run(run(Path(name), size * 1_000_000))


async def run(folder: Path, octets: int) -> None:
    """One backup and one restore of payload files with so many octets in all."""
    place = await filled(folder / "from", octets)
    key = read_key(KeyFile(receive_key("Sikkerhetskopi").write_pem(folder / "key.pem")))
    out, recipient = folder / "out", Recipient(key.certificate)
    machine = measure(folder)
    bound = 1e-6 / (machine.sha256_s + machine.gcm_s)
    print(f"{octets / 1e6:.0f} MB in files of {FILE_BYTES / 1e6:.1f} MB; SHA-256 and AES-GCM alone {bound:.0f} MB/s")
    wish = Wish("bench", "bench", "bench/2")
    works: dict[str, Callable[[], Awaitable[object]]] = {
        "backup": lambda: make_backup(place, out, recipient, None, 0),
        "restore": lambda: restore(Place(folder / "to"), out, Opener([key]), wish),
    }
    for name, work in works.items():
        wall, cpu = time.perf_counter(), time.process_time()
        await work()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        print(f"{name}: {octets / 1e6 / wall:.0f} MB/s by the clock, {octets / 1e6 / cpu:.0f} by CPU")


async def filled(data_dir: Path, octets: int) -> Place:
    """A gateway's data with payload files of random octets, as sealed ones are."""
    migrate.create_sqlite(data_dir, "bench")
    folder = PayloadFolder(data_dir / "payloads")
    async with opened(Place(data_dir)) as store:
        for _ in range(max(1, octets // FILE_BYTES)):
            writer = folder.writer(TENANT)
            writer.write(os.urandom(FILE_BYTES))
            stored, message_id = writer.store(), str(uuid.uuid4())
            await store.write(
                lambda conn, of=message_id, stored=stored: payloads.insert(conn, TENANT, of, "part:asice", stored),
                Point.ACCEPT,
            )
    return Place(data_dir)


if __name__ == "__main__":
    main()
