"""Roads that partners call over HTTP."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gateway.spi.inbound import Accepted, Address, Delivery, Receipt, Stream


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
