"""After a restore nothing leaves the house before a person releases the road, and partners are asked before all else."""

import json

import pytest
from sqlalchemy import select

from gateway.backup.asking import ask_roads
from gateway.backup.standstill import release_road, standing
from gateway.crashpoints import Point
from gateway.domain.lifecycle import State
from gateway.errors import UnknownResourceError
from gateway.evidence import verify
from gateway.pipeline import proofs, upkeep
from gateway.pipeline.accept import Intake
from gateway.pipeline.hand_over import CaseSystemClient
from gateway.pipeline.people import Decision, decide
from gateway.pipeline.proofs import Wish, prove
from gateway.spi import Refused, Taken, TryLater, Uncertain
from gateway.store import consistency, journal, log
from gateway.store.tables import queue_item
from tests.integration.backup.conftest import House
from tests.integration.outbound.kit import Scripted, alarms_of, hand_in, with_roads
from tests.reports import Sender
from tests.work import state_of, work_off


async def restored(house: House, **changes):
    """The gateway of a copy, made now."""
    file, _ = await house.backup("copy")
    place = house.empty()
    result = await house.restore(file, place, **changes)
    assert result.faults == []
    return place, result


async def cleared(house: House, partner: Scripted) -> str:
    """A message whose parcel is sealed, and which the partner does not take yet."""
    env = await with_roads(house.env, house.site.tenant, partner=partner)
    client = CaseSystemClient("fagsystem-1", (house.site.tenant,))
    message_id = await hand_in(env, client)
    await work_off_some(env)
    assert await state_of(env, message_id) is State.CLEARED
    return message_id


async def work_off_some(env):
    """The worker's step, while anything is due: what a partner puts off is due again at once."""
    from gateway.domain.message_type import Lane
    from gateway.pipeline.worker import perform
    from gateway.store import outbox

    for _ in range(4):
        items = await env.store.write(
            lambda conn: outbox.claim(
                conn, owner="w", lanes=[lane.value for lane in Lane], limit=10, lease_s=60, suspects=False
            ),
            Point.CLAIM_WORK,
        )
        for item in items:
            await perform(env, item)


def later():
    return Scripted(answers=[TryLater("busy")])


async def test_what_would_leave_is_parked_and_rings_and_reports_still_come_in_and_are_opened(house):
    (ready, received) = await house.receive(1, 2)
    sent = await cleared(house, later())
    place, result = await restored(house)
    assert result.still.parked["partner"] == 1
    async with house.opened(place) as opened:
        partner = Scripted()
        env = await with_roads(opened, house.site.tenant, partner=partner)
        (fresh,) = [(await Intake(env).accept(Sender(house.site, env).delivery(3))).id]
        await work_off(env)
        assert partner.sent == [], "nothing leaves"
        assert await state_of(env, sent) is State.CLEARED
        for message_id in (ready, received, fresh):
            assert await state_of(env, message_id) is State.READY
        assert await env.store.read(consistency.faults) == []
        assert "restored" in await alarms_of(env, "road:partner")
        assert "restored" in await alarms_of(env, "payload-files")
        told = [json.loads(row.entry) for row in await env.store.read(lambda conn: journal.of_message(conn, sent))]
        assert (told[-1]["event"], told[-1]["code"]) == ("effect-parked", "restored")


async def test_a_road_that_counts_twice_is_asked_first_once_a_person_releases_it(sqlite_house):
    """The partner took it after the copy was made: sending it blindly would be the second time."""
    sent = await cleared(sqlite_house, later())
    place, _ = await restored(sqlite_house)
    async with sqlite_house.opened(place) as opened:
        partner = Scripted(states=[Taken("ref-1")])
        env = await with_roads(opened, sqlite_house.site.tenant, partner=partner)
        assert await release_road(env, "partner", "kari", "asked-them") == 1
        await work_off(env)
        assert partner.sent == []
        assert len(partner.asked) == 1
        assert await state_of(env, sent) is State.SENT
        assert "restored" not in await alarms_of(env, "road:partner")
        with pytest.raises(UnknownResourceError):
            await release_road(env, "partner", "kari", "again")


