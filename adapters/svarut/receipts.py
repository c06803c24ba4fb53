"""What became of letters that SvarUt took: it is asked, since it tells nobody.

Letters on their way are asked about often, those that have arrived and were not opened seldom. After a start all are.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from adapters.svarut.api import NO_ANSWER, NO_CREDENTIALS, Reply, SvarUtApi
from adapters.svarut.outcomes import PRINTED, STATUSES
from adapters.svarut.settings import NAME, SvarUtSettings
from adapters.svarut.watch import Health
from adapters.svarut.wire import Told, read_statuses
from gateway.errors import GatewayError
from gateway.spi import Awaited, Context, Delivery, PartnerUnavailableError, Receipt, Refused, Stage

_AT_ONCE: Final = 100  # letters of one question; SvarUt names no bound
_DENIED: Final = frozenset({401, 403, 404})


@dataclass(slots=True)
class _Known:
    """What was told of each letter, by reference, since this began; and when those that arrived are due."""

    last: dict[str, str] = field(default_factory=dict)
    opened_due_s: float = 0.0

    def news(self, told: Told) -> bool:
        """Whether it says something that it did not say before."""
        if self.last.get(told.id) == told.status:
            return False
        self.last[told.id] = told.status
        return True


class SvarUtReceipts:
    """Asks about every letter whose end is not known (``spi.Inbound``)."""

    def __init__(self, settings: SvarUtSettings, context: Context, api: SvarUtApi, health: Health) -> None:
        self._settings = settings
        self._context = context
        self._api = api
        self._health = health

    async def deliveries(self) -> AsyncGenerator[Delivery | Receipt, None]:
        """Receipts."""
        known = _Known()
        while True:
            async for receipt in self._round(known):
                yield receipt
            await self._context.clock.sleep(self._settings.ask_every_s)

    async def _round(self, known: _Known) -> AsyncIterator[Receipt]:
        awaited = list(await self._context.awaiting())
        now = self._context.clock.monotonic()
        if now >= known.opened_due_s:
            awaited += await self._context.unopened()
            known.opened_due_s = now + self._settings.opened_every_s
            own = {one.partner_reference for one in awaited}
            known.last = {reference: status for reference, status in known.last.items() if reference in own}
        by_reference = {one.partner_reference: one for one in awaited}
        for konto_id, references in self._by_konto(by_reference):
            async for told in self._told(konto_id, references):
                if told.id not in by_reference or not known.news(told):
                    continue
                receipt = await self._receipt(by_reference[told.id], told)
                if receipt is not None:
                    yield receipt

    def _by_konto(self, awaited: Mapping[str, Awaited]) -> Iterable[tuple[str, Sequence[str]]]:
        """The references of each account, as many at once as one question holds."""
        found = [
            (konto.konto_id, reference)
            for reference, one in awaited.items()
            if (konto := self._settings.konto(one.office)) is not None
        ]
        for konto_id, some in groupby(sorted(found), key=lambda pair: pair[0]):
            references = [reference for _, reference in some]
            for start in range(0, len(references), _AT_ONCE):
                yield konto_id, references[start : start + _AT_ONCE]

    async def _told(self, konto_id: str, references: Sequence[str]) -> AsyncIterator[Told]:
        """What SvarUt says of them. A trouble is told of by the watch, and tried again in the next round."""
        try:
            reply = await self._api.post(f"/kontoer/{konto_id}/forsendelser/status-sok", {"forsendelseIds": references})
            statuses = read_statuses(reply.json()) if reply.good else ()
        except PartnerUnavailableError:
            self._health.failed(konto_id)
            return
        except (GatewayError, *NO_ANSWER) as error:
            self._context.log.warning("svarut.not_asked", error=type(error).__name__)
            self._health.failed(konto_id, denied=isinstance(error, NO_CREDENTIALS))
            return
        if not reply.good:
            self._health.failed(konto_id, denied=reply.status in _DENIED)
            return
        self._health.answered(konto_id)
        for told in statuses:
            yield told

    async def _receipt(self, one: Awaited, told: Told) -> Receipt | None:
        if told.status not in STATUSES:
            self._context.log.warning("svarut.unknown_status", subject=told.id)
            return None
        meaning = STATUSES[told.status]
        if meaning is None:
            return None
        if meaning is PRINTED:
            self._context.log.error("svarut.printed", subject=told.id, code=PRINTED.code)
        evidence = await self._evidence(told.id)
        refused = meaning if isinstance(meaning, Refused) else None
        stage = meaning if isinstance(meaning, Stage) else Stage.DELIVERED
        return Receipt(NAME, None, told.id, key=one.key, refused=refused, stage=stage, at=told.since, evidence=evidence)

    async def _evidence(self, reference: str) -> tuple[bytes, ...]:
        """SvarUt's own history of the letter, as it came. It is not signed. A receipt comes without it rather than never."""
        try:
            reply: Reply = await self._api.get(f"/forsendelser/{reference}/hendelser")
        except (GatewayError, *NO_ANSWER) as error:
            self._context.log.warning("svarut.no_history", error=type(error).__name__)
            return ()
        return (reply.body,) if reply.good and reply.body else ()
