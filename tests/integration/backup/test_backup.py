"""A backup holds all that was acknowledged before it began, opens for its key alone, and restores to the same thing."""

import asyncio
import io
import sqlite3
import subprocess
import tarfile
from contextlib import closing

import pytest
from sqlalchemy import select

from gateway.backup import make, snapshot
from gateway.backup.place import Place, copying, opened
from gateway.backup.seal import Recipient
from gateway.crashpoints import Point
from gateway.errors import ConfigError, StoreError, StoreFullError
from gateway.pipeline import retention
from gateway.store import consistency, journal, log, shredding
from gateway.store.tables import metadata, payload
from tests.integration.backup.conftest import database_file
from tests.work import work_off

LARGE = 400_000  # more than stands in a row: a file of its own
NEW = {"journal", "leaf", "leaf_pending", "log_state", "closed_log", "alarm", "queue_item", "attempt", "incarnation"}
"""Tables in which a restore itself writes."""


async def rows(env):
    """Every row of every table, as the database gives it."""

    def read(conn):
        return {name: conn.execute(table.select()).all() for name, table in metadata.tables.items()}

    return {name: sorted(map(repr, found)) for name, found in (await env.store.read(read)).items()}


def plain(file, opener):
    with file.open("rb") as source:
        return b"".join(opener.pieces(source))


async def test_what_is_restored_is_what_was_there_and_it_all_holds(house):
    await house.receive(1, 2)
    await house.receive(3, size=LARGE)
    await work_off(house.env)
    await house.number()
    before = await rows(house.env)
    file, made = await house.backup()
    assert (made.missing, made.changed, made.manifest.messages) == ((), (), 3)
    assert made.manifest.files >= 1
    place = house.empty()
    restored = await house.restore(file, place)
    assert (restored.faults, restored.signed, restored.manifest) == ([], True, made.manifest)
    assert restored.gap_s >= 0
    async with house.opened(place) as env:
        after = await rows(env)
        assert {name: after[name] for name in before.keys() - NEW} == {n: before[n] for n in before.keys() - NEW}
        assert set(before["journal"]) < set(after["journal"])
        assert await env.store.read(consistency.faults) == []
        named = await env.store.read(lambda conn: conn.execute(select(payload.c.file)).scalars().all())
        for name in filter(None, named):
            assert (place.payloads / name).read_bytes() == (house.place.payloads / name).read_bytes()


@pytest.mark.timeout(120)
async def test_every_report_acknowledged_before_the_backup_began_is_in_it_while_the_gateway_writes_on(house):
    acknowledged: list[str] = []
    stop = asyncio.Event()

    async def go_on(first):
        number = first
        while not stop.is_set():
            acknowledged.extend(await house.receive(number, size=LARGE if number % 5 == 0 else 0))
            number += 3

    def copy(name):
        """In a loop of its own: the gateway's goes on meanwhile."""
        return asyncio.run(house.backup(name))

    async with asyncio.TaskGroup() as writing:
        for first in range(1, 4):
            writing.create_task(go_on(first))
        for count, name in ((2, "first"), (8, "second")):
            while len(acknowledged) < count:
                await asyncio.sleep(0.01)
            begun = list(acknowledged)
            file, made = await asyncio.to_thread(copy, name)
            assert made.missing == ()
        stop.set()
    place = house.empty()
    assert (await house.restore(file, place)).faults == []
    async with house.opened(place) as env:
        found = await env.store.read(lambda conn: conn.execute(select(metadata.tables["message"].c.id)).scalars().all())
    assert set(begun) <= set(found) <= set(acknowledged)
    assert len(begun) >= 8


async def test_a_file_that_is_gone_or_of_another_size_is_told_and_the_rest_is_saved(house):
    await house.receive(1, 2, size=LARGE)
    files = [path for path in house.place.payloads.glob("*/*/*") if path.is_file()]
    gone, changed = sorted(files)[:2]
    gone.unlink()
    changed.write_bytes(changed.read_bytes()[:-1])
    file, made = await house.backup()
    assert made.missing == (str(gone.relative_to(house.place.payloads)),)
    assert made.changed == (str(changed.relative_to(house.place.payloads)),)
    restored = await house.restore(file)
    assert restored.faults == [f"no file: {made.missing[0]}"]


async def test_what_was_shredded_after_the_copy_is_missed_by_nobody(sqlite_house, monkeypatch):
    """The database is copied first: then a file goes with its message's content, and no row names it any more."""
    (message_id,) = await sqlite_house.receive(1, size=LARGE)
    taken = snapshot.take

    def shred(conn):
        journal.write(conn, journal.Entry(journal.SHREDDED, "4601-02", 1, "gateway", message_id))
        return shredding.shred(conn, message_id)

    async def then_shredded(place, folder):
        found = await taken(place, folder)
        names = await sqlite_house.env.store.write(shred, Point.SWEEP)
        await retention.remove_files(sqlite_house.env, names)
        return found

    monkeypatch.setattr(make.snapshot, "take", then_shredded)
    _, made = await sqlite_house.backup()
    assert (made.missing, made.manifest.files) == ((), 0)


