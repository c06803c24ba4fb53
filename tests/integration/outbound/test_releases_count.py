"""A release is good for what the person looked at: not for a stop of the same rule about somebody else."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from gateway.domain.lifecycle import State
from gateway.domain.persons import Standing
from gateway.pipeline import hand_over
from gateway.pipeline.open_registers import ResidentMemory
from gateway.store.tables import approval, journal
from tests.integration.outbound.kit import read
from tests.integration.outbound.letters import (
    CHILD,
    FATHER,
    MOTHER,
    LetterRoad,
    release,
    stopped_by,
    submitted,
    with_letters,
)
from tests.work import state_of, work_off

pytestmark = pytest.mark.parametrize("env", ["sqlite"], indirect=True)
"""One store is enough: what an approval counts for is no matter of SQL."""

GONE, UNCLEAR = {"standing": Standing.EMIGRATED}, {"standing": Standing.OTHER}
LATER = {
    "another one has emigrated as well": ("r23-emigrated", {FATHER: GONE}, {FATHER: GONE, CHILD: GONE}),
    "another one instead": ("r23-emigrated", {FATHER: GONE}, {MOTHER: GONE}),
    "another one's standing is unclear": ("r23-standing-unclear", {FATHER: UNCLEAR}, {CHILD: UNCLEAR}),
    "the name is yet another": ("r23-name-differs", {FATHER: {"name": "Ole Hansen"}}, {FATHER: {"name": "Per Olsen"}}),
    "another one's name is another": (
        "r23-name-differs",
        {FATHER: {"name": "Ole Hansen"}},
        {FATHER: {"name": "Ole Hansen"}, MOTHER: {"name": "Per Olsen"}},
    ),
}


async def held(env, client, answers):
    """A letter that one person has released from what the register said; rule R23 alone is asked."""
    road = LetterRoad()
    env, people = await with_letters(env, road)
    env = replace(env, roads=replace(env.roads, guards=("R23",)))
    people.residents.update(answers)
    message_id = await submitted(env, client)
    return env, people, road, message_id


def tell(env, people, answers):
    """The register says this a day later."""
    people.residents.clear()
    people.residents.update(answers)
    env.roads.registers.remembered = ResidentMemory()


@pytest.mark.parametrize("case", LATER)
async def test_a_release_does_not_count_for_what_the_register_says_later(env, client, case):
    code, before, after = LATER[case]
    env, people, road, message_id = await held(env, client, before)
    assert await stopped_by(env, message_id) == (State.HELD, code)
    assert await release(env, message_id, "kari") == [State.ACCEPTED]
    tell(env, people, after)
    await work_off(env)
    assert (await stopped_by(env, message_id), road.sent) == ((State.HELD, code), [])
    assert (await hand_over.head(env, client, message_id))["hold"]["personsSoFar"] == 0
    assert await release(env, message_id, "kari") == [State.ACCEPTED]
    await work_off(env)
    assert (await state_of(env, message_id), len(road.sent)) == (State.DELIVERED, 1)


@pytest.mark.parametrize("case", LATER)
async def test_control_a_release_counts_while_the_register_says_the_same_and_keeps_no_name(env, client, case):
    _, before, _ = LATER[case]
    env, people, road, message_id = await held(env, client, before)
    await release(env, message_id, "kari")
    tell(env, people, before)
    await work_off(env)
    assert (await state_of(env, message_id), len(road.sent)) == (State.DELIVERED, 1)
    kept = repr(await read(env, select(approval))) + repr(await read(env, select(journal.c.entry)))
    assert [name for name in ("Hansen", "Olsen", FATHER) if name in kept] == []
