"""SIGKILL at every commit and every outside call of a concern report's way. Nothing is lost, doubled or told twice."""

import asyncio
from pathlib import Path

import pytest

from gateway.crashpoints import Point, Side
from gateway.demo.cast import assembled
from gateway.simulators.ledger import judge
from tests.acceptance.harness import ForkedGateway, differences, forge, marked, send, told
from tests.postgres import settings_for

BOTH = (Side.BEFORE, Side.AFTER)
SECTIONS = "[engine]\nlease_s = 2\nbackoff_first_s = 0.2\nbackoff_max_s = 1\npoll_busy_s = 0.2\nsweep_s = 0.2\n"

# (point, side, which passage): what a report meets on its way, in the order it meets it.
ON_THE_WAY = [
    (Point.SPOOL_WRITTEN, Side.AFTER, 1),
    *[
        (point, side, 1)
        for point in (
            Point.ACCEPT,
            Point.CLAIM_WORK,
            Point.BEGIN_ATTEMPT,
            Point.OPENED,
            Point.RUNG,
            Point.OFFER,
            Point.SHOW,
            Point.CONFIRM,
            Point.RECEIPT,
            Point.NUMBER,
        )
        for side in BOTH
    ],
    *[(Point.SHOW, side, 2) for side in BOTH],
    *[(Point.SWEEP, side, passage) for side in BOTH for passage in (1, 4)],
]


@pytest.mark.timeout(400)
@pytest.mark.proves("promise-1")
@pytest.mark.proves("promise-2")
@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
async def test_a_kill_at_every_point_of_the_way_loses_doubles_and_misreports_nothing(tmp_path: Path, store: str):
    environment = settings_for(store, tmp_path / "store")
    async with forge() as forks, assembled(tmp_path, sections=SECTIONS, environment=environment) as cast:
        gateway = ForkedGateway(cast.gateway, tmp_path / "gateway.log", forks)
        sink = asyncio.create_task(cast.case_system.run_until(lambda: False))
        sending = []
        for number, (point, side, passage) in enumerate(ON_THE_WAY):
            mark = tmp_path / f"mark-{number}"
            await gateway.launch((str(mark), point, side, str(passage)), ready=False)
            sending.append(asyncio.create_task(send(cast, number)))
            assert await marked(mark), f"{point} {side} was never reached"
            await gateway.kill()
        await gateway.launch()
        answers = await asyncio.wait_for(asyncio.gather(*sending), 60)
        await told(cast, answers, 60)
        await gateway.stop()
        sink.cancel()
        await asyncio.gather(sink, return_exceptions=True)
        assert await differences(cast) == []
        verdict = judge(cast.sender_ledger, cast.sink_ledger)
        assert len(verdict.accepted) == len(ON_THE_WAY)
        assert verdict.holds, verdict
