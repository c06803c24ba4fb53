"""loopback: the smallest whole adapter, a road back to oneself. Copy it with ``budstikke new-adapter``."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from adapters.loopback.road import NAME, LoopbackRoad
from adapters.loopback.settings import LoopbackSettings
from gateway.spi import Adapter, AdapterSpec, Context


@asynccontextmanager
async def _open(settings: LoopbackSettings, _context: Context) -> AsyncIterator[Adapter]:
    road = LoopbackRoad(settings)
    yield Adapter(inbound=road, outbound=road)


ADAPTER = AdapterSpec(name=NAME, settings=LoopbackSettings, open=_open)
