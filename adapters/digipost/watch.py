"""Whether Digipost still is whom we believe (requirement S59): a certificate that is not believed holds all letters, and rings."""

from collections.abc import AsyncGenerator
from typing import Final

from adapters.digipost.api import DigipostApi
from gateway.spi import Context, Figures, Observation, Trouble

_EVERY_S: Final = 60.0
_SUBJECT: Final = "digipost"


class DigipostWatch:
    """Tells of the certificate (``spi.Watch``). Nothing is called for it: the events are asked for all the time."""

    def __init__(self, context: Context, api: DigipostApi) -> None:
        self._context = context
        self._api = api

    async def observations(self) -> AsyncGenerator[Observation | Figures, None]:
        """See ``spi.Watch``."""
        while True:
            yield Observation(Trouble.KEY_DIFFERS, _SUBJECT, well=not self._api.distrusted)
            await self._context.clock.sleep(_EVERY_S)
