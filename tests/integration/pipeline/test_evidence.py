"""The evidence log of a real gateway, read by the small verifier: heads, proofs, witnesses, and what contradicts them."""

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select

from gateway.crashpoints import Point
from gateway.crypto import notes
from gateway.crypto.notes import NoteSigner
from gateway.errors import (
    DecryptionError,
    MalformedRequestError,
    PartnerUnavailableError,
    StoreError,
    UnknownResourceError,
)
from gateway.evidence import verify
from gateway.pipeline import proofs
from gateway.pipeline.heads import HeadKeeper
from gateway.pipeline.proofs import Wish, prove
from gateway.pipeline.stamps import stamp_newest
from gateway.store import alarms, journal, log, messages, payloads
from gateway.store.tables import head, payload_key
from tests.work import work_off


async def number(env):
    while await env.store.write(journal.number_pending, Point.NUMBER):
        pass
    await env.heads.publish(env.store, env.now())


@pytest.fixture
async def report(env, intake, sender):
    """A report that was opened, and heads that cover it."""
    accepted = await intake.accept(sender.delivery(1))
    await work_off(env)
    await number(env)
    return accepted.id


@pytest.fixture
def check(env, tmp_path, capsys):
    """The verifier's exit code and verdict on a proof."""

    def run(found, *more):
        file = tmp_path / "proof.json"
        file.write_text(found.text(), encoding="utf-8")
        code = verify.main(["proof", str(file), "--key", str(env.heads.signer.public), *more])
        return code, capsys.readouterr().out.splitlines()[-1]

    return run


async def document(env, report, tmp_path):
    """The report's first document as the case system would store it."""

    def find(conn):
        first = messages.documents(conn, report)[0]
        row = conn.execute(payload_key.select().where(payload_key.c.message_id == report)).one()
        return first, row.tenant, payloads.find_key(conn, report), payloads.find(conn, report, first.purpose)

    first, tenant, wrapped, stored = await env.store.read(find)
    file = tmp_path / "document"
    file.write_bytes(b"".join(env.vault.pieces(env.vault.unlock(tenant, report, wrapped), first.purpose, stored)))
    return first.name, file


async def test_a_report_s_proof_is_believed_with_its_documents_by_whoever_has_the_key(env, report, check, tmp_path):
    found = await prove(env, report, Wish("kari", opened=True))
    name, file = await document(env, report, tmp_path)
    assert check(found, "--content", f"{name}={file}") == (0, "ok")
    file.write_bytes(file.read_bytes() + b" ")
    assert check(found, "--content", f"{name}={file}") == (1, f"failed: {name} is not what the log commits to")
    assert check(await prove(env, report, Wish("kari"))) == (0, "ok, content not checked")


async def test_who_had_a_proof_made_stands_in_the_journal(env, report):
    await prove(env, report, Wish("kari", opened=True))
    rows = await env.store.read(lambda conn: journal.of_message(conn, report))
    assert '"actor":"kari"' in rows[-1].entry
    assert '"code":"with-salt","commit":{},"event":"proof-made"' in rows[-1].entry


@pytest.mark.proves("promise-6")
async def test_a_proof_made_before_shredding_holds_after_it_and_one_made_after_tells_no_content(env, report, check):
    before = await prove(env, report, Wish("kari", opened=True))
    await env.store.write(
        lambda conn: conn.execute(payload_key.delete().where(payload_key.c.message_id == report)), Point.PERSON
    )
    assert check(before)[0] == 0
    assert check(await prove(env, report, Wish("kari"))) == (0, "ok, content not checked")
    with pytest.raises(DecryptionError, match="shredded"):
        await prove(env, report, Wish("kari", opened=True))


async def test_what_no_head_covers_yet_has_no_proof_and_what_is_unknown_is_said_to_be(env, intake, sender):
    accepted = await intake.accept(sender.delivery(1))
    assert await prove(env, accepted.id, Wish("kari")) is None
    with pytest.raises(UnknownResourceError):
        await prove(env, "no such id", Wish("kari"))


async def test_a_witness_follows_the_log_and_a_proof_is_held_against_its_head(
    env, report, check, tmp_path, intake, sender
):
    state, update = tmp_path / "state", tmp_path / "update"

    async def follow(known):
        update.write_text(await env.store.read(lambda conn: proofs.update_for_witness(conn, known)), encoding="utf-8")
        return verify.main(["witness", str(state), str(update), "--key", str(env.heads.signer.public)])

    assert await follow(0) == 0
    known = (await env.store.read(log.newest_head)).size
    assert await env.store.read(lambda conn: proofs.update_for_witness(conn, known)) is None
    await intake.accept(sender.delivery(2))
    await number(env)
    found = await prove(env, report, Wish("kari", known=known))
    assert check(found, "--witness", str(state)) == (0, "ok, content not checked")
    assert await follow(known) == 0
    with pytest.raises(MalformedRequestError, match="newer head"):
        await prove(env, report, Wish("kari", known=10_000))


