"""Roads of KS Fiks. Open today: the producer API that senders of concern reports call (``produsent``)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from adapters.fiks.produsent import ProdusentFacade
from adapters.fiks.settings import FiksSettings
from gateway.spi import Adapter, AdapterSpec, Context


@asynccontextmanager
async def _open(settings: FiksSettings, context: Context) -> AsyncIterator[Adapter]:
    yield Adapter(facade=ProdusentFacade(settings, context))


ADAPTER = AdapterSpec(name="fiks", settings=FiksSettings, open=_open)
