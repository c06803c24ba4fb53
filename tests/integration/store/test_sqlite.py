"""What the embedded store answers when the disk or the driver lets it down: never "stored" for what is not."""

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
import threading

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from gateway import limits
from gateway.crashpoints import Point
from gateway.domain.message_type import Lane
from gateway.errors import ConflictError, StoreError, StoreFullError
from gateway.store import journal, migrate
from gateway.store.sqlite import SqliteStore
from gateway.store.tables import journal as journal_table
from tests.conftest import ROOT

EX_IOERR = 74


def entry(number, actor="x"):
    return journal.Entry(journal.ARRIVED, "4601-02", number, actor)


def write(store, number, lane=Lane.ORDINARY):
    return store.write(lambda conn: journal.write(conn, entry(number)), Point.ACCEPT, lane)


async def kept(store) -> set[int]:
    return set(await store.read(lambda conn: conn.execute(select(journal_table.c.at)).scalars().all()))


@pytest.fixture
def file(tmp_path):
    return migrate.create_sqlite(tmp_path, "test")


@pytest.fixture
def patient(monkeypatch):
    """A burst ends when nothing waits, however slow the machine is."""
    monkeypatch.setattr(limits, "BURST_WAIT_S_MAX", 30.0)


@pytest.fixture
async def lite(file, patient):
    store = SqliteStore(file, busy_timeout_s=5)
    yield store
    await store.close()


class Burst:
    """Holds the writer until everything that shall be one burst has been handed in."""

    def __init__(self, store):
        self._store, self._go, self._begun = store, threading.Event(), asyncio.Event()
        self._loop = asyncio.get_running_loop()

    async def __aenter__(self):
        def work(_):
            self._loop.call_soon_threadsafe(self._begun.set)
            self._go.wait()

        self._first = asyncio.create_task(self._store.write(work, Point.SWEEP, Lane.CONCERN))
        await self._begun.wait()
        return self

    async def __aexit__(self, *_):
        await asyncio.sleep(0)  # tasks made inside hand in their units
        self._go.set()
        await asyncio.gather(self._first, return_exceptions=True)  # it is part of the burst


async def test_a_disk_that_fills_in_the_middle_of_a_burst_fails_the_whole_burst(file, lite):
    def fill(conn):
        journal.write(conn, entry(2, "x" * 4_000_000))

    def no_more_pages(conn):
        conn.exec_driver_sql(f"PRAGMA max_page_count = {conn.exec_driver_sql('PRAGMA page_count').scalar_one() + 50}")

    await lite.write(no_more_pages, Point.SWEEP)
    async with Burst(lite):
        before = asyncio.create_task(write(lite, 1))
        full = asyncio.create_task(lite.write(fill, Point.ACCEPT))
    results = await asyncio.gather(before, full, return_exceptions=True)
    assert [type(result) for result in results] == [StoreFullError, StoreFullError]
    assert await write(lite, 3)  # a small one still fits
    await lite.close()
    again = SqliteStore(file, busy_timeout_s=5)
    assert await kept(again) == {3}
    await again.close()


async def test_a_transaction_that_the_driver_lost_fails_the_whole_burst(file, lite):
    def lose(conn):
        conn.exec_driver_sql("ROLLBACK")

    async with Burst(lite):
        before = asyncio.create_task(write(lite, 1))
        lost = asyncio.create_task(lite.write(lose, Point.ACCEPT))
        after = asyncio.create_task(write(lite, 2))
    results = await asyncio.gather(before, lost, return_exceptions=True)
    assert [type(result) for result in results] == [StoreError, StoreError]
    assert await after  # in the next burst
    assert await kept(lite) == {2}


async def test_a_bad_unit_is_undone_alone(lite):
    def bad(conn):
        journal.write(conn, entry(2))
        raise ConflictError("no")

    async with Burst(lite):
        before = asyncio.create_task(write(lite, 1))
        wrong = asyncio.create_task(lite.write(bad, Point.ACCEPT))
        after = asyncio.create_task(write(lite, 3))
    results = await asyncio.gather(before, wrong, after, return_exceptions=True)
    assert isinstance(results[1], ConflictError)
    assert await kept(lite) == {1, 3}


