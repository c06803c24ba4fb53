"""Letters to people's digital mailboxes at Digipost, and on paper when a person has released that (digipost.md)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from adapters.digipost.api import DigipostApi
from adapters.digipost.events import NAME, DigipostEvents
from adapters.digipost.features import Accounts
from adapters.digipost.message import EMAIL_SUBJECT, EMAIL_TEXT
from adapters.digipost.send import DigipostSender
from adapters.digipost.settings import DigipostSettings
from adapters.digipost.watch import DigipostWatch
from gateway.spi import Adapter, AdapterSpec, Context, Seal


@asynccontextmanager
async def open_road(settings: DigipostSettings, context: Context) -> AsyncIterator[Adapter]:
    """Open it. Raises ConfigError."""
    api = DigipostApi(settings, context)
    accounts = Accounts(settings, context, api)
    sender = DigipostSender(settings, context, api, accounts)
    yield Adapter(
        inbound=DigipostEvents(settings, context, api),
        outbound=sender,
        seal=Seal.LETTER,
        watch=DigipostWatch(context, api, accounts),
        receives_for=tuple(sender.address for sender in settings.senders),
        notices=(EMAIL_SUBJECT, EMAIL_TEXT),
        person_keys=sender,
    )


ADAPTER = AdapterSpec(name=NAME, settings=DigipostSettings, open=open_road)