async def test_a_road_that_cannot_be_asked_leaves_it_to_a_person_and_one_that_counts_once_sends_again(sqlite_house):
    for idempotent, state, calls in ((False, State.HELD, 0), (True, State.SENT, 1)):
        sent = await cleared(sqlite_house, later())
        place, _ = await restored(sqlite_house)
        (sqlite_house.folder / "copy").unlink()
        async with sqlite_house.opened(place) as opened:
            partner = Scripted(states=[None], idempotent=idempotent)
            env = await with_roads(opened, sqlite_house.site.tenant, partner=partner)
            await release_road(env, "partner", "kari", "compared")
            await work_off(env)
            assert await state_of(env, sent) is state
            assert len({key for key, _ in partner.sent}) >= calls
        (sqlite_house.folder / "restored").rename(sqlite_house.folder / f"restored-{idempotent}")


async def test_one_road_is_released_and_the_others_stand_still(sqlite_house):
    await cleared(sqlite_house, later())
    await sqlite_house.receive(1)
    await work_off_until_ready(sqlite_house)
    place, result = await restored(sqlite_house)
    assert set(result.still.parked) == {"fiks-produsent", "partner"}
    async with sqlite_house.opened(place) as env:
        assert await env.store.read(standing) == result.still.parked
        await release_road(env, "fiks-produsent", "kari", "looked-through")
        assert await env.store.read(standing) == {"partner": 1}
        await env.store.write(journal.number_pending, Point.NUMBER)
        query = select(queue_item.c.effect, queue_item.c.parked).order_by(queue_item.c.id)
        assert ("ring", None) in [tuple(row) for row in await env.store.read(lambda conn: conn.execute(query).all())]


async def work_off_until_ready(house):
    """Opened, and its bell owed."""
    from gateway.domain.lifecycle import Effect
    from gateway.pipeline.worker import perform
    from gateway.store import outbox

    items = await house.env.store.write(
        lambda conn: outbox.claim(conn, owner="w", lanes=["bekymring"], limit=10, lease_s=60, suspects=False),
        Point.CLAIM_WORK,
    )
    for item in items:
        assert item.effect is Effect.OPEN
        await perform(house.env, item)


async def test_one_message_may_be_released_by_itself(sqlite_house):
    sent = await cleared(sqlite_house, later())
    place, _ = await restored(sqlite_house)
    async with sqlite_house.opened(place) as opened:
        partner = Scripted(idempotent=True)
        env = await with_roads(opened, sqlite_house.site.tenant, partner=partner)
        await decide(env, sent, Decision("release", "kari", "mottakeren har ringt"))
        await work_off(env)
        assert await state_of(env, sent) is State.SENT


ANSWERS = (
    (Taken("ref-1"), "taken"),
    (TryLater("not-here"), "not-taken"),
    (Refused("no"), "refused"),
    (Uncertain("silence"), "uncertain"),
    (None, "cannot-be-asked"),
    (OSError("away"), "uncertain"),
)


async def test_each_road_is_asked_and_says_so_where_it_cannot_be(sqlite_house):
    sent = await cleared(sqlite_house, later())
    place, _ = await restored(sqlite_house)
    async with sqlite_house.opened(place) as opened:
        (closed,) = await ask_roads(opened)
        assert dict(closed.by_word) == {"road-not-open": 1}
        for answer, word in ANSWERS:
            env = await with_roads(opened, sqlite_house.site.tenant, partner=Scripted(states=[answer]))
            (answers,) = await ask_roads(env)
            assert (answers.road, dict(answers.by_word)) == ("partner", {word: 1})
            assert answers.taken == ([sent] if word == "taken" else [])
        assert await state_of(env, sent) is State.CLEARED, "a question changes nothing"


async def test_files_without_a_row_are_kept_until_a_person_closes_the_alarm(sqlite_house, monkeypatch):
    place, _ = await restored(sqlite_house)
    async with sqlite_house.opened(place) as env:
        lost = place.payloads / sqlite_house.site.tenant / "ab" / ("0" * 32)
        lost.parent.mkdir(parents=True)
        lost.write_bytes(b"sealed")
        monkeypatch.setattr(upkeep, "ORPHAN_FILE_AGE_S", -60)
        assert await upkeep.sweep_files(env) == 0
        assert lost.exists()
        from gateway.store import alarms

        found = [row.id for row in await env.store.read(alarms.open_alarms) if row.subject == "payload-files"]
        await env.store.write(lambda conn: alarms.close_id(conn, found[0], at=1, actor="kari"), Point.PERSON)
        assert await upkeep.sweep_files(env) == 1


