"""A letter from the case system to its reader over SvarUt, through the real engine and every rule."""

import asyncio
import json

import pytest

from gateway.domain.lifecycle import State
from gateway.errors import ConfigError
from gateway.pipeline.fetch import run_inbound
from gateway.pipeline.partner_words import read_words
from gateway.simulators.svarut.faults import SvarUtFault
from gateway.store import alarms
from gateway.store.alarms import AlarmCode
from tests.digipost_kit import KARI
from tests.integration.digipost.office import brev
from tests.integration.outbound.kit import cause_of
from tests.work import state_of


async def hears(here, condition):
    """Let the road bring what happened until something is so."""
    stop = asyncio.Event()
    listening = asyncio.create_task(run_inbound(here.env, "svarut", here.adapter.inbound, stop))
    async with asyncio.timeout(10):
        await here.rounds.rest()
        while not await condition():
            await here.rounds.next()
    stop.set()
    await listening


def letter_of(here):
    (one,) = here.letters
    return one


async def test_a_letter_is_delivered_by_the_mailboxs_word_and_asked_about_until_it_is_opened(bergen):
    message_id = await bergen.sent()
    assert await state_of(bergen.env, message_id) is State.SENT
    one = letter_of(bergen)
    assert (one.told["mottaker"]["digitalId"], one.told["tittel"]) == (KARI, "Brev fra kommunen")
    assert [each.content for each in one.documents] == [brev()]
    assert await bergen.context.unopened() == []

    async def delivered():
        return await state_of(bergen.env, message_id) is State.DELIVERED

    bergen.server.post.happen(one.id, "LEVERT_SDP")
    await hears(bergen, delivered)
    assert await bergen.context.awaiting() == []
    assert [waits.partner_reference for waits in await bergen.context.unopened()] == [one.id]

    async def opened():
        return await bergen.context.unopened() == []

    bergen.server.post.happen(one.id, "LEST")
    await hears(bergen, opened)
    words = await read_words(bergen.env, message_id, "sb-ingrid")
    history = [json.loads(piece)["hendelser"][-1]["hendelse"] for piece in words.values()]
    assert history == ["LEVERT_SDP", "LEST"]


async def test_a_letter_that_is_printed_against_our_word_is_held_for_a_person_and_rings(bergen):
    bergen.server.faults.arm(SvarUtFault.PRINTS)
    message_id = await bergen.sent()

    async def held():
        return await state_of(bergen.env, message_id) is State.HELD

    await hears(bergen, held)
    assert letter_of(bergen).printed
    assert await cause_of(bergen.env, message_id) == "partner-refused"
    rung = await bergen.env.store.read(lambda conn: alarms.open_subjects(conn, AlarmCode.OUTBOUND_HELD))
    assert message_id in rung


async def test_a_certificate_that_is_not_there_is_told_when_the_road_is_opened(bergen, tmp_path):
    with pytest.raises(ConfigError):
        bergen.context.envelopes(tmp_path / "borte.pem")