@pytest.mark.proves("S92")
async def test_without_its_key_a_backup_shows_nothing_and_it_holds_no_key_of_ours(house):
    await house.receive(1, size=LARGE)
    file, _ = await house.backup()
    sealed, opened = file.read_bytes(), plain(file, house.opener)
    markers = [b"SQLite format", b"PGDMP", b"manifest", house.site.tenant.encode(), b"bekymringsmelding", b"payloads/"]
    assert [mark for mark in markers if mark in sealed] == []
    assert b"manifest" in opened  # the control: the key opens it, and the marker is there
    keys = house.site.folder / "keys"
    secrets = [(keys / "kek").read_bytes(), *(path.read_bytes()[100:200] for path in keys.glob("*.pem"))]
    assert [secret for secret in secrets if secret in opened] == []
    assert file.stat().st_mode & 0o077 == 0


async def test_any_openssl_and_any_tar_open_it(sqlite_house, backup_key, tmp_path):
    """When this program is gone, the data is not."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    await sqlite_house.receive(1, size=LARGE)
    file, made = await sqlite_house.backup()
    pem = tmp_path / "key.pem"
    pem.write_bytes(
        backup_key._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + backup_key.certificate.public_bytes(Encoding.PEM)
    )
    command = ["openssl", "cms", "-decrypt", "-binary", "-inform", "DER", "-in", file, "-inkey", pem, "-recip", pem]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        names = archive.getnames()
        archive.extractall(tmp_path / "out", filter="data")
    assert names[0] == "database"
    assert names[-2:] == ["payloads.sha256", "manifest"]
    assert len(names) == made.manifest.files + 3
    check = ["sha256sum", "--check", "--quiet", "payloads.sha256"]
    checked = await asyncio.to_thread(subprocess.run, check, cwd=tmp_path / "out", check=False)
    assert checked.returncode == 0


async def test_a_backup_overwrites_nothing_and_leaves_nothing_behind(sqlite_house):
    await sqlite_house.receive(1)
    file, _ = await sqlite_house.backup()
    with pytest.raises(ConfigError, match="there already"):
        await sqlite_house.backup()
    left = [path.name for path in sqlite_house.place.data_dir.iterdir() if path.name.startswith("backup-")]
    assert left == []
    assert not list(file.parent.glob("*.part"))


async def test_without_certificate_and_passphrase_there_is_no_backup_and_a_short_passphrase_is_none(sqlite_house):
    for recipient, why in ((Recipient(), "no passphrase"), (Recipient(passphrase=b"short"), "under 20 octets")):
        with pytest.raises(ConfigError, match=why):
            await sqlite_house.backup(recipient=recipient)
    assert not (sqlite_house.folder / "backup").exists()


async def test_a_backup_is_refused_where_there_is_no_room_for_it_or_another_is_being_made(sqlite_house, monkeypatch):
    with pytest.raises(StoreFullError, match="above the disk's floor"):
        await sqlite_house.backup(floor_bytes=1 << 60)
    with copying(sqlite_house.place), pytest.raises(ConfigError, match="another backup is being made"):
        await sqlite_house.backup()
    monkeypatch.setattr(make, "BACKUP_BYTES_MAX", 1000)
    with pytest.raises(ConfigError, match="too many for one backup to a certificate"):
        await sqlite_house.backup()
    assert not (sqlite_house.folder / "backup").exists()


async def test_the_next_backup_sweeps_what_a_killed_one_left(sqlite_house):
    left = sqlite_house.place.data_dir / "backup-left"
    left.mkdir()
    (left / "copy").write_bytes(b"x")
    await sqlite_house.backup()
    assert not left.exists()


@pytest.mark.proves("S92")
async def test_the_role_of_backups_reads_all_offices_and_writes_nothing(house):
    if house.kind == "sqlite":
        uri = f"file:{database_file(house.place)}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True)) as conn, pytest.raises(sqlite3.OperationalError, match="readonly"):
            conn.execute("DELETE FROM message")
        return
    await house.receive(1)
    async with opened(house.place) as store:
        assert await store.read(log.origin)
        with pytest.raises(StoreError, match="42501"):
            await store.write(lambda conn: conn.execute(metadata.tables["message"].delete()), Point.ADMIN)


def test_a_place_knows_its_kind(tmp_path):
    assert Place(tmp_path).store == "sqlite"
