"""Letters that were taken to be shown later: no event tells when their time has come, so each is asked about once an hour."""

import math
from collections.abc import AsyncIterator
from typing import Final

from adapters.digipost.api import NO_ANSWER, DigipostApi
from adapters.digipost.settings import DigipostSettings
from adapters.digipost.wire import read_status
from gateway.errors import GatewayError
from gateway.spi import Awaited, Context, Receipt, Stage

_EVERY_S: Final = 3600.0
_AT_ONCE: Final = 20  # questions of one round, so that events do not wait for them


class Arrivals:
    """Asks about what the gateway awaits (``Context.awaiting``)."""

    def __init__(self, settings: DigipostSettings, context: Context, api: DigipostApi) -> None:
        self._settings = settings
        self._context = context
        self._api = api
        self._next: dict[str, float] = {}

    async def receipts(self) -> AsyncIterator[Receipt]:
        """Of letters that are in their mailbox now. A trouble is tried again an hour later."""
        awaited = {one.partner_reference: one for one in await self._context.awaiting()}
        self._next = {name: at for name, at in self._next.items() if name in awaited}
        now = self._context.clock.monotonic()
        due = [one for name, one in awaited.items() if self._next.get(name, 0.0) <= now]
        for one in due[:_AT_ONCE]:
            self._next[one.partner_reference] = now + _EVERY_S
            try:
                receipt = await self._asked(one)
            except (GatewayError, *NO_ANSWER) as error:
                self._context.log.warning("digipost.no_status", error=type(error).__name__)
                continue
            if receipt is not None:
                yield receipt

    async def _asked(self, one: Awaited) -> Receipt | None:
        """Raises what calls do."""
        sender, reference = self._settings.sender(one.office), one.partner_reference
        if sender is None:
            return None
        reply = await self._api.get_path(f"/documents/{sender.sender_id}/{reference}/status")
        if not reply.good:
            return None
        found = read_status(reply.body)
        if found.channel == "PRINT":
            self._next[reference] = math.inf  # its end is an event: the postmark
        if (found.channel, found.status) != ("DIGIPOST", "DELIVERED"):
            return None
        evidence = (reply.evidence,)
        return Receipt("digipost", None, reference, stage=Stage.DELIVERED, at=found.delivered, evidence=evidence)
