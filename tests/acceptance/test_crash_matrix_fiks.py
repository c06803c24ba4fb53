"""SIGKILL at every commit and outside call of a report's way over Fiks IO, with a real RabbitMQ as its source.

No message is killed more than twice before it is acknowledged: the platform gives up at the third attempt, which is a test
of its own (``test_fiks_faults.py``).
"""

import asyncio
from functools import partial

import pytest

from gateway.crashpoints import Point, Side
from gateway.demo.fiks_cast import FiksCast, fiks_assembled
from gateway.simulators.fiks.faults import FiksFault
from tests.acceptance.harness import BOTH, QUICK, ForkedGateway, differences
from tests.broker import require_rabbitmq
from tests.postgres import settings_for

# Where, in the order in which a report meets it.
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
        given_back = 0
        try:
            for point, side in ON_THE_WAY:
                if point is Point.FETCHED:  # too large to come along, and not to be had at once
                    here.platform.dispatch.inline_bytes_max = 1000
                    here.platform.faults.arm(FiksFault.NO_DOWNLOAD, times=3)
                await here.report()
                await here.cast.gateway.die_at(point, side)
                here.platform.dispatch.inline_bytes_max = 5_000_000
                given_back = given_back + 1 if await waits(here) else 0
                if given_back == 2:  # an older one may have reached the point before it was acknowledged: a life for it
                    here.cast.gateway.launch()
                    await here.all_told(60)
                    await here.cast.gateway.kill()
                    given_back = 0
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


async def waits(here: FiksCast) -> bool:
    """Whether anything is on the queue, once the broker has seen that its reader is gone."""
    async with asyncio.timeout(20):
        while (found := await here.platform.mail.counts(here.office.konto_id)).consumers:
            await asyncio.sleep(0.02)
    return found.waiting > 0
