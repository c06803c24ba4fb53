"""The demonstration holds, and it would fail if the promise did: it is judged by the others' files, never by ours."""

import pytest

from gateway.demo import demonstrate
from gateway.simulators.case_system import CaseSystemFault

HELD = "every report came once, whole, and its sender knows"
BROKEN = "THE PROMISE DID NOT HOLD"


@pytest.mark.timeout(400)
@pytest.mark.proves("promise-1")
@pytest.mark.proves("promise-2")
async def test_every_report_comes_once_although_the_gateway_is_killed(capsys):
    assert await demonstrate() is True
    shown = capsys.readouterr().out
    assert HELD in shown
    assert "SIGKILL" in shown
    assert "received 6, stored 6, offered 6, confirmed 6, receipted 6, difference 0" in shown
    assert "says: ok\n" in shown
    assert shown.count("AKSEPTERT > SENDT_FAGSYSTEM > LEVERT") == shown.count(" 1 time\n") == 6


@pytest.mark.timeout(400)
@pytest.mark.proves("promise-2")
@pytest.mark.parametrize("fault", [CaseSystemFault.LIES, CaseSystemFault.FORGETS, CaseSystemFault.STORES_HALF], ids=str)
async def test_the_verdict_fails_when_the_case_system_does_not_keep_its_side(capsys, fault):
    assert await demonstrate(fault=fault, patience_s=4.0) is False
    shown = capsys.readouterr().out
    assert BROKEN in shown
    assert HELD not in shown
    assert "LEVERT" not in shown, "no sender was told of a delivery that nobody proved"
