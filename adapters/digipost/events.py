"""What became of letters: Digipost's events, read without loss, each once (digipost.md 4.6).

Events cannot be acknowledged; they are kept for 30 days and read by time. So every office's account has a mark up to which
all is stored here; it moves when a window was read to its last page and everything in it was acknowledged, and each window
begins a while before it. After a start everything that Digipost still has is read again: the gateway knows what it has.
"""

import io
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from adapters.digipost.api import NO_ANSWER, DigipostApi
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
    Receipt,
    Refused,
    Stream,
)

NAME: Final = "digipost"
WAITING_MAX: Final = 50_000  # receipts of one account that nobody waits for; the oldest go first
PAGES_MAX: Final = 1000  # of one window: then something is wrong with their paging

_RECEIPTS: Final[Mapping[str, Refused | None]] = {
    "OPENED": None,
    "POSTMARKED": None,
    "PRINT_FAILED": Refused("print-failed"),
}
# Known, and no end of a letter: counted in the log. Some of them hold addresses of people.
_SEEN: Final = frozenset({
    "EMAIL_NOTIFICATION_FAILED", "SMS_NOTIFICATION_FAILED", "EMAIL_MESSAGE_SENT", "EMAIL_MESSAGE_FAILED", "SHREDDED",
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
        begin = context.clock.now() - timedelta(days=settings.events_days)
        self._accounts = [_Account(sender, begin) for sender in settings.senders]

    async def deliveries(self) -> AsyncGenerator[Delivery | Receipt, None]:
        """Receipts of letters that wait for theirs, and events that nobody knows. A trouble is tried again next time."""
        brought: set[Identity] = set()
        while True:
            for account in self._accounts:
                until = self._context.clock.now()
                try:
                    events = await self._window(account, until)
                except (GatewayError, *NO_ANSWER) as error:
                    self._context.log.warning("digipost.no_events", error=type(error).__name__)
                    continue
                async for one in self._brought(account, events, brought):
                    yield one
                account.move(events, until, timedelta(seconds=self._settings.overlap_s))
            await self._context.clock.sleep(self._settings.events_every_s)

    async def _brought(
        self, account: _Account, events: tuple[Event, ...], brought: set[Identity]
    ) -> AsyncIterator[Delivery | Receipt]:
        """What the gateway should hear of these. ``brought``: what it was given and has not acknowledged yet."""
        awaited = {one.partner_reference for one in await self._context.awaiting()}
        for event in (*account.waiting.values(), *events):
            if event.identity in account.stored or event.identity in brought:
                continue
            if event.kind in _RECEIPTS:
                if event.document not in awaited:
                    account.wait(event)
                    continue
                brought.add(event.identity)
                yield self._receipt(account, event)
            elif event.kind in _SEEN:
                account.store(event)
                self._context.log.info("digipost.event", code=event.kind.lower().replace("_", "-"))
            else:
                brought.add(event.identity)
                yield UnknownEvent(event, account.sender.address, account)

    def _receipt(self, account: _Account, event: Event) -> Receipt:
        async def acknowledge() -> None:
            account.store(event)

        refusal = _RECEIPTS[event.kind]
        return Receipt(NAME, None, event.document, refused=refusal, acknowledge=acknowledge)

    async def _window(self, account: _Account, until: datetime) -> tuple[Event, ...]:
        """Every event since the mark, less the overlap. Raises what calls do."""
        begin = account.since - timedelta(seconds=self._settings.overlap_s)
        size = self._settings.events_page
        asked = f"?from={_escaped(begin)}&to={_escaped(until)}"
        found: list[Event] = []
        for page in range(PAGES_MAX):
            place = f"&offset={page * size}&maxResults={size}&sender={account.sender.sender_id}"
            reply = await self._api.get("document_events", asked + place)
            if not reply.good:
                message = f"digipost: events refused with {reply.status}"
                raise PartnerRefusedError(message)
            events = read_events(reply.body)
            found.extend(events)
            if len(events) < size:
                return tuple(found)
        message = "digipost: pages of events without end"
        raise PartnerRefusedError(message)


def _escaped(at: datetime) -> str:
    """A time in a query: the plus of its offset is all that needs it."""
    return moment(at).replace("+", "%2B")
