"""A backup that is cut, changed, foreign or too new is refused, and the place stays as empty as it was."""

import dataclasses
import hashlib
import io
import json
import sqlite3
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.backup import manifest, restore
from gateway.backup.archive import DATABASE, DIGESTS, MANIFEST, PAYLOADS, ArchiveReader, ArchiveWriter
from gateway.backup.place import Place, opened, require_whole
from gateway.backup.postgres_tools import require_empty
from gateway.backup.seal import Opener, Recipient
from gateway.crypto.cms import EnvelopeWriter
from gateway.crypto.keys import SoftwareKey
from gateway.crypto.profiles import BACKUP_ENVELOPE
from gateway.errors import ConfigError, DecryptionError, GatewayError, SignatureError, StoreError, StructureError
from gateway.store import journal, migrate
from gateway.testing.pki import receive_key, write_evidence_key
from tests.integration.backup.conftest import PASSPHRASE
from tests.integration.store.test_old_rows import RECORDED, old_sqlite

LARGE = 400_000


@pytest.fixture
async def backup(sqlite_house):
    await sqlite_house.receive(1, size=LARGE)
    file, _ = await sqlite_house.backup()
    return file


async def untouched(place: Place) -> bool:
    """Nothing lies in the folder, and no table in the database."""
    if place.data_dir.exists() and any(place.data_dir.iterdir()):
        return False
    if place.database is not None:
        async with opened(place) as store:
            await store.read(require_empty)
    return True


async def refused(house, file, error, match=None, opener=None, **changes):
    place = house.empty()
    with pytest.raises(error, match=match):
        await house.restore(file, place, opener, **changes)
    assert await untouched(place)


