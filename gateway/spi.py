"""THE adapter interface: all that a road to a partner knows of the gateway.

An adapter is given a ``Context`` and gives back an ``Adapter``: inbound (it fetches), outbound (it sends) or facade
(partners call it over HTTP), whichever the partner has. It never sees keys, the database or configuration of others.
Expected answers of a partner are values (``Outcome``); exceptions are for what the adapter did not expect, and count
as ``Uncertain`` once the first byte has left.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final, Generic, Protocol, TypeVar

import aiohttp
import structlog

from gateway import limits as limits
from gateway.errors import ContentError as ContentError
from gateway.errors import DocumentError as DocumentError
from gateway.errors import ForbiddenError as ForbiddenError
from gateway.errors import MalformedRequestError as MalformedRequestError
from gateway.errors import RequestError as RequestError
from gateway.errors import UnknownResourceError as UnknownResourceError

# --- What an attempt to send can end in ---------------------------------------------------------------------------

CODE: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
"""What an outcome's ``code`` looks like: the adapter's own word, never the partner's."""

REFERENCE: Final = re.compile(r"[!-~]{1,128}")
"""What a partner's reference may look like."""


@dataclass(frozen=True, slots=True)
class Taken:
    """The partner has it. ``final``: taking is the delivery, no receipt will follow."""

    partner_reference: str
    final: bool = False


@dataclass(frozen=True, slots=True)
class TryLater:
    """Nothing was taken; try again, not before ``after_s`` seconds where the partner said so."""

    code: str
    after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A final no. ``proof``: the partner has shown that this road can never deliver it, so another one may be tried."""

    code: str
    proof: bool = False


@dataclass(frozen=True, slots=True)
class Uncertain:
    """Bytes left and no answer came: it may have been taken."""

    code: str


Outcome = Taken | TryLater | Refused | Uncertain

# --- What comes in ------------------------------------------------------------------------------------------------

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
        """The road's name, e.g. ``fiks-produsent``."""
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

    def parts(self) -> AsyncIterator[tuple[str, Stream]]:
        """Each part's name and bytes, in the order they come. A part is read to its end before the next."""
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


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a partner says became of a parcel: delivered, or refused after all.

    It moves a message only when road, recipient and reference are that message's own (requirement S24). ``key`` is the
    parcel's, where the partner gives it back: then a receipt fits even if the answer with the reference was lost.
    ``acknowledge`` tells the partner that it need not come again; called after COMMIT, never before.
    """

    road: str
    recipient: str
    partner_reference: str
    key: str | None = None
    refused: Refused | None = None
    acknowledge: Callable[[], Awaitable[None]] = field(default=_nothing, repr=False)


class Inbound(Protocol):
    """A road that is fetched from."""

    def deliveries(self) -> AsyncIterator[Delivery | Receipt]:
        """What waits at the partner, one at a time, for ever."""
        ...


# --- Roads that partners call over HTTP ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, as verified by the gateway: never what the request says of itself."""

    client_id: str
    organisation_number: str
    fiks_org_id: str | None = None
    rights: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a multipart body."""

    name: str
    stream: Stream


class Request(Protocol):
    """A verified request, reduced to what a facade needs."""

    @property
    def caller(self) -> Caller:
        """The verified caller."""
        ...

    @property
    def path(self) -> Mapping[str, str]:
        """The values of the path's placeholders."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Request headers, names in lower case."""
        ...

    def parts(self) -> AsyncIterator[Part]:
        """The parts of a multipart/form-data body, bounded in number and size while they stream.

        Raises MalformedRequestError, UnsupportedMediaError or TooLargeError.
        """
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What a facade answers: a JSON body with a status."""

    status: int
    body: object


@dataclass(frozen=True, slots=True)
class Route:
    """One path a facade answers. ``right`` is what the caller must hold; None means that any known caller may."""

    method: str
    path: str
    handler: Callable[[Request], Awaitable[Answer]]
    right: str | None = None
    upload: bool = False


@dataclass(frozen=True, slots=True)
class Municipality:
    """A municipality whose child-welfare service takes reports here."""

    kommunenummer: str
    navn: str


@dataclass(frozen=True, slots=True)
class District:
    """One office: a bydel, or the whole municipality under number 00. ``version``: V1 or V2."""

    bydelsnummer: str
    bydelsnavn: str
    standard_receiver: bool
    version: str


@dataclass(frozen=True, slots=True)
class PublicCertificate:
    """A certificate that senders seal for. Names are RFC 4514, ``serial`` is decimal, ``pem`` has LF line ends."""

    pem: str
    not_before: datetime
    not_after: datetime
    serial: str
    subject: str
    issuer: str


@dataclass(frozen=True, slots=True)
class ReceiveCertificates:
    """What a sender needs to seal for one office: the container's key and the print part's key."""

    container: PublicCertificate
    print_part: PublicCertificate


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One status of a message as its sender may see it; ``at`` is aware."""

    message_id: str
    at: datetime
    status: str
    description: str


