"""What became of reports that KS took: it is asked, since it tells nobody (fiks.md 10, step 7).

``LEVERT`` is the receipt: confirmed by the other service's case system, or given to the post. ``AVVIST_PRINT`` is for a
person: neither could be done, and KS handles it by hand; such a report is asked about further all the same.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Final

from adapters.fiks.api import Json
from adapters.fiks.produsent_client_settings import KsProdusentSettings
from gateway.errors import GatewayError
from gateway.spi import Address, Awaited, Context, Delivery, PartnerUnavailableError, Receipt, Refused

NAME: Final = "ks-produsent"

_LEVERT: Final = "LEVERT"
_SENDT_PRINT: Final = "SENDT_PRINT"
_AVVIST_PRINT: Final = "AVVIST_PRINT"

History = Callable[[Address, str], Awaitable[Sequence[Json]]]
"""The history of a report by its sender and uuid; raises what ``FiksApi.rows`` does."""


class ReportStatus:
    """Asks about every report whose end is not known, seldom (``spi.Inbound``)."""

    def __init__(self, settings: KsProdusentSettings, context: Context, history: History) -> None:
        self._settings = settings
        self._context = context
        self._history = history

    async def deliveries(self) -> AsyncGenerator[Delivery | Receipt, None]:
        """Receipts. After a start every report is asked about whose first time has passed."""
        asked: dict[str, float] = {}
        while True:
            awaited = await self._context.awaiting()
            asked = {one.partner_reference: asked.get(one.partner_reference, 0.0) for one in awaited}
            newest = {one.key: one.partner_reference for one in reversed(awaited)}
            for one in awaited:
                due = self._last_due_s(one)
                if due <= asked[one.partner_reference]:
                    continue
                try:
                    receipt = await self._receipt(one)
                except PartnerUnavailableError as error:
                    self._context.log.warning("produsent.not_asked", code=error.code)
                    break
                asked[one.partner_reference] = due
                if receipt is not None and (receipt.refused is None or newest[one.key] == one.partner_reference):
                    yield receipt  # what was sent again may have been refused the first time
            await self._context.clock.sleep(self._settings.look_every_s)

    def _last_due_s(self, one: Awaited) -> float:
        """The last moment at which it was due to be asked about, in seconds after it was taken; 0 for none yet."""
        age_s = (self._context.clock.now() - one.taken_at).total_seconds()
        first, every = self._settings.ask_after_s, self._settings.ask_every_s
        begins = max(first, default=0.0)
        if age_s < begins:
            return max((at for at in first if at <= age_s), default=0.0)
        return begins + (age_s - begins) // every * every

    async def _receipt(self, one: Awaited) -> Receipt | None:
        """Its receipt, if there is one. Raises PartnerUnavailableError."""
        reference = one.partner_reference
        try:
            rows = await self._history(one.office, reference)
        except PartnerUnavailableError:
            raise
        except GatewayError as error:  # a no to one question is no word on the others
            self._context.log.warning("produsent.no_history", code=error.code)
            return None
        told = [row.get("tilstand") for row in rows if str(row.get("bekymringsmeldingId")).lower() == reference]
        if _LEVERT in told:
            self._context.log.info("produsent.delivered", code="print" if _SENDT_PRINT in told else "fagsystem")
            return Receipt(NAME, one.recipient, reference)
        if _AVVIST_PRINT in told:
            return Receipt(NAME, one.recipient, reference, refused=Refused("avvist-print"))
        return None
