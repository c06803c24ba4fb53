"""The system itself refuses to sync and to make room, under real processes: nothing acknowledged is missing afterwards."""

import asyncio
import os
import shutil
import signal
import sys

import pytest
from sqlalchemy import select

from gateway.crashpoints import Point
from gateway.errors import StoreError, StoreFullError
from gateway.store import journal, migrate
from gateway.store.postgres import PostgresStore
from gateway.store.sqlite import SqliteStore
from gateway.store.tables import journal as journal_table
from tests.conftest import ROOT
from tests.faults.disk import FailingDisk, compiled
from tests.postgres import mortal_server

EX_IOERR = 74
ENOUGH = 50


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    return compiled(tmp_path_factory.mktemp("faults"))


async def kept(store):
    return set(await store.read(lambda conn: conn.execute(select(journal_table.c.at)).scalars().all()))


# --- SQLite --------------------------------------------------------------------------------------------------------


class Writing:
    """The writing process, and what it has said."""

    def __init__(self, folder, disk):
        self.folder, self._disk = folder, disk
        self.said = []

    async def start(self):
        command = [sys.executable, "-m", "tests.integration.store.faults_process", str(self.folder)]
        environment = os.environ | self._disk.environment | {"PYTHONPATH": str(ROOT)}
        self.process = await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, env=environment, stdout=asyncio.subprocess.PIPE
        )

    @property
    def acknowledged(self):
        return {int(line.split()[1]) for line in self.said if line.startswith("kept")}

    async def says(self, word, times=1):
        """Read until it has said so, that many times; False when it ended before."""
        while times and (line := (await self.process.stdout.readline()).decode().strip()):
            self.said.append(line)
            times -= line.startswith(word)
        return times == 0

    async def ends(self):
        """Read the rest; its exit code."""
        await self.says("never")
        return await self.process.wait()


@pytest.fixture
async def writing(tmp_path, library):
    """A process that writes to SQLite on a disk that can fail."""
    folder = tmp_path / "data"
    migrate.create_sqlite(folder, "test")
    disk = FailingDisk(library, folder, tmp_path / "flag")
    process = Writing(folder, disk)
    await process.start()
    yield process, disk
    if process.process.returncode is None:
        process.process.kill()
        await process.process.wait()


async def found_in(folder):
    store = SqliteStore(folder / "budstikke.sqlite3", busy_timeout_s=5)
    try:
        return await kept(store)
    finally:
        await store.close()


async def test_a_sync_that_fails_ends_the_process_and_loses_nothing_acknowledged(writing):
    process, disk = writing
    assert await process.says("kept", ENOUGH)
    disk.fail("sync")
    assert await process.ends() == EX_IOERR
    assert not any(line == "store-unavailable" for line in process.said), "it went on after a failed sync"
    assert len(process.acknowledged) >= ENOUGH
    assert process.acknowledged <= await found_in(process.folder)


async def test_a_full_disk_is_answered_as_full_and_the_store_goes_on_when_there_is_room(writing):
    process, disk = writing
    assert await process.says("kept", ENOUGH)
    disk.fail("full")
    assert await process.says("storage-full", 3)
    disk.mend()
    assert await process.says("kept", ENOUGH)
    (process.folder / "stop").touch()
    assert await process.ends() == 0
    assert process.acknowledged == await found_in(process.folder)


# --- PostgreSQL ----------------------------------------------------------------------------------------------------


class Writer:
    """Writes one after the other from here; the server's process is the one on the failing disk."""

    def __init__(self, store):
        self.store = store
        self.acknowledged, self.refusals = set(), []
        self._next = 0

    async def write(self):
        self._next += 1
        entry = journal.Entry(journal.ARRIVED, "4601-02", self._next, "x" * 200)
        try:
            await self.store.write(lambda conn: journal.write(conn, entry), Point.ACCEPT)
        except StoreError as error:
            self.refusals.append(type(error))
        else:
            self.acknowledged.add(self._next)

    async def until(self, reached, tries=5000):
        for _ in range(tries):
            await self.write()
            if reached():
                return
        pytest.fail(f"not reached: {len(self.acknowledged)} kept, {len(self.refusals)} refused")


def started(server, disk):
    """Start it with the library under it; its clients are not its business."""
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in disk.environment.items():
            patch.setenv(variable, value)
        server.start()


@pytest.fixture(scope="module")
def failing_server(library):
    """A server of one's own on a disk that can fail."""
    with mortal_server() as server:
        shutil.copy(library, server.folder)  # its user can read there
        disk = FailingDisk(server.folder / library.name, server.data, server.folder / "flag")
        server.stop(signal.SIGINT)
        started(server, disk)
        yield server, disk


@pytest.fixture
async def writer(failing_server):
    server, disk = failing_server
    store = PostgresStore(server.url(server.database()), timeout_s=3)
    yield Writer(store)
    disk.mend()
    await store.close()


async def test_a_sync_that_fails_under_postgresql_loses_nothing_acknowledged(failing_server, writer):
    server, disk = failing_server
    await writer.until(lambda: len(writer.acknowledged) >= ENOUGH)
    disk.fail("sync")
    await writer.until(lambda: writer.refusals)
    assert "PANIC" in (server.folder / "server.log").read_text()
    disk.mend()
    server.stop(signal.SIGQUIT)  # it may have given up already; its supervisor starts it again
    await asyncio.to_thread(started, server, disk)
    before = len(writer.acknowledged)
    await writer.until(lambda: len(writer.acknowledged) > before)
    assert writer.acknowledged <= await kept(writer.store)


async def test_a_full_disk_under_postgresql_is_answered_as_full_and_the_store_goes_on(failing_server, writer):
    _, disk = failing_server
    await writer.until(lambda: len(writer.acknowledged) >= ENOUGH)
    disk.fail("full")
    await writer.until(lambda: len(writer.refusals) >= 3)
    assert set(writer.refusals) == {StoreFullError}
    disk.mend()
    before = len(writer.acknowledged)
    await writer.until(lambda: len(writer.acknowledged) >= before + ENOUGH)
    assert writer.acknowledged == await kept(writer.store)
