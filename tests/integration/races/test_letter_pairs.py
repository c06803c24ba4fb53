"""The carrier and the case system tell of one report's clocks at the same time: neither's word is lost."""

from itertools import permutations

import pytest

from gateway.pipeline import case_events
from gateway.pipeline.accept import Intake
from gateway.pipeline.case_events import CaseEvent
from gateway.pipeline.traffic import prepare
from gateway.spi import Receipt
from gateway.store.messages import micros
from tests.integration.outbound.kit import RECIPIENT, parcels_of
from tests.integration.outbound.letter_kit import World
from tests.integration.races.conftest import overlap


@pytest.mark.parametrize("order", list(permutations(("delivered", "ended"))))
async def test_feedback_is_delivered_while_its_investigation_ends_and_both_are_counted(pair, race_site, client, order):
    for env in pair:
        await prepare(env, "partner")
    world, other = (World(env, race_site, client) for env in pair)
    report = await world.report()
    feedback = await world.letter("svar", "MOTTATT", oppfolgingAvMeldingId=report, meldingsforbindelse="Svar")
    (parcel,) = await parcels_of(world.env, feedback)
    told = CaseEvent("undersokelse_avsluttet", micros(world.now))

    verbs = {
        "delivered": lambda env: Intake(env).receipt(Receipt("partner", RECIPIENT, "ref-1", parcel.key)),
        "ended": lambda env: case_events.event(env, client, report, told),
    }
    outcome = await overlap((world.env, other.env), *(verbs[name] for name in order))

    for result in (outcome.first, outcome.second):
        assert not isinstance(result, BaseException), repr(result)
    assert outcome.waited, "the two did not overlap"
    clocks = await world.clocks(report)
    assert (clocks["F03"].status, clocks["F05"].status) == ("NADD", "AAPEN")
    assert clocks["F05"].due is not None