@pytest.mark.proves("promise-8")
async def test_concern_reports_come_first_in_a_burst(lite):
    order = []

    def note(name):
        return lambda _: order.append(name)

    async with Burst(lite):
        tasks = [
            asyncio.create_task(lite.write(note("other"), Point.ACCEPT)),
            asyncio.create_task(lite.write(note("report"), Point.ACCEPT, Lane.CONCERN)),
        ]
    await asyncio.gather(*tasks)
    assert order == ["report", "other"]


@pytest.mark.parametrize("code", [sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_CORRUPT])
async def test_an_error_of_the_disk_ends_the_process_and_is_never_tried_again(file, patient, code):
    """The driver's error is made here; ``test_faults`` and ``test_a_write_that_the_system_refuses`` let the system make one."""
    ends = []
    store = SqliteStore(file, busy_timeout_s=5, on_io_error=ends.append)
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = code
    tries = []

    def failing(_):
        tries.append(1)
        raise OperationalError("COMMIT", None, error)

    async with Burst(store):
        before = asyncio.create_task(write(store, 1))
        broken = asyncio.create_task(store.write(failing, Point.ACCEPT))
    results = await asyncio.gather(before, broken, return_exceptions=True)
    assert [type(result) for result in results] == [StoreError, StoreError]
    assert (len(ends), len(tries)) == (1, 1)
    await store.close()


def run_filling(folder, how, *prefix):
    command = [*prefix, sys.executable, "-m", "tests.integration.store.filling_process", str(folder), how]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=50, check=False)


def numbers(output):
    return {int(line.split()[1]) for line in output.splitlines() if line.startswith("kept")}


async def test_a_write_that_the_system_refuses_ends_the_process_and_loses_nothing_acknowledged(file):
    done = await asyncio.to_thread(run_filling, file.parent, "io")
    assert done.returncode == EX_IOERR, done.stderr
    assert "end" not in done.stdout
    store = SqliteStore(file, busy_timeout_s=5)
    found = await kept(store)
    await store.close()
    assert len(numbers(done.stdout)) > 1
    assert numbers(done.stdout) <= found


async def test_a_really_full_disk_loses_nothing_acknowledged(tmp_path):
    """A small file system of its own, in a mount namespace of its own; what it holds is copied out at the end."""
    unshare = shutil.which("unshare") or "unshare"
    script = (
        f"mount -t tmpfs -o size=4m none {tmp_path}/disk && cp {tmp_path}/new/* {tmp_path}/disk/ && "
        f'"$@"; code=$?; cp {tmp_path}/disk/budstikke.sqlite3* {tmp_path}/found/; exit $code'
    )
    for name in ("disk", "found"):
        (tmp_path / name).mkdir()
    migrate.create_sqlite(tmp_path / "new", "test")
    namespace = [unshare, "--mount", "--map-root-user"]
    probe = await asyncio.create_subprocess_exec(*namespace, "mount", "-t", "tmpfs", "none", tmp_path / "disk")
    if await probe.wait() != 0:
        pytest.skip("this system allows no mount namespace of one's own")
    prefix = [*namespace, "sh", "-c", script, "sh"]
    done = await asyncio.to_thread(run_filling, tmp_path / "disk", "full", *prefix)
    assert done.returncode == 0, done.stderr
    assert "full" in done.stdout
    store = SqliteStore(tmp_path / "found" / "budstikke.sqlite3", busy_timeout_s=5)
    assert numbers(done.stdout) == await kept(store)
    await store.close()


async def test_every_commit_is_synced(lite):
    def pragmas(conn):
        return [conn.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in ("journal_mode", "synchronous")]

    assert await lite.read(pragmas) == ["wal", 2]
    assert await lite.write(pragmas, Point.SWEEP) == ["wal", 2]


async def test_a_second_process_may_write_beside_the_first(file, lite):
    other = SqliteStore(file, busy_timeout_s=5)
    await asyncio.gather(
        *(write(one, 2 * number + place) for number in range(100) for place, one in enumerate((lite, other)))
    )
    assert await kept(lite) == set(range(200))
    await other.close()


async def test_a_store_that_was_closed_says_so(file):
    store = SqliteStore(file, busy_timeout_s=5)
    await store.close()
    with pytest.raises(StoreError):
        await write(store, 1)
