"""The demonstration holds, and it would fail if the promise did: it is judged by the others' files, never by ours."""

import asyncio
import re
import ssl
from functools import partial
from pathlib import Path

import aiohttp
import pytest

from gateway.demo import demonstrate
from gateway.demo.letters import show_letters
from gateway.demo.letters_cast import LetterFault, letters_assembled
from gateway.simulators.case_system import CaseSystemFault
from tests.acceptance.harness import ForkedGateway
from tests.postgres import settings_for

HELD = "every report came once, whole, and its sender knows"
BROKEN = "THE PROMISE DID NOT HOLD"
LETTERS_HELD = "the plan waited for two people, the protected address stayed here, and no letter went twice"


@pytest.mark.timeout(400)
@pytest.mark.proves("promise-1")
@pytest.mark.proves("promise-2")
async def test_every_report_comes_once_although_the_gateway_is_killed_and_everything_stays_up_if_asked_to(capsys):
    shown, demonstration = "", asyncio.create_task(demonstrate(stay=True))
    while "press Ctrl-C" not in shown and not demonstration.done():
        await asyncio.sleep(0.1)
        shown += capsys.readouterr().out
    assert await is_ready(shown)
    demonstration.cancel()  # what Ctrl-C does
    outcome = await demonstration
    assert outcome.holds
    assert [row.id for row in outcome.rows if row.told[-1] == "LEVERT"] == [
        row.id for row in outcome.rows if row.stored == 1
    ]
    assert len(outcome.rows) == 6
    assert not await is_ready(shown)
    assert HELD in shown
    assert "SIGKILL" in shown
    assert "received 6, stored 6, offered 6, confirmed 6, receipted 6, difference 0" in shown
    assert "says: ok\n" in shown
    assert shown.count("AKSEPTERT > SENDT_FAGSYSTEM > LEVERT") == 6
    assert [(one.state, one.there) for one in outcome.letters] == [("DELIVERED", 1), ("HELD", 0), ("DELIVERED", 1)]
    assert outcome.letters[0].ticks == ("transport", "application", "opened")
    assert "R05: En av personene i saken har strengt fortrolig adresse" in shown
    assert LETTERS_HELD in shown


async def is_ready(shown):
    """Whether the gateway that was shown answers that it is."""
    url, ca = re.search(r"operations on (\S+)", shown)[1], re.search(r"root certificate (\S+);", shown)[1]
    if not Path(ca).exists():
        return False
    trust = ssl.create_default_context(cafile=ca)
    async with aiohttp.ClientSession() as session, session.get(f"{url}/health/ready", ssl=trust) as answer:
        return answer.status == 200


@pytest.mark.timeout(400)
@pytest.mark.proves("promise-2")
@pytest.mark.parametrize("fault", [CaseSystemFault.LIES, CaseSystemFault.FORGETS, CaseSystemFault.STORES_HALF], ids=str)
async def test_the_verdict_fails_when_the_case_system_does_not_keep_its_side(capsys, fault):
    assert not (await demonstrate(fault=fault, patience_s=4.0)).holds
    shown = capsys.readouterr().out
    assert BROKEN in shown
    assert HELD not in shown
    assert "LEVERT" not in shown, "no sender was told of a delivery that nobody proved"
    assert LETTERS_HELD not in shown


@pytest.mark.timeout(120)
async def test_the_letters_fail_when_folkeregisteret_forgets_who_is_protected(capsys, forks, tmp_path):
    fault, process = LetterFault.REGISTER_FORGETS, partial(ForkedGateway, forks=forks)
    store = settings_for("sqlite", tmp_path / "store")
    async with letters_assembled(tmp_path / "cast", fault, environment=store, process=process) as here:
        here.cast.gateway.launch()
        await here.cast.gateway.ready()
        verdict = await show_letters(here, print, 10.0)
    assert verdict.breaches == ("the letter to a protected address is not held, with its reason",)
    shown = capsys.readouterr().out
    assert "THE LETTERS BROKE THEIR PROMISES" in shown
    assert LETTERS_HELD not in shown
