"""A start on a database that is older than the last head signed here is refused, and a named person may go on with it."""

import json
import shutil

import pytest

from gateway import config
from gateway.app import running
from gateway.backup.accept_older import accept_older
from gateway.backup.place import Place
from gateway.backup.standstill import standing
from gateway.crashpoints import Point
from gateway.errors import ConfigError, ConflictError
from gateway.store import journal, log
from gateway.store.migrate import SQLITE_FILE
from tests.integration.backup.conftest import QUICK, House


@pytest.fixture
async def older(sqlite_house: House):
    """The place of a gateway whose database is a copy of before its last head: as a person would put it back by hand."""
    house = sqlite_house
    await house.receive(1)
    await house.number()
    file, _ = await house.backup()
    restored = house.empty()
    await house.restore(file, restored)
    await put_back(house, restored)
    await house.receive(2, size=400_000)
    await house.number()
    place = Place(house.folder / "older")
    shutil.copytree(house.place.data_dir, place.data_dir, ignore=shutil.ignore_patterns("*.sqlite3*"))
    shutil.copy(restored.data_dir / SQLITE_FILE, place.data_dir / SQLITE_FILE)
    return place


async def put_back(house: House, restored: Place) -> None:
    """Undo what the restore itself wrote of the log: the copy as pg_dump or cp would have it, under its own old name."""

    def undo(conn):
        conn.exec_driver_sql('DELETE FROM leaf WHERE "index" >= (SELECT base FROM log_state)')
        conn.exec_driver_sql("DELETE FROM leaf_pending")
        conn.exec_driver_sql("UPDATE queue_item SET parked = NULL WHERE parked = 'restored'")
        conn.exec_driver_sql("UPDATE alarm SET closed_at = 1 WHERE code = 'restored'")
        conn.exec_driver_sql("DELETE FROM journal WHERE id > (SELECT max(journal_id) FROM leaf)")
        conn.exec_driver_sql(
            "UPDATE log_state SET origin = (SELECT origin FROM closed_log), base = 0, size = (SELECT size FROM closed_log)"
        )
        conn.exec_driver_sql("DELETE FROM closed_log")

    from gateway.backup.place import opened

    async with opened(restored) as store:
        await store.write(undo, Point.ADMIN)


@pytest.mark.proves("S91")
async def test_an_older_database_does_not_start_before_a_person_decides_and_then_stands_still(sqlite_house, older):
    house = sqlite_house
    configuration = config.load(house.site.configuration, {"BUDSTIKKE__DATA_DIR": str(older.data_dir)} | QUICK)
    with pytest.raises(ConfigError, match="older than log-head"):
        async with running(configuration):
            pytest.fail("it started")
    async with house.opened(older) as env:
        known = (await house.newest_note()).split("\n")
        accepted = await accept_older(env, "kari", "standby-lacked-commits", "accepted/1")
        assert accepted.still.parked == await env.store.read(standing)
        assert accepted.files_without_row, "the second report's file is kept and told"
        first = json.loads(await env.store.read(log.first_entry))
        assert (first["event"], first["actor"], first["code"]) == ("log-begun", "kari", "standby-lacked-commits")
        assert (first["refs"]["size"], first["refs"]["root"]) == (int(known[1]), known[2]), "the head that it forgot"
    async with running(configuration) as gateway:
        assert gateway.env.heads.signer.public.name == "accepted/1"
        assert all((older.payloads / name).exists() for name in accepted.files_without_row)


@pytest.mark.proves("S91")
async def test_control_the_same_database_and_an_unreadable_file_start(sqlite_house):
    await sqlite_house.receive(1)
    await sqlite_house.number()
    heads = sqlite_house.env.heads
    await heads.require_newest(sqlite_house.env.store)
    with pytest.raises(ConflictError):
        await accept_older(sqlite_house.env, "kari", "no-cause", "accepted/1")
    for changed in ("", "nonsense", heads.read_last().replace("\n", "\n1", 1)):
        heads._last.write_text(changed, encoding="utf-8")
        await heads.require_newest(sqlite_house.env.store)


async def test_the_head_of_a_log_that_this_database_never_had_stops_the_start(sqlite_house):
    """A copy of before an earlier restore: the log that was begun then is not in it."""
    await sqlite_house.receive(1)
    await sqlite_house.number()
    env, heads = sqlite_house.env, sqlite_house.env.heads
    later = heads.signer.under("begun/later")
    from gateway.crypto import notes
    from gateway.evidence import formats

    heads._last.write_text(notes.sign(formats.head_text("begun/later", 7, b"r" * 32), [later]), encoding="utf-8")
    with pytest.raises(ConfigError, match="of another log"):
        await heads.require_newest(env.store)
    await accept_older(env, "kari", "wrong-copy", "accepted/1")
    first = json.loads(await env.store.read(log.first_entry))
    assert (first["refs"]["origin"], first["refs"]["size"]) == ("begun/later", 7)
    await heads.require_newest(env.store)


async def test_another_host_s_last_head_of_a_closed_log_stops_nobody(sqlite_house):
    await sqlite_house.receive(1)
    await sqlite_house.number()
    env = sqlite_house.env
    note = env.heads.read_last()
    env.heads._last.write_text(note, encoding="utf-8")
    from gateway.store.succession import Beginning, begin_log

    await env.store.write(
        lambda conn: begin_log(conn, Beginning("next/1", "test", 1, b"r" * 32, "kari", "drill", 1)), Point.ADMIN
    )
    await env.heads.require_newest(env.store)
    await env.store.write(journal.number_pending, Point.NUMBER)
    from gateway.pipeline.heads import HeadKeeper

    keeper = HeadKeeper(env.heads.signer.under("next/1"), sqlite_house.place.data_dir, None)
    await keeper.publish(env.store, env.now())
    assert (await env.store.read(log.newest_head)).note.startswith("next/1\n")
