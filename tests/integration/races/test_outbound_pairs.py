"""A message on its way out meets two writers: what was taken back has not left, and what has left is not taken back."""

from itertools import product

import pytest
from sqlalchemy import select

from gateway.crashpoints import Point
from gateway.domain.lifecycle import State
from gateway.domain.message_type import Lane
from gateway.errors import ConflictError
from gateway.pipeline import people
from gateway.pipeline.people import Decision
from gateway.pipeline.receipts_in import take_receipt
from gateway.pipeline.withdraw import withdraw
from gateway.pipeline.worker import perform
from gateway.spi import Receipt
from gateway.store import consistency, outbox
from gateway.store.tables import parcel
from tests.integration.outbound.kit import Scripted, hand_in, with_roads
from tests.integration.races.conftest import overlap
from tests.work import state_of


class Cleared:
    """A message that is about to be sent, with its claimed effect and its partner."""

    def __init__(self, client, partner):
        self.client, self.partner = client, partner

    async def prepare(self, env):
        self.id = await hand_in(env, self.client)
        [item] = await self._claim(env)
        await perform(env, item)
        [self.item] = await self._claim(env)
        row = (await env.store.read(lambda conn: conn.execute(select(parcel)).all()))[0]
        self.receipt = Receipt("partner", row.recipient, "ref-1", key=row.key)

    async def _claim(self, env):
        def work(conn):
            return outbox.claim(
                conn, owner="me", lanes=[lane.value for lane in Lane], limit=1, lease_s=60, suspects=False
            )

        return await env.store.write(work, Point.CLAIM_WORK)

    async def withdraw(self, env):
        return await withdraw(env, self.client, self.id, "feil mottaker")

    async def send(self, env):
        return await perform(env, self.item)

    async def hold(self, env):
        return await people.decide(env, self.id, Decision("hold", "kari", "må ses på"))

    async def take_receipt(self, env):
        return await take_receipt(env, self.receipt)


@pytest.fixture
async def cleared(pair, race_site, client):
    partner = Scripted()
    roads = [await with_roads(one, race_site.tenant, partner=partner) for one in pair]
    made = Cleared(client, partner)
    await made.prepare(roads[0])
    return made, roads


VERBS = ["withdraw", "send", "hold", "take_receipt"]
PAIRS = [pair for pair in product(VERBS, VERBS) if pair != ("send", "send")]  # one lease has one holder


@pytest.mark.parametrize(("first", "second"), PAIRS)
async def test_two_at_once_leave_one_outcome_and_one_story(cleared, first, second):
    message, pair = cleared
    outcome = await overlap(tuple(pair), getattr(message, first), getattr(message, second))
    for result in (outcome.first, outcome.second):
        assert not isinstance(result, BaseException) or isinstance(result, ConflictError), repr(result)
    assert outcome.waited, "the two did not overlap"
    state = await state_of(pair[0], message.id)
    assert await pair[0].store.read(consistency.faults) == []
    if state == State.WITHDRAWN:
        assert message.partner.sent == [], "it was taken back and has left"
    if "withdraw" in {first, second} and state != State.WITHDRAWN:
        answers = {first: outcome.first, second: outcome.second}
        assert isinstance(answers["withdraw"], ConflictError), "it was said to be taken back and was not"
    if {first, second} == {"send", "take_receipt"}:
        assert state == State.DELIVERED
    assert len(message.partner.sent) <= 1
