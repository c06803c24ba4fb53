"""What comes in, and what a partner says became of what went out."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

from gateway.spi.outcome import Refused

Stream = AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class Address:
    """Whom a delivery is for: the child-welfare office of a municipality or district ("00" without districts)."""

    kommunenummer: str
    bydelsnummer: str


class Delivery(Protocol):
    """One thing that came over a road. The gateway reads it once, stores it, commits, and only then acknowledges."""

    @property
    def road(self) -> str:
        """The road's name: its adapter's, and more where it has several, e.g. ``fiks-produsent``."""
        ...

    @property
    def address(self) -> Address:
        """The office it is addressed to; it decides the tenant, whatever the content says."""
        ...

    @property
    def message_type(self) -> str:
        """Our type and version, e.g. ``bekymringsmelding.offentlig.v2``."""
        ...

    @property
    def sender(self) -> str:
        """The sender as the road knows it: a fiksOrgId, an account id."""
        ...

    @property
    def sealed_part(self) -> str:
        """The name of the part whose bytes make two deliveries the same one."""
        ...

    @property
    def remote_id(self) -> str | None:
        """The sender's or platform's own id of it, if the road has one."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """What the road said beside the parts; stored, never logged."""
        ...

    @property
    def answer_to(self) -> str | None:
        """Where our receipt for it is sent over this same road; None where the sender looks for it itself."""
        ...

    @property
    def fault(self) -> str | None:
        """Why it cannot be understood, as a code: then it is stored as it came, and a person looks. None: it can be."""
        ...

    @property
    def blob(self) -> str | None:
        """What ``Blobs`` calls the sealed part, where it lies there; the same name is the same bytes."""
        ...

    def parts(self) -> AsyncIterator[tuple[str, Stream]]:
        """Each part's name and bytes, in the order they come. A part is read to its end before the next.

        A sealed part that ``Blobs`` has and cannot give now is left out: it is fetched when the message is opened.
        """
        ...

    async def acknowledge(self) -> None:
        """Tell the partner that it is stored. Called after COMMIT, never before."""
        ...

    async def give_back(self) -> None:
        """Tell the partner that it is not stored."""
        ...


@dataclass(frozen=True, slots=True)
class Accepted:
    """A stored delivery: our id, and whether the same bytes had come before."""

    id: str
    repeated: bool


async def _nothing() -> None:
    """For partners that want no acknowledgement."""


class Stage(StrEnum):
    """How far a letter has come, where a carrier tells more than one thing of it."""

    DELIVERED = "delivered"  # in the mailbox
    OPENED = "opened"
    POSTED = "posted"  # printed and handed to the post
    SHREDDED = "shredded"  # came back, or could not be delivered, and is gone


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a partner says became of a parcel: delivered, or refused after all.

    It moves a message only when road, recipient and reference are that message's own (requirement S24). ``recipient``
    is None where the carrier speaks, and not whom it was for: it names the message alone. ``key`` is the parcel's, where the partner gives it back: then a receipt fits even if the answer with the reference was lost.
    ``stage`` and ``at``: what happened, and when the partner says that it did; None: now. ``evidence``: as of outcomes.
    ``acknowledge`` tells the partner that it need not come again; called after COMMIT, never before.
    """

    road: str
    recipient: str | None
    partner_reference: str
    key: str | None = None
    refused: Refused | None = None
    stage: Stage = Stage.DELIVERED
    at: datetime | None = None
    evidence: tuple[bytes, ...] = field(default=(), repr=False)
    acknowledge: Callable[[], Awaitable[None]] = field(default=_nothing, repr=False)


class Blobs(Protocol):
    """Where a partner keeps what is too large to come with the delivery itself."""

    def blob(self, headers: Mapping[str, str]) -> Stream:
        """The sealed part of a delivery that came with these headers.

        Raises PartnerUnavailableError for what time may mend, UnknownResourceError when it is gone.
        """
        ...


UNKNOWN_TYPE: Final = "ukjent.v1"
"""The message type of a delivery that has a fault and says of no type that we know."""


class Inbound(Protocol):
    """A road that is fetched from."""

    def deliveries(self) -> AsyncGenerator[Delivery | Receipt, None]:
        """What waits at the partner, for ever. Several may be taken before the first is acknowledged.

        The gateway closes the iterator when it cannot store, and begins a new one when it can again: what was brought
        and not acknowledged must then come once more.
        """
        ...
