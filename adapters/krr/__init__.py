"""The contact and reservation register (KRR): whether a person takes letters digitally (digipost.md 10.2)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from adapters.krr.register import Krr
from adapters.krr.settings import KrrSettings
from gateway.spi import Adapter, AdapterSpec, Context


@asynccontextmanager
async def _open(settings: KrrSettings, context: Context) -> AsyncIterator[Adapter]:
    yield Adapter(contacts=Krr(settings, context))


ADAPTER = AdapterSpec(name="krr", settings=KrrSettings, open=_open)
