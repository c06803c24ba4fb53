"""Letters of one carrier wait for it together, and are prepared one after the other: a report gets through between them."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field, replace

import pytest

from gateway.crashpoints import Point
from gateway.domain.lifecycle import Effect, State
from gateway.domain.message_type import Lane
from gateway.pipeline.worker import perform
from gateway.spi import Outcome, Parcel, Taken
from gateway.store import outbox
from tests.integration.outbound.letters import LetterRoad, People, release, submitted, with_letters
from tests.work import state_of

pytestmark = pytest.mark.parametrize("env", ["sqlite"], indirect=True)
"""One store is enough: the turns are taken in this process."""
LETTERS = 3
STAY_S = 0.1


@dataclass
class Gathering(LetterRoad):
    """Answers when all letters have come to it."""

    come: asyncio.Barrier = field(default_factory=lambda: asyncio.Barrier(LETTERS))

    async def send(self, parcel: Parcel) -> Outcome:
        await self.come.wait()
        return Taken(parcel.key, final=True)


@dataclass
class Counting(People):
    """A register that knows how many ask it at once: whoever asks stays a while, so that others come if they may."""

    asking: int = 0
    most: int = 0
    another: asyncio.Event = field(default_factory=asyncio.Event)

    async def contact(self, person: str):
        self.asking += 1
        self.most = max(self.most, self.asking)
        if self.asking > 1:
            self.another.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(self.another.wait(), STAY_S)
        try:
            return await super().contact(person)
        finally:
            self.asking -= 1


async def test_letters_of_one_carrier_are_prepared_in_turn_and_sent_at_once(env, client):
    flow = env.settings.flow.model_copy(update={"send_s_max": 15.0})  # the first letter waits for the last
    patient = replace(env, settings=env.settings.model_copy(update={"flow": flow}))
    env, people = await with_letters(patient, Gathering())
    letters = [await submitted(env, client, None, f"Brev {number}") for number in range(LETTERS)]
    for message_id in letters:
        await release(env, message_id, "kari", "ola")
    counting = Counting(people.env)
    env.roads.registers.contacts = ("registre", counting)
    await _until_due(env, Effect.CHECK_GUARDS)
    counting.most = 0
    async with asyncio.timeout(20), asyncio.TaskGroup() as calls:  # the barrier opens only if all are sent at once
        for item in await _claimed(env):
            calls.create_task(perform(env, item))
    assert [await state_of(env, message_id) for message_id in letters] == [State.DELIVERED] * LETTERS
    assert counting.most == 1


async def _until_due(env, effect):
    """Work everything off up to the calls themselves."""
    for item in await _claimed(env):
        assert item.effect is effect
        await perform(env, item)


async def _claimed(env):
    lanes = [lane.value for lane in Lane]
    return await env.store.write(
        lambda conn: outbox.claim(conn, owner="turns", lanes=lanes, limit=10, lease_s=60, suspects=False),
        Point.CLAIM_WORK,
    )
