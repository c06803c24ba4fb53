"""The demonstration holds, and it would fail if the promise did: it is judged by the others' files, never by ours."""

import asyncio
import re
import ssl
from pathlib import Path

import aiohttp
import pytest

from gateway.demo import demonstrate
from gateway.simulators.case_system import CaseSystemFault

HELD = "every report came once, whole, and its sender knows"
BROKEN = "THE PROMISE DID NOT HOLD"


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
    assert shown.count("AKSEPTERT > SENDT_FAGSYSTEM > LEVERT") == shown.count(" 1 time\n") == 6


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
