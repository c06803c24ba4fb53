"""Fetching from a road: what cannot be stored costs its neighbours nothing, and nothing is fetched that cannot be kept."""

import asyncio
from dataclasses import replace

from sqlalchemy import select

from gateway.errors import StoreError
from gateway.pipeline.fetch import run_inbound
from gateway.spi import Address
from gateway.store.tables import queue_item
from tests.integration.pipeline.test_fetched_roads import as_fiks


class Source:
    """An inbound road that brings what it has, as often as it is opened, until it was acknowledged."""

    def __init__(self, deliveries):
        self.waiting = deliveries
        self.opened = self.closed = 0
        self.given_back = []

    async def deliveries(self):
        self.opened += 1
        try:
            for delivery in list(self.waiting):
                if not delivery.acknowledged:
                    yield delivery
            await asyncio.Event().wait()
        finally:
            self.closed += 1


async def until(condition):
    while not condition():
        await asyncio.sleep(0.01)


async def fetching(env, source, condition):
    stop = asyncio.Event()
    running = asyncio.create_task(run_inbound(env, "fiks", source, stop))
    try:
        async with asyncio.timeout(20):
            await until(condition)
    finally:
        stop.set()
        await running


async def test_one_that_cannot_be_stored_costs_its_neighbours_nothing(env, sender):
    odd = replace(as_fiks(sender.delivery(1), "melding-1"), address=Address("9999", "99"))
    good = [as_fiks(sender.delivery(number), f"melding-{number}") for number in (2, 3)]
    source = Source([odd, *good])
    await fetching(env, source, lambda: all(one.acknowledged for one in good))
    assert (odd.acknowledged, source.opened, source.closed) == (0, 1, 1)


async def test_while_the_store_is_away_the_road_is_closed_and_afterwards_everything_comes(env, sender):
    class Ailing:
        """The store, failing the first so many writes."""

        def __init__(self, store, failures):
            self._store, self.failures = store, failures

        async def write(self, work, point, lane=None):
            if self.failures:
                self.failures -= 1
                raise StoreError("away")
            return await self._store.write(work, point)

        def for_tenants(self, tenants):
            return self

        def __getattr__(self, name):
            return getattr(self._store, name)

    class Hasty:
        """The clock, whose waits are short."""

        def __init__(self, clock):
            self._clock = clock

        async def sleep(self, seconds):
            await asyncio.sleep(0.001)

        def __getattr__(self, name):
            return getattr(self._clock, name)

    ailing = replace(env, store=Ailing(env.store, 4), clock=Hasty(env.clock))
    reports = [as_fiks(sender.delivery(number), f"melding-{number}") for number in (1, 2, 3)]
    source = Source(reports)
    await fetching(ailing, source, lambda: all(one.acknowledged for one in reports))
    assert source.opened == 2
    count = await env.store.read(lambda conn: len(conn.execute(select(queue_item)).all()))
    assert count == len(reports)
