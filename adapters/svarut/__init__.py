"""Letters to people through KS SvarUt, digitally alone: nothing that is sent here may be printed (digipost.md 10.4)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from adapters.svarut.api import SvarUtApi
from adapters.svarut.receipts import SvarUtReceipts
from adapters.svarut.send import SvarUtSender
from adapters.svarut.settings import NAME, SvarUtSettings
from adapters.svarut.watch import Health, SvarUtWatch
from gateway.spi import Adapter, AdapterSpec, Context, Seal


@asynccontextmanager
async def open_road(settings: SvarUtSettings, context: Context) -> AsyncIterator[Adapter]:
    """Open it. Raises ConfigError."""
    api, envelopes, health = SvarUtApi(settings, context), context.envelopes(settings.certificate), Health()
    yield Adapter(
        inbound=SvarUtReceipts(settings, context, api, health),
        outbound=SvarUtSender(settings, context, api, envelopes),
        seal=Seal.LETTER,
        watch=SvarUtWatch(context, envelopes, health),
        receives_for=tuple(konto.address for konto in settings.kontoer),
    )


ADAPTER = AdapterSpec(name=NAME, settings=SvarUtSettings, open=open_road)
