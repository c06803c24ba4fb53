"""What was deleted after a backup does not come back with it: the list of shredded messages, kept outside, and replayed."""

import json
from dataclasses import replace

import pytest
from sqlalchemy import select

from gateway.backup.accept_older import accept_older
from gateway.domain.retention import RetentionPolicy
from gateway.errors import StructureError
from gateway.evidence import verify
from gateway.pipeline import hourly, proofs, retention, shred_list
from gateway.pipeline.people import Decision, decide
from gateway.pipeline.shred_list import ShredList
from gateway.store import journal, payloads
from gateway.store.tables import message
from tests.integration.backup.conftest import database_file
from tests.integration.pipeline.test_retention import after, left
from tests.work import work_off

LARGE = 400_000  # more than stands in a row: a file of its own
POLICY = (("bekymringsmelding.offentlig", RetentionPolicy(40)),)
NOBODY = "01930000-0000-7000-8000-000000000000"


@pytest.fixture
def publishing(tmp_path):
    """Makes a gateway list what it shreds; returns where."""

    def begin(house):
        folder = tmp_path / "published"
        folder.mkdir(exist_ok=True)
        house.env = replace(house.env, shred_list=ShredList(folder))
        return folder / shred_list.NAME

    return begin


async def confirmed(house, *numbers):
    """Reports at their end, so that they may be shredded."""
    found = await house.receive(*numbers, size=LARGE)
    await work_off(house.env)
    for message_id in found:
        await decide(house.env, message_id, Decision("confirm", "kari", "on paper", f"2026/{message_id[-4:]}"))
    await work_off(house.env)
    return found


async def times(env):
    """When each was shredded, as the journal has it."""
    query = select(journal.journal.c.message_id, journal.journal.c.at).where(journal.journal.c.event == "shredded")
    return (await env.store.read(lambda conn: conn.execute(query))).all()


def named(file):
    return list(shred_list.ids(file))


def verdict(proof, env, tmp_path, capsys):
    file = tmp_path / "proof"
    file.write_text(proof.text(), encoding="utf-8")
    code = verify.main(["proof", str(file), "--key", str(env.heads.signer.under("test").public)])
    return code, capsys.readouterr().out.splitlines()[-1]


@pytest.mark.proves("S90")
async def test_back_up_shred_restore_and_the_message_is_gone_again_and_its_proof_still_holds(
    house, publishing, tmp_path, capsys
):
    listed = publishing(house)
    kept, gone = await confirmed(house, 1, 2)
    await house.number()
    before = await proofs.prove(house.env, gone, proofs.Wish("kari", opened=True))
    file, _ = await house.backup()
    wrapped = (await house.env.store.read(lambda conn: payloads.find_key(conn, gone))).wrapped
    await retention.shred(after(house.env, 41), gone, ("kari", "ola"), "2026/9")
    assert named(listed) == [gone]
    place = house.empty()
    restored = await house.restore(file, place, shredded=listed)
    assert (restored.faults, restored.listed) == ([], 1)
    assert (restored.still.shredded, restored.still.unfinished) == (1, 0)
    async with house.opened(place) as env:
        assert await left(env, gone) == [0, 0, 0]
        assert all(await left(env, kept))  # the control
        files = {str(path.relative_to(place.payloads)) for path in place.payloads.glob("*/*/*") if path.is_file()}
        rows = await env.store.read(lambda conn: conn.execute(select(payloads.payload.c.file)).scalars().all())
        assert files == set(filter(None, rows))
        told = [json.loads(row.entry) for row in await env.store.read(lambda conn: journal.of_message(conn, gone))]
        assert [entry["code"] for entry in told if entry["event"] == "shredded"] == ["restored"]
        assert verdict(before, env, tmp_path, capsys) == (0, "ok, content not checked")
        again = await proofs.prove(env, gone, proofs.Wish("kari", log="test"))
        assert verdict(again, env, tmp_path, capsys) == (0, "ok, content not checked")
    if house.kind == "sqlite":
        database = place.data_dir.glob(f"{database_file(place).name}*")
        assert [path.name for path in database if wrapped in path.read_bytes()] == [], "the key's octets are gone, too"


@pytest.mark.proves("S90")
async def test_the_list_names_what_a_policy_shredded_at_once_and_holds_nothing_but_id_and_time(
    sqlite_house, publishing
):
    house = sqlite_house
    listed = publishing(house)
    first, second = await confirmed(house, 1, 2)
    later = after(house.env, 41, POLICY)
    assert await retention.purge(later) == 2
    assert set(named(listed)) == {first, second}
    lines = listed.read_text(encoding="ascii").splitlines()
    assert sorted(lines) == sorted(f"{one} {journal.rfc3339(at)}" for one, at in await times(house.env))
    assert listed.stat().st_mode & 0o077 == 0
    assert await house.env.shred_list.repair(house.env.store) == 0