async def test_a_cut_archive_is_refused_wherever_it_is_cut(sqlite_house, backup):
    whole = backup.read_bytes()
    for length in (0, 30, 5000, len(whole) // 2, len(whole) - 1):
        backup.write_bytes(whole[:length])
        await refused(sqlite_house, backup, (StructureError, DecryptionError))


@pytest.mark.proves("S92")
async def test_a_changed_octet_is_refused_wherever_it_stands(sqlite_house, backup):
    whole = backup.read_bytes()
    for place in (len(whole) // 3, len(whole) - 30, len(whole) - 8):
        backup.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        await refused(sqlite_house, backup, (StructureError, DecryptionError))


@pytest.mark.proves("S92")
async def test_another_key_and_no_key_open_nothing(sqlite_house, backup):
    other = receive_key("En annen")
    await refused(sqlite_house, backup, DecryptionError, opener=Opener([SoftwareKey(other.key, other.chain)]))
    await refused(sqlite_house, backup, ConfigError, "--open-with", opener=Opener(passphrase=PASSPHRASE))
    await refused(sqlite_house, backup, ConfigError, "--open-with", opener=Opener())


async def test_a_passphrase_opens_its_backup_and_another_or_a_cut_opens_nothing(sqlite_house):
    (message_id,) = await sqlite_house.receive(1)
    file, _ = await sqlite_house.backup(recipient=Recipient(passphrase=PASSPHRASE))
    await refused(sqlite_house, file, DecryptionError, opener=Opener(passphrase=PASSPHRASE + b"."))
    await refused(sqlite_house, file, ConfigError, "--passphrase", opener=sqlite_house.opener)
    whole = file.read_bytes()
    file.write_bytes(whole[:-65_552])  # a whole chunk of it
    await refused(sqlite_house, file, DecryptionError, opener=Opener(passphrase=PASSPHRASE))
    file.write_bytes(whole)
    place = sqlite_house.empty()
    assert (await sqlite_house.restore(file, place, Opener(passphrase=PASSPHRASE))).faults == []
    async with sqlite_house.opened(place) as env:
        assert await env.store.read(lambda conn: journal.of_message(conn, message_id))


async def resealed(house, file, change):
    """The same backup with other members, sealed for the same certificate: as whoever has that could make it."""
    with file.open("rb") as source:
        members = [(one.name, b"".join(one.content)) for one in ArchiveReader(house.opener.pieces(source)).members()]
    out = file.with_name("forged")
    with out.open("wb") as sink:
        envelope = EnvelopeWriter(house.key.certificate, BACKUP_ENVELOPE, sink.write)
        archive = ArchiveWriter(envelope.write)
        for name, content in change(members):
            archive.add(name, io.BytesIO(content), len(content))
        archive.close()
        envelope.close()
    return out


def told(members):
    return manifest.read(members[-1][1].decode(), [])[0]


def changed_payload(members):
    return [(name, raw[:-1] + b"!" if name.startswith(PAYLOADS) else raw) for name, raw in members]


def changed_database(members):
    return [(name, raw[:-1] + b"!" if name == DATABASE else raw) for name, raw in members]


def without_payload(members):
    return [(name, raw) for name, raw in members if not name.startswith(PAYLOADS)]


def twice(members):
    return [members[0], members[0], *members[1:]]


def manifest_first(members):
    return [members[-1], *members[:-1]]


def unsigned(members):
    return [*members[:-1], (MANIFEST, told(members).text(None).encode())]


def another_count(members):
    text = members[-1][1].decode().replace('"messages": 1', '"messages": 2')
    return [*members[:-1], (MANIFEST, text.encode())]


def no_manifest(members):
    return [*members[:-1], (MANIFEST, b"{}")]


FORGED = {
    changed_payload: (StructureError, "a payload file is not what the list says"),
    changed_database: (StructureError, "a part is not what its manifest says"),
    without_payload: (StructureError, "a payload file is not what the list says"),
    twice: (StructureError, "comes twice"),
    manifest_first: (StructureError, "not in order"),
    unsigned: (SignatureError, "not signed"),
    another_count: (SignatureError, "does not hold"),
    no_manifest: (StructureError, "not one of ours"),
}


@pytest.mark.proves("S92")
async def test_what_somebody_else_sealed_for_the_certificate_is_not_believed(sqlite_house, backup):
    for forge, (error, match) in FORGED.items():
        await refused(sqlite_house, await resealed(sqlite_house, backup, forge), error, match)


async def test_a_manifest_signed_by_another_key_is_refused_unless_that_key_is_given(sqlite_house, tmp_path):
    from gateway.crypto.notes import NoteSigner

    write_evidence_key(tmp_path / "other.pem")
    other = NoteSigner.from_file("another", tmp_path / "other.pem")
    file, _ = await sqlite_house.backup(signer=other)
    await refused(sqlite_house, file, SignatureError)
    assert (await sqlite_house.restore(file, key=other.public)).signed


async def test_without_any_key_an_unsigned_backup_is_restored_and_said_to_be_unsigned(sqlite_house):
    file, _ = await sqlite_house.backup(signer=None)
    restored = await sqlite_house.restore(file, signer=None)
    assert (restored.signed, restored.faults) == (False, [])


async def test_a_backup_of_a_newer_schema_is_refused(sqlite_house, backup, monkeypatch):
    monkeypatch.setattr(restore.migrate, "HEAD", "0000")
    await refused(sqlite_house, backup, ConfigError, "newer than this program's")


async def test_a_backup_of_the_other_kind_of_store_is_refused(sqlite_house, backup):
    def other(members):
        text = dataclasses.replace(told(members), store="postgresql").text(sqlite_house.env.heads.signer)
        return [*members[:-1], (MANIFEST, text.encode())]

    await refused(sqlite_house, await resealed(sqlite_house, backup, other), ConfigError, "this place is for")


async def test_a_place_that_holds_anything_is_refused_and_keeps_it(house):
    backup, _ = await house.backup()
    place = house.empty()
    place.data_dir.mkdir()
    (place.data_dir / "lost+found").mkdir()  # what a new file system has is nothing
    (place.data_dir / "something").write_bytes(b"x")
    with pytest.raises(ConfigError, match="empty data_dir only"):
        await house.restore(backup, place)
    assert (place.data_dir / "something").read_bytes() == b"x"
    (place.data_dir / "something").unlink()
    if place.database is not None:
        full = Place(place.data_dir, house.empty().database.set(database=house.database))
        with pytest.raises(ConfigError, match="empty database only"):
            await house.restore(backup, full)
    await house.restore(backup, place)
    with pytest.raises(ConfigError, match=r"empty (data_dir|database) only"):
        await house.restore(backup, place)


async def test_a_failure_after_the_database_is_filled_leaves_nothing_of_it(house, monkeypatch):
    backup, _ = await house.backup()

    def fail(*_):
        message = "the disk cannot be written"
        raise StoreError(message)

    monkeypatch.setattr(restore, "_move_in", fail)
    await refused(house, backup, StoreError, "the disk cannot be written")


async def test_a_restore_that_was_killed_is_seen_by_every_start(sqlite_house, backup):
    place = sqlite_house.empty()
    (place.data_dir / "restoring").mkdir(parents=True)
    with pytest.raises(ConfigError, match="a restore was cut off here"):
        require_whole(place.data_dir)
    with pytest.raises(ConfigError, match="empty data_dir only"):
        await sqlite_house.restore(backup, place)


async def test_an_older_schema_is_brought_to_this_program_s(sqlite_house, backup):
    """Rows as the code of the first schema wrote them."""

    def older(members):
        old_sqlite(sqlite_house.folder / "old", "0001", json.loads(RECORDED["0001"].read_text("utf-8")))
        path = sqlite_house.folder / "old" / "var" / migrate.SQLITE_FILE
        with closing(sqlite3.connect(path)) as conn:
            counted = {"leaves": "leaf", "messages": "message", "entries": "journal"}
            counts = {
                name: conn.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608  our own names
                for name, table in counted.items()
            }
            conn.execute("PRAGMA journal_mode = DELETE")
        raw = path.read_bytes()
        database = hashlib.sha256(raw).hexdigest()
        made = dataclasses.replace(told(members), schema="0001", database=database, head=None, **counts)
        return [(DATABASE, raw), *members[1:-1], (MANIFEST, made.text(sqlite_house.env.heads.signer).encode())]

    place = sqlite_house.empty()
    (sqlite_house.folder / "old").mkdir()
    restored = await sqlite_house.restore(await resealed(sqlite_house, backup, older), place)
    assert [fault for fault in restored.faults if not fault.startswith("balance")] == []
    async with opened(place) as store:
        await store.read(migrate.check)


@given(st.binary(max_size=2000))
@pytest.mark.proves("S92")
def test_no_octets_make_the_reader_of_archives_fail_otherwise_than_told(raw):
    try:
        names = [b"".join(member.content) for member in ArchiveReader(iter([raw])).members()]
    except StructureError:
        return
    assert names == []
    assert raw == bytes(1024), "two empty blocks are an archive with nothing in it"


@given(st.text(max_size=300))
def test_no_text_makes_the_reader_of_manifests_fail_otherwise_than_told(text):
    with pytest.raises(GatewayError):
        manifest.read(text, [])


NAMES = ["../etc/passwd", "/etc/passwd", "payloads/../../x", "payloads/4601-02/ab/../x", "data", DIGESTS + ".x", ""]


@pytest.mark.parametrize("name", NAMES)
def test_a_member_under_another_name_than_ours_is_refused(name):
    out = bytearray()
    archive = ArchiveWriter(out.extend)
    archive.add(name, io.BytesIO(b"x"), 1)
    archive.close()
    with pytest.raises(StructureError, match="a member"):
        list(ArchiveReader(iter([bytes(out)])).members())


def test_what_stands_behind_the_end_is_refused():
    out = bytearray()
    archive = ArchiveWriter(out.extend)
    archive.close()
    with pytest.raises(StructureError, match="behind its end"):
        list(ArchiveReader(iter([bytes(out), b"x"])).members())
