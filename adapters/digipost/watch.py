"""Whether Digipost still is whom we believe (requirement S59): a certificate that is not believed holds all letters, and rings.

What the accounts may is asked here too, once an hour: a letter that they would not take is then refused before it leaves.
"""

from collections.abc import AsyncGenerator
from typing import Final

from adapters.digipost.api import DigipostApi
from adapters.digipost.features import Accounts
from gateway.spi import Context, Figures, Observation, Trouble

_EVERY_S: Final = 60.0
_ACCOUNTS_S: Final = 3600.0
_SUBJECT: Final = "digipost"


class DigipostWatch:
    """Tells of the certificate (``spi.Watch``). Nothing is called for it: the events are asked for all the time."""

    def __init__(self, context: Context, api: DigipostApi, accounts: Accounts) -> None:
        self._context = context
        self._api = api
        self._accounts = accounts

    async def observations(self) -> AsyncGenerator[Observation | Figures, None]:
        """See ``spi.Watch``."""
        asked_at: float | None = None
        while True:
            now = self._context.clock.monotonic()
            if asked_at is None or now - asked_at >= _ACCOUNTS_S:
                await self._accounts.refresh()
                asked_at = now
            yield Observation(Trouble.KEY_DIFFERS, _SUBJECT, well=not self._api.distrusted)
            await self._context.clock.sleep(_EVERY_S)
