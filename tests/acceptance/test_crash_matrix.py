"""SIGKILL at every commit and every outside call of a concern report's way. Nothing is lost, doubled or told twice."""

import asyncio
from pathlib import Path

import pytest

from gateway.crashpoints import Point, Side
from gateway.simulators.ledger import judge
from tests.acceptance.harness import BOTH, Forge, differences, send, stage, told

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
KILLS = [(point, side) for point, side, _ in ON_THE_WAY]


@pytest.mark.proves("promise-10")
@pytest.mark.timeout(400)
@pytest.mark.proves("promise-1")
@pytest.mark.proves("promise-2")
@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
async def test_a_kill_at_every_point_of_the_way_loses_doubles_and_misreports_nothing(
    tmp_path: Path, forks: Forge, store: str
):
    async with stage(forks, store, tmp_path) as cast:
        sink = asyncio.create_task(cast.case_system.run_until(lambda: False))
        sending = []
        for number, (point, side, passage) in enumerate(ON_THE_WAY):
            sending.append(asyncio.create_task(send(cast, number)))
            await cast.gateway.die_at(point, side, passage)
        cast.gateway.launch()
        answers = await asyncio.wait_for(asyncio.gather(*sending), 60)
        await told(cast, (answer and answer.uuid for answer in answers), 60)
        await cast.gateway.stop()
        sink.cancel()
        await asyncio.gather(sink, return_exceptions=True)
        assert await differences(cast) == []
        verdict = judge(cast.sender_ledger, cast.sink_ledger)
        assert len(verdict.accepted) == len(ON_THE_WAY)
        assert verdict.holds, verdict