@pytest.mark.proves("S90")
async def test_a_list_that_is_missing_short_torn_or_could_not_be_written_is_made_whole_from_the_journal(
    sqlite_house, publishing
):
    house = sqlite_house
    listed = publishing(house)
    shredded = await confirmed(house, 1, 2, 3)
    listed.parent.rename(listed.parent.with_name("away"))  # as a disk that is not mounted
    assert await retention.purge(after(house.env, 41, POLICY)) == 3
    listed.parent.with_name("away").rename(listed.parent)
    await house.number()
    await hourly.once(house.env)
    assert sorted(named(listed)) == sorted(shredded)
    whole = listed.read_bytes()
    first, rest = whole.split(b"\n", 1)
    other = NOBODY.encode() + b" 2026-01-01T00:00:00.000000Z\n"  # of a time that this journal lost: it stays
    for damaged in (b"", first + b"\n", rest, whole[:-20], whole[: -len(rest) // 2], other + whole[:50]):
        listed.write_bytes(damaged)
        fresh = ShredList(listed.parent)
        await fresh.repair(house.env.store)
        assert set(named(listed)) - {NOBODY} == set(shredded)
        assert (NOBODY in named(listed)) == damaged.startswith(other)
        assert await fresh.repair(house.env.store) == 0
    listed.unlink()
    await ShredList(listed.parent).repair(house.env.store)
    assert sorted(named(listed)) == sorted(shredded)


async def test_a_list_longer_than_memory_is_repaired_page_by_page(sqlite_house, publishing, monkeypatch):
    house = sqlite_house
    listed = publishing(house)
    shredded = await confirmed(house, 1, 2, 3)
    await retention.purge(after(house.env, 41, POLICY))
    await house.number()
    monkeypatch.setattr(shred_list, "_LEAVES", 2)
    monkeypatch.setattr(shred_list, "_AT_ONCE", 1)
    listed.write_text("")
    assert await ShredList(listed.parent).repair(house.env.store) == 3
    assert named(listed) == shredded


@pytest.mark.proves("S90")
async def test_a_person_s_own_list_does_a_message_that_the_copy_lacks_and_a_twice_named_one_do_no_harm_and_no_list_is_refused(
    sqlite_house, tmp_path
):
    house = sqlite_house
    kept, gone = await house.receive(1, 2)
    file, _ = await house.backup()
    listed = tmp_path / "list"
    for wrong in (f"{gone}\n\n", f"{gone}\nx{gone[1:]}\n", f"{gone}\n{gone[:-1]}", f"{gone} {'x' * 200}\n"):
        listed.write_text(wrong)
        with pytest.raises(StructureError, match="line 2 does not begin"):
            await house.restore(file, shredded=listed)
        assert not house.empty().data_dir.exists(), "nothing was begun"
    listed.write_text(f"{gone}\n{NOBODY} 2026-01-01T00:00:00Z\n{gone}")
    place = house.empty()
    restored = await house.restore(file, place, shredded=listed)
    assert (restored.listed, restored.still.shredded, restored.still.unfinished) == (3, 1, 1)
    async with house.opened(place) as env:
        assert await env.store.read(lambda conn: payloads.find_key(conn, gone)) is None
        assert await env.store.read(lambda conn: payloads.find_key(conn, kept)) is not None


@pytest.mark.proves("S90", "S91")
async def test_an_old_copy_that_a_person_goes_on_with_is_shredded_by_the_list_too(sqlite_house, publishing):
    house = sqlite_house
    listed = publishing(house)
    kept, gone = await house.receive(1, 2, size=LARGE)
    await house.number()
    listed.write_text(f"{gone} 2026-01-01T00:00:00.000000Z\n")
    head = house.env.heads._last
    later = house.env.heads.signer.under("begun/later")
    from gateway.crypto import notes
    from gateway.evidence import formats

    head.write_text(notes.sign(formats.head_text("begun/later", 900, b"r" * 32), [later]), encoding="utf-8")
    accepted = await accept_older(house.env, "kari", "wrong-copy", "accepted/1", listed)
    assert (accepted.still.shredded, len(accepted.still.files)) == (1, 1)
    assert not [file for file in accepted.still.files if (house.place.payloads / file).exists()]
    assert accepted.files_without_row == []
    assert not any(await left(house.env, gone))
    assert await house.env.store.read(lambda conn: payloads.find_key(conn, kept)) is not None
    assert await house.env.store.read(lambda conn: conn.execute(select(message.c.id)).scalars().all())
