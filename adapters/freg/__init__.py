"""Folkeregisteret: a person's standing, name and address protection (barnevern.md 9, rules R05 to R08 and R23)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from adapters.freg.register import Freg
from adapters.freg.settings import FregSettings
from gateway.spi import Adapter, AdapterSpec, Context


@asynccontextmanager
async def _open(settings: FregSettings, context: Context) -> AsyncIterator[Adapter]:
    yield Adapter(population=Freg(settings, context))


ADAPTER = AdapterSpec(name="freg", settings=FregSettings, open=_open)
