"""Edits to what the engine may change can only delay: they are found, mended and rung."""

import os

import pytest
from sqlalchemy import select

from gateway.crashpoints import Point
from gateway.domain.lifecycle import State
from gateway.limits import ORPHAN_FILE_AGE_S
from gateway.pipeline.upkeep import mend_batch, sweep_files
from gateway.store import alarms, consistency
from gateway.store.tables import message_state, queue_item
from tests.work import state_of, work_off


async def rung(env) -> list[str]:
    return [row.code for row in await env.store.read(alarms.open_alarms)]


async def test_an_effect_that_somebody_deleted_is_made_again_and_rings(env, intake, sender):
    accepted = await intake.accept(sender.delivery())
    await env.store.write(lambda conn: conn.execute(queue_item.delete()), Point.SWEEP)
    assert await work_off(env) == 0
    await mend_batch(env, resting_us=0)
    await work_off(env)
    assert await state_of(env, accepted.id) == State.READY
    assert "state-repaired" in await rung(env)


@pytest.mark.parametrize("edited", [State.RECEIPTED, State.CONFIRMED, State.RECEIVED])
async def test_a_state_that_somebody_edited_is_told_by_the_journal_again(env, intake, sender, edited):
    accepted = await intake.accept(sender.delivery())
    await work_off(env)
    edit = message_state.update().values(state=edited.value)
    await env.store.write(lambda conn: conn.execute(edit), Point.SWEEP)
    await mend_batch(env, resting_us=0)
    found = await env.store.read(consistency.faults)
    if edited is State.RECEIPTED:  # an end is not looked at again here; the check of the whole store finds it
        assert found
        return
    assert await state_of(env, accepted.id) == State.READY
    assert found == []
    assert "state-repaired" in await rung(env)


async def test_a_sound_message_is_left_alone(env, intake, sender):
    await intake.accept(sender.delivery())
    await work_off(env)
    query = select(message_state)
    before = await env.store.read(lambda conn: conn.execute(query).all())
    await mend_batch(env, resting_us=0)
    assert await env.store.read(lambda conn: conn.execute(query).all()) == before
    assert await rung(env) == []


async def test_a_file_that_no_row_names_is_removed_after_a_day_and_no_other(env, intake, sender):
    delivery = sender.delivery()
    delivery.part_bytes["bekymringsmelding"] += bytes(300_000)  # large enough to be a file
    await intake.accept(delivery)
    folder = env.vault.folder
    named = list(folder.root.glob("*/*/*"))
    lost = folder.root / "4601-02" / "aa" / "left-behind"
    fresh = folder.root / "4601-02" / "aa" / "under-way"
    lost.parent.mkdir(parents=True, exist_ok=True)
    for path in (lost, fresh):
        path.write_bytes(b"x")
    for path in (*named, lost):
        os.utime(path, (1, 1))
    assert ORPHAN_FILE_AGE_S > 0
    assert await sweep_files(env) == 1
    assert not lost.exists()
    assert fresh.exists()
    assert named
    assert all(path.exists() for path in named)
