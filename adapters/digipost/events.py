"""What became of letters: Digipost's events, read without loss, each once (digipost.md 4.6).

Events cannot be acknowledged; they are kept for 30 days and read by time. So every office's account has a mark up to which
all is stored here; it moves when a window was read to its last page and everything in it was acknowledged, and each window
begins a while before it. After a start everything that Digipost still has is read again: the gateway says what it knows.
"""

import io
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from adapters.digipost.api import NO_ANSWER, SERVER_ERROR, TOO_MANY, DigipostApi, Reply
from adapters.digipost.arrivals import Arrivals
from adapters.digipost.message import moment
from adapters.digipost.settings import DigipostSettings, LetterSender
from adapters.digipost.wire import Event, read_events
from gateway.errors import GatewayError
from gateway.spi import (
    UNKNOWN_TYPE,
    Address,
    Context,
    Delivery,
    PartnerRefusedError,
    PartnerUnavailableError,
    Receipt,
    Refused,
    Stage,
    Stream,
)

NAME: Final = "digipost"
WAITING_MAX: Final = 50_000  # receipts of one account that nobody waits for; the oldest go first ...
WAITING_DAYS: Final = 7  # ... and after so long: most are of attachments, which no letter is known by
PAGES_MAX: Final = 1000  # of one window: then something is wrong with their paging

_RECEIPTS: Final[Mapping[str, Stage | Refused]] = {
    "OPENED": Stage.OPENED,
    "POSTMARKED": Stage.POSTED,
    "SHREDDED": Stage.SHREDDED,
    "PRINT_FAILED": Refused("print-failed"),
}
_MOMENT: Final = timedelta(milliseconds=1)  # the finest that times are told in
# Known, and no end of a letter: counted in the log. Some of them hold addresses of people.
_SEEN: Final = frozenset({
    "EMAIL_NOTIFICATION_FAILED", "SMS_NOTIFICATION_FAILED", "EMAIL_MESSAGE_SENT", "EMAIL_MESSAGE_FAILED",
    "MOVE_FILES_FROM_PUBLIC_SECTOR", "PEPPOL_DELIVERED", "PEPPOL_FAILED", "SHARE_DOCUMENTS_REQUEST_DOCUMENTS_SHARED",
    "SHARE_DOCUMENTS_REQUEST_SHARING_WITHDRAWN", "REQUEST_FOR_REGISTRATION_EXPIRED",
    "REQUEST_FOR_REGISTRATION_DELIVERED_DIGIPOST", "REQUEST_FOR_REGISTRATION_FAILED",
})  # fmt: skip

Identity = tuple[str, str, str]


@dataclass(slots=True)
class _Account:
    """One account's events. ``since``: all before it is stored. ``stored``: what of the time after it is.

    ``waiting``: receipts that nobody waits for: an attachment's, or a letter's whose answer is not stored yet.
    """

    sender: LetterSender
    since: datetime
    stored: dict[Identity, datetime] = field(default_factory=dict)
    waiting: dict[Identity, Event] = field(default_factory=dict)

    def store(self, event: Event) -> None:
        self.stored[event.identity] = event.at
        self.waiting.pop(event.identity, None)

    def wait(self, event: Event) -> None:
        self.waiting[event.identity] = event
        if len(self.waiting) > WAITING_MAX:
            del self.waiting[next(iter(self.waiting))]

    def move(self, events: Iterable[Event], until: datetime, overlap: timedelta) -> None:
        """To the first event that is neither stored nor waiting, or to the window's end; forget what is before it."""
        kept = self.stored.keys() | self.waiting.keys()
        self.since = min([until, *(one.at for one in events if one.identity not in kept)])
        self.stored = {identity: at for identity, at in self.stored.items() if at >= self.since - overlap}
        oldest = until - timedelta(days=WAITING_DAYS)
        self.waiting = {identity: event for identity, event in self.waiting.items() if event.at >= oldest}


@dataclass(frozen=True, slots=True)
class UnknownEvent:
    """An event of a type that nobody knows: kept as it came, for a person (``spi.Delivery``)."""

    event: Event = field(repr=False)
    address: Address
    account: _Account = field(repr=False)
    road: str = NAME
    message_type: str = UNKNOWN_TYPE
    sender: str = NAME
    sealed_part: str = "event"
    answer_to: str | None = None
    fault: str | None = "unknown-event"
    blob: str | None = None

    @property
    def remote_id(self) -> str:
        """The document that it happened to."""
        return self.event.document

    @property
    def headers(self) -> Mapping[str, str]:
        """None: all is in the event."""
        return {}

    async def parts(self) -> AsyncIterator[tuple[str, Stream]]:
        """The event's XML."""
        yield self.sealed_part, self._content()

    async def _content(self) -> Stream:
        content = io.BytesIO(self.event.raw)
        while piece := content.read():
            yield piece

    async def acknowledge(self) -> None:
        """It need not be read again."""
        self.account.store(self.event)

    async def give_back(self) -> None:
        """It is read again."""