# --- The log after a restore -------------------------------------------------------------------------------------


@pytest.fixture
def witness(tmp_path, capsys):
    """Runs the verifier as a witness; its file is ``state``."""

    def run(text, key, *more):
        (tmp_path / "update").write_text(text, encoding="utf-8")
        code = verify.main(["witness", str(tmp_path / "state"), str(tmp_path / "update"), "--key", str(key), *more])
        return code, capsys.readouterr().out.splitlines()[-1]

    return run


async def update(env, known, name=None):
    return await env.store.read(lambda conn: proofs.update_for_witness(conn, known, name))


@pytest.mark.proves("S91")
async def test_an_old_witness_follows_the_new_log_by_its_first_leaf_only(sqlite_house, witness):
    (message_id,) = await sqlite_house.receive(1)
    await sqlite_house.number()
    old_key = sqlite_house.env.heads.signer.public
    assert witness(await update(sqlite_house.env, 0), old_key) == (0, "ok")
    place, result = await restored(sqlite_house)
    async with sqlite_house.opened(place) as env:
        key = env.heads.signer.public
        assert (key.name, key.public) != (old_key.name, old_key.public)
        await env.store.write(journal.number_pending, Point.NUMBER)
        await env.heads.publish(env.store, env.now())
        assert witness(await update(env, 0), key)[0] == 1, "not as if it were a new witness"
        assert witness(await env.store.read(proofs.succession_for_witness), key, "--old-key", str(old_key)) == (0, "ok")
        known = await env.store.read(log.size)
        await Intake(env).accept(Sender(sqlite_house.site, env).delivery(2))
        await env.store.write(journal.number_pending, Point.NUMBER)
        await env.heads.publish(env.store, env.now())
        assert witness(await update(env, known), key) == (0, "ok")
        old = await prove(env, message_id, Wish("kari", log=result.manifest.origin))
        assert old.head.startswith(f"{old_key.name}\n")
        proof = sqlite_house.folder / "proof"
        proof.write_text(old.text(), encoding="utf-8")
        assert verify.main(["proof", str(proof), "--key", str(old_key)]) == 0
        with pytest.raises(UnknownResourceError):
            await prove(env, message_id, Wish("kari", log="never was"))


@pytest.mark.proves("S91")
async def test_what_the_witness_saw_after_the_backup_stands_in_the_new_log_s_first_leaf(sqlite_house, witness):
    await sqlite_house.receive(1)
    await sqlite_house.number()
    file, _ = await sqlite_house.backup()
    await sqlite_house.receive(2)
    await sqlite_house.number()
    note, old_key = await sqlite_house.newest_note(), sqlite_house.env.heads.signer.public
    assert witness(await update(sqlite_house.env, 0), old_key) == (0, "ok")
    for told, code in ((note, 0), (None, 1)):
        place = sqlite_house.empty()
        await sqlite_house.restore(file, place, witness=told)
        async with sqlite_house.opened(place) as env:
            await env.heads.publish(env.store, env.now())
            text, key = await env.store.read(proofs.succession_for_witness), env.heads.signer.public
            if code:
                (sqlite_house.folder / "state").write_text(note, encoding="utf-8")
            assert witness(text, key, "--old-key", str(old_key))[0] == code
        place.data_dir.rename(sqlite_house.folder / f"restored-{code}")


async def test_the_old_origin_never_signs_again_and_its_heads_stay(sqlite_house):
    await sqlite_house.receive(1)
    await sqlite_house.number()
    place, result = await restored(sqlite_house)
    async with sqlite_house.opened(place) as env:
        assert env.heads.signer.public.name == "restored/1"
        before = await env.store.read(lambda conn: log.newest_head(conn, base=0))
        old = sqlite_house.env.heads
        old._last = env.heads._last
        await old.publish(env.store, env.now())
        assert await env.store.read(lambda conn: log.newest_head(conn, base=0)) == before
        assert await env.store.read(log.newest_head) is None
        assert "log-contradicts" in await alarms_of(env)
        assert before.note.startswith(f"{result.manifest.origin}\n")
