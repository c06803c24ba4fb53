"""Roads of KS Fiks: the producer API that senders of concern reports call (``produsent``), and Fiks IO where configured."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from adapters.fiks.api import FiksApi
from adapters.fiks.catalogue import FiksCatalogue
from adapters.fiks.connection import Connector
from adapters.fiks.consumer import FiksInbound
from adapters.fiks.delivery import Reader
from adapters.fiks.dokumentlager import Dokumentlager
from adapters.fiks.health import Health
from adapters.fiks.produsent import ProdusentFacade
from adapters.fiks.send import FiksSender
from adapters.fiks.settings import FiksSettings
from adapters.fiks.watch import FiksWatch
from gateway.spi import Adapter, AdapterSpec, Context, Seal


@asynccontextmanager
async def _open(settings: FiksSettings, context: Context) -> AsyncIterator[Adapter]:
    facade, io = ProdusentFacade(settings, context), settings.io
    if io is None:
        yield Adapter(facade=facade)
        return
    api, health = FiksApi(io, context), Health()
    catalogue, blobs = FiksCatalogue(io, api, context.clock, health), Dokumentlager(io, api)
    reader = Reader(context.types, blobs, context.clock)
    yield Adapter(
        inbound=FiksInbound(io, context, Connector(io, context, health), reader, health),
        facade=facade,
        outbound=FiksSender(io, context, api),
        directory=catalogue,
        seal=Seal.FIKS,
        blobs=blobs,
        watch=FiksWatch(io, context, health, catalogue),
        receives_for=[account.address for account in io.accounts],
    )


ADAPTER = AdapterSpec(name="fiks", settings=FiksSettings, open=_open)