class DigipostEvents:
    """Reads the events of every account, for ever (``spi.Inbound``)."""

    def __init__(self, settings: DigipostSettings, context: Context, api: DigipostApi) -> None:
        self._settings = settings
        self._context = context
        self._api = api
        self._arrivals = Arrivals(settings, context, api)
        begin = context.clock.now() - timedelta(days=settings.events_days)
        self._accounts = [_Account(sender, begin) for sender in settings.senders]

    async def deliveries(self) -> AsyncGenerator[Delivery | Receipt, None]:
        """What became of letters of ours, and events that nobody knows. A trouble is tried again next time."""
        brought: set[Identity] = set()
        while True:
            for account in self._accounts:
                until = self._context.clock.now()
                try:
                    events = await self._window(account, until)
                    async for one in self._brought(account, events, brought):
                        yield one
                except (GatewayError, *NO_ANSWER) as error:
                    self._context.log.warning("digipost.no_events", error=type(error).__name__)
                    continue
                account.move(events, until, timedelta(seconds=self._settings.overlap_s))
            async for receipt in self._arrivals.receipts():
                yield receipt
            await self._context.clock.sleep(self._settings.events_every_s)

    async def _brought(
        self, account: _Account, events: tuple[Event, ...], brought: set[Identity]
    ) -> AsyncIterator[Delivery | Receipt]:
        """What the gateway should hear of these. ``brought``: what it was given and has not acknowledged yet."""
        fresh = [
            one
            for one in (*account.waiting.values(), *events)
            if one.identity not in account.stored and one.identity not in brought
        ]
        told = await self._context.told({one.document for one in fresh if one.kind in _RECEIPTS})
        for event in fresh:
            if event.kind in _SEEN:
                account.store(event)
                self._context.log.info("digipost.event", code=event.kind.lower().replace("_", "-"))
            elif event.kind not in _RECEIPTS:
                brought.add(event.identity)
                yield UnknownEvent(event, account.sender.address, account)
            elif event.document not in told:
                account.wait(event)
            elif _RECEIPTS[event.kind] in told[event.document]:
                account.store(event)
            else:
                receipt = await self._receipt(account, event)
                brought.add(event.identity)
                yield receipt

    async def _receipt(self, account: _Account, event: Event) -> Receipt:
        """Raises what calls do."""

        async def acknowledge() -> None:
            account.store(event)

        meaning, evidence = _RECEIPTS[event.kind], await self._proof(account, event)
        refused = meaning if isinstance(meaning, Refused) else None
        stage = meaning if isinstance(meaning, Stage) else Stage.DELIVERED
        return Receipt(
            road=NAME,
            recipient=None,
            partner_reference=event.document,
            refused=refused,
            stage=stage,
            at=event.happened,
            evidence=evidence,
            acknowledge=acknowledge,
        )

    async def _proof(self, account: _Account, event: Event) -> tuple[bytes, ...]:
        """Its moment, asked for alone: a page of a window tells of other people's letters. Raises what calls do.

        A receipt without proof is better than none: where Digipost gives no such page, or others are in it, there is none.
        """
        try:
            reply = await self._page(account, (event.at - _MOMENT, event.at + 2 * _MOMENT), 0)
        except PartnerRefusedError:
            self._context.log.warning("digipost.event_not_proven")
            return ()
        found = read_events(reply.body)
        alone = all(one.document == event.document for one in found)
        if not alone or event.identity not in {one.identity for one in found}:
            self._context.log.info("digipost.event_not_proven")
            return ()
        return (reply.evidence,)

    async def _window(self, account: _Account, until: datetime) -> tuple[Event, ...]:
        """Every event since the mark, less the overlap. Raises what calls do."""
        begin = account.since - timedelta(seconds=self._settings.overlap_s)
        found: list[Event] = []
        for page in range(PAGES_MAX):
            events = read_events((await self._page(account, (begin, until), page)).body)
            found.extend(events)
            if len(events) < self._settings.events_page:
                return tuple(found)
        message = "digipost: pages of events without end"
        raise PartnerRefusedError(message)

    async def _page(self, account: _Account, span: tuple[datetime, datetime], page: int) -> Reply:
        size = self._settings.events_page
        asked = f"?from={_escaped(span[0])}&to={_escaped(span[1])}"
        place = f"&offset={page * size}&maxResults={size}&sender={account.sender.sender_id}"
        reply = await self._api.get("document_events", asked + place)
        if not reply.good:
            message = f"digipost: events refused with {reply.status}"
            later = reply.status == TOO_MANY or reply.status >= SERVER_ERROR
            raise PartnerUnavailableError(message) if later else PartnerRefusedError(message)
        return reply


def _escaped(at: datetime) -> str:
    """A time in a query: the plus of its offset is all that needs it."""
    return moment(at).replace("+", "%2B")
