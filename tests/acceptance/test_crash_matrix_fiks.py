"""SIGKILL at every commit and outside call of a report's way over Fiks IO, with a real RabbitMQ as its source.

No message is killed more than twice before it is stored: the platform gives up at the third attempt, which is a test of
its own.
"""

import asyncio
from functools import partial

import pytest

from gateway.crashpoints import Point, Side
from gateway.demo.fiks_cast import fiks_assembled
from gateway.simulators.fiks.faults import FiksFault
from tests.acceptance.harness import BOTH, QUICK, ForkedGateway, differences
from tests.broker import require_rabbitmq
from tests.postgres import settings_for

# (point, side). Between two kills that come before an acknowledgement stands one that comes after, so that no message is
# left unacknowledged three times.
ON_THE_WAY = [
    (Point.SPOOL_WRITTEN, Side.AFTER),
    (Point.OPENED, Side.BEFORE),
    (Point.ACCEPT, Side.BEFORE),
    (Point.OPENED, Side.AFTER),
    (Point.ACCEPT, Side.AFTER),
    *[(point, side) for point in (Point.FETCHED, Point.CONFIRM, Point.SEND, Point.RECEIPT) for side in BOTH],
]
KILLS = ON_THE_WAY


@pytest.mark.timeout(300)
@pytest.mark.proves("promise-1")
@pytest.mark.proves("promise-2")
@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
async def test_a_kill_at_every_point_between_queue_and_receipt_loses_doubles_and_misreports_nothing(
    tmp_path, forks, store
):
    require_rabbitmq()
    made = settings_for(store, tmp_path / "store")
    async with fiks_assembled(
        tmp_path, sections=QUICK, environment=made, process=partial(ForkedGateway, forks=forks)
    ) as here:
        sink = asyncio.create_task(here.cast.case_system.run_until(lambda: False))
        try:
            for point, side in ON_THE_WAY:
                if point is Point.FETCHED:  # too large to come along, and not to be had at once
                    here.platform.dispatch.inline_bytes_max = 1000
                    here.platform.faults.arm(FiksFault.NO_DOWNLOAD, times=3)
                await here.report()
                await here.cast.gateway.die_at(point, side)
                here.platform.dispatch.inline_bytes_max = 5_000_000
            here.cast.gateway.launch()
            await here.all_told(60)
        finally:
            sink.cancel()
            await asyncio.gather(sink, return_exceptions=True)
        await here.cast.gateway.stop()
        assert await differences(here.cast) == []
        verdict = await here.judged()
        assert len(verdict.times) == len(ON_THE_WAY)
        assert verdict.holds, verdict
        assert all(
            told == "no.ks.fiks.bekymringsmelding.mottatt.v1"
            for late in verdict.afterthoughts.values()
            for told in late
        )
        assert not here.platform.dispatch.dead