class Intake(Protocol):
    """What the gateway lends to roads that deliver."""

    async def accept(self, delivery: Delivery) -> Accepted:
        """Store durably and return after COMMIT. The same sealed bytes again: the same id, nothing new.

        Raises MalformedRequestError, UnknownResourceError, TooLargeError, StoreError, StoreFullError.
        """
        ...

    async def receipt(self, receipt: Receipt) -> bool:
        """Take a receipt and return after COMMIT: whether it fits a message of ours. Again: the same answer.

        One that does not fit changes nothing and rings; acknowledge it all the same, or it comes for ever.
        """
        ...

    def municipalities(self) -> Sequence[Municipality]:
        """Every municipality configured here."""
        ...

    def districts(self, kommunenummer: str) -> Sequence[District]:
        """Its offices; empty when the municipality is not here."""
        ...

    def certificates(self, address: Address) -> ReceiveCertificates:
        """What to seal for. Raises UnknownResourceError."""
        ...

    def begins_as_envelope(self, first: bytes) -> bool:
        """Whether a part with these first 64 bytes (fewer: the whole part) can be a sealed envelope (CMS).

        A look at the outermost structure only; it opens nothing and never raises.
        """
        ...

    async def history(self, message_id: str, caller: Caller) -> Sequence[HistoryRow]:
        """Statuses, oldest first, of a message that this caller sent. Raises UnknownResourceError."""
        ...


class Facade(Protocol):
    """A road that partners call over HTTP."""

    def routes(self, intake: Intake) -> Sequence[Route]:
        """The paths it answers."""
        ...


# --- What goes out ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Parcel:
    """Sealed bytes for one recipient on one road. A retry carries the same bytes and the same ``key``."""

    key: str
    message_type: str
    recipient: str
    size_bytes: int
    content: Callable[[], Stream] = field(repr=False)


class Outbound(Protocol):
    """A road that is sent over."""

    @property
    def idempotent(self) -> bool:
        """Whether sending the same parcel twice has one effect at the partner."""
        ...

    async def send(self, parcel: Parcel) -> Outcome:
        """One attempt."""
        ...

    async def status(self, parcel: Parcel) -> Outcome | None:
        """What became of an attempt; None when the partner cannot be asked. ``TryLater``: it was not taken."""
        ...


async def attempt(outbound: Outbound, parcel: Parcel, failed: Callable[[Exception], None]) -> Outcome:
    """One attempt as the gateway makes it: what the adapter did not expect counts by whether a byte has left.

    ``failed`` hears of such an exception. Bytes have left when the adapter began to read the parcel's content.
    """
    begun = False

    async def watched() -> Stream:
        nonlocal begun
        begun = True
        async for chunk in parcel.content():
            yield chunk

    try:
        return await outbound.send(replace(parcel, content=watched))
    except Exception as error:  # noqa: BLE001  whatever an adapter raises, the rule above decides
        failed(error)
        return Uncertain("adapter-failed") if begun else TryLater("adapter-failed")


class Directory(Protocol):
    """Knows the keys of a road's recipients."""

    async def certificate(self, recipient: str) -> str:
        """The certificate to seal to, PEM. Raises UnknownResourceError when the recipient is not on this road."""
        ...


class Seal(StrEnum):
    """How a road's parcels are sealed: profiles of ``gateway.crypto``, by name."""

    GATEWAY = "gateway"
    FIKS = "fiks"


# --- The adapter itself -------------------------------------------------------------------------------------------


class Clock(Protocol):
    """Time as a port, so that a simulation can replace it."""

    def now(self) -> datetime:
        """Wall time, aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


@dataclass(frozen=True, slots=True)
class Context:
    """What an adapter is lent. Time-outs and size bounds are set on the session."""

    clock: Clock
    session: aiohttp.ClientSession
    log: structlog.stdlib.BoundLogger


@dataclass(frozen=True, slots=True)
class Adapter:
    """A road that is open. Leave out what the partner lacks. Who sends needs a directory of keys to seal to."""

    inbound: Inbound | None = None
    outbound: Outbound | None = None
    facade: Facade | None = None
    directory: Directory | None = None
    seal: Seal = Seal.GATEWAY


SettingsT = TypeVar("SettingsT")


@dataclass(frozen=True, slots=True)
class AdapterSpec(Generic[SettingsT]):
    """How to open an adapter; found by the entry point group ``gateway.adapters``."""

    name: str
    settings: type[SettingsT]
    open: Callable[[SettingsT, Context], AbstractAsyncContextManager[Adapter]]
