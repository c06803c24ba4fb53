"""Letters to people's digital mailboxes at Digipost (digipost.md).

No entry point is registered yet: a parcel cannot carry a letter, so the gateway has nothing to send over this road.
``open_road`` is what an ``AdapterSpec`` will call.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from adapters.digipost.api import DigipostApi
from adapters.digipost.events import DigipostEvents
from adapters.digipost.send import DigipostSender
from adapters.digipost.settings import DigipostSettings
from adapters.digipost.watch import DigipostWatch
from gateway.spi import Context


@dataclass(frozen=True, slots=True)
class DigipostRoad:
    """The road: it sends letters, brings what became of them, and looks after itself."""

    sender: DigipostSender
    inbound: DigipostEvents
    watch: DigipostWatch


@asynccontextmanager
async def open_road(settings: DigipostSettings, context: Context) -> AsyncIterator[DigipostRoad]:
    """Open it. Raises ConfigError."""
    api = DigipostApi(settings, context)
    yield DigipostRoad(
        DigipostSender(settings, context, api), DigipostEvents(settings, context, api), DigipostWatch(context, api)
    )