async def test_a_log_that_did_not_grow_gets_no_second_head(env, report):
    await env.heads.publish(env.store, env.now())
    sizes = await env.store.read(lambda conn: conn.execute(select(head.c.size)).scalars().all())
    await env.heads.publish(env.store, env.now())
    assert await env.store.read(lambda conn: conn.execute(select(head.c.size)).scalars().all()) == sizes


async def open_codes(env):
    return {row.code for row in await env.store.read(alarms.open_alarms)}


async def test_a_changed_leaf_is_never_signed_over_and_rings(env, report, intake, sender, administrator):
    administrator('UPDATE leaf SET hash = (SELECT hash FROM leaf WHERE "index" = 1) WHERE "index" = 0')
    await intake.accept(sender.delivery(2))
    before = await env.store.read(log.newest_head)
    await number(env)
    assert await env.store.read(log.newest_head) == before
    assert alarms.AlarmCode.LOG_CONTRADICTS in await open_codes(env)


async def test_an_old_copy_of_the_database_is_noticed_by_the_file_beside_it(env, report, intake, sender, administrator):
    administrator("DELETE FROM head")
    administrator("UPDATE log_state SET size = size - 2")
    administrator('DELETE FROM leaf WHERE "index" >= (SELECT size FROM log_state)')
    await intake.accept(sender.delivery(2))
    await number(env)
    assert alarms.AlarmCode.LOG_CONTRADICTS in await open_codes(env)
    assert await env.store.read(log.newest_head) is None


async def test_a_changed_file_of_the_last_head_stops_the_signing_and_rings(env, report, intake, sender):
    before = await env.store.read(log.newest_head)
    last = env.vault.folder.root.parent / "log-head"
    last.write_text(last.read_text().replace(f"\n{before.size}\n", "\n1\n"), encoding="utf-8")
    await intake.accept(sender.delivery(2))
    await number(env)
    assert await env.store.read(log.newest_head) == before
    assert alarms.AlarmCode.LOG_CONTRADICTS in await open_codes(env)


async def test_the_published_head_is_the_newest(env, report, tmp_path):
    env.heads._published = tmp_path / "head"
    (env.vault.folder.root.parent / "log-head").unlink()
    await prove(env, report, Wish("kari"))
    await number(env)
    assert (tmp_path / "head").read_text(encoding="utf-8") == (await env.store.read(log.newest_head)).note


async def test_a_head_without_time_stamp_rings_and_holds_nothing_up_and_the_next_stamp_closes_it(
    env, report, intake, sender
):
    asked = []

    async def away(octets):
        asked.append(octets)
        raise PartnerUnavailableError("time stamp: no answer")

    async def there(octets):
        asked.append(octets)
        return b"stamp of " + octets[:4]

    await stamp_newest(env, away)
    assert alarms.AlarmCode.TIME_STAMP_MISSING in await open_codes(env)
    assert (await prove(env, report, Wish("kari"))).time_stamp is None
    await number(env)
    await stamp_newest(env, there)
    assert alarms.AlarmCode.TIME_STAMP_MISSING not in await open_codes(env)
    found = await prove(env, report, Wish("kari"))
    assert found.time_stamp == b"stamp of test"
    assert asked[-1] == found.head.encode()
    await stamp_newest(env, there)
    assert len(asked) == 2, "a head is stamped once"


async def test_a_new_key_signs_on_from_where_the_earlier_one_stopped_and_old_proofs_hold_under_the_old(
    env, report, check, intake, sender
):
    old_key, old_proof = env.heads.signer.public, await prove(env, report, Wish("kari"))
    new = NoteSigner(old_key.name, Ed25519PrivateKey.generate())
    folder = env.vault.folder.root.parent

    stranger = replace(env, heads=HeadKeeper(new, folder, None))
    await intake.accept(sender.delivery(2))
    await number(stranger)
    assert alarms.AlarmCode.LOG_CONTRADICTS in await open_codes(env), "a key that nobody announced signs nothing"

    renewed = replace(env, heads=HeadKeeper(new, folder, None, [old_key]))
    await number(renewed)
    newest = await env.store.read(log.newest_head)
    assert notes.verified(newest.note, [new.public])[1] == (new.public,)
    assert check(old_proof)[0] == 0
    found = await prove(renewed, report, Wish("kari"))
    assert check(found, "--key", str(new.public))[0] == 0
    assert check(found)[0] == 1


async def test_a_place_to_publish_that_is_away_is_a_store_that_fails_and_the_head_is_kept_all_the_same(
    env, report, tmp_path
):
    env.heads._published = tmp_path / "not mounted" / "head"
    await prove(env, report, Wish("kari"))
    before = (await env.store.read(log.newest_head)).size
    with pytest.raises(StoreError):  # the sweeper's rounds go on after one, and after nothing else
        await number(env)
    assert (await env.store.read(log.newest_head)).size > before
    (tmp_path / "not mounted").mkdir()
    await prove(env, report, Wish("kari"))
    await number(env)
    assert (tmp_path / "not mounted/head").read_text(encoding="utf-8") == (await env.store.read(log.newest_head)).note
