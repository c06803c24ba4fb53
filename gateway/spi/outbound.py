"""What goes out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Protocol, runtime_checkable

from gateway.spi.inbound import Address, Stream
from gateway.spi.letter import Letter, LetterDocument
from gateway.spi.outcome import Outcome, Refused, TryLater, Uncertain


class Fate(StrEnum):
    """What our receipt says of something that came."""

    RECEIVED = "mottatt"
    FAILED = "feilet"


@dataclass(frozen=True, slots=True)
class Answered:
    """What a parcel answers, as it came: its id at the partner, its headers, and its type's name on the channel.

    ``fate``: the parcel is our receipt for it.
    """

    remote_id: str
    channel_type: str
    headers: Mapping[str, str] = field(repr=False)
    fate: Fate | None = None


@dataclass(frozen=True, slots=True)
class ReportOffice:
    """The office that a recipient's reports go to, and the newest form of a report that it reads: V1 or V2."""

    address: Address
    version: str


@dataclass(frozen=True, slots=True)
class PrintPart:
    """A report's PDF alone, sealed for whoever prints it. ``office``: the one that the whole parcel was sealed for."""

    office: ReportOffice
    size_bytes: int
    content: Callable[[], Stream] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Parcel:
    """Sealed bytes for one recipient on one road. A retry carries the same bytes and the same ``key``.

    ``office``: who sends; None for a trial. ``channel_type``: the type's identifier on this channel. ``size_bytes`` is 0 for a parcel
    that has no content, as a receipt may have none. ``print_part``: over roads that are sealed with ``Seal.FIKS_REPORT``.
    ``letter``: over roads with ``Seal.LETTER``; then ``recipient`` is a pseudonym, and what leaves is the letter's documents.
    """

    key: str
    message_type: str
    recipient: str
    size_bytes: int
    content: Callable[[], Stream] = field(repr=False)
    office: Address | None = None
    channel_type: str = ""
    answers: Answered | None = None
    print_part: PrintPart | None = None
    letter: Letter | None = None


@dataclass(frozen=True, slots=True)
class Awaited:
    """A parcel that the partner has taken, of whose message no end is known: what the partner called it, and when.

    A parcel that was taken twice is awaited twice, under the same ``key``.
    """

    key: str
    office: Address
    recipient: str
    partner_reference: str
    taken_at: datetime


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

    async def watched(content: Callable[[], Stream]) -> Stream:
        nonlocal begun
        begun = True
        async for chunk in content():
            yield chunk

    def document(one: LetterDocument) -> LetterDocument:
        return replace(one, content=partial(watched, one.content))

    copy, letter = parcel.print_part, parcel.letter
    seen = replace(
        parcel,
        content=partial(watched, parcel.content),
        print_part=replace(copy, content=partial(watched, copy.content)) if copy is not None else None,
        letter=replace(letter, documents=tuple(map(document, letter.documents))) if letter is not None else None,
    )
    try:
        return await outbound.send(seen)
    except Exception as error:  # noqa: BLE001  whatever an adapter raises, the rule above decides
        failed(error)
        return Uncertain("adapter-failed") if begun else TryLater("adapter-failed")


class Directory(Protocol):
    """Knows the keys of a road's recipients."""

    async def certificate(self, recipient: str) -> str:
        """The certificate to seal to, PEM. Raises UnknownResourceError when the recipient is not on this road."""
        ...


class PersonKeys(Protocol):
    """Knows the keys of people that a road seals letters for: of an adapter that sends sealed documents (``LetterDocument.sealed``)."""

    async def fingerprint(self, person: str) -> str | None:
        """SHA-256 (hex) of the SubjectPublicKeyInfo of the key of this national identity number; None: there is no such key.

        Whatever it raises: the key cannot be learned now.
        """
        ...


@dataclass(frozen=True, slots=True)
class ReportKeys:
    """What a report is sealed for, PEM: the container for the office, the PDF alone for print."""

    office: ReportOffice
    container: str
    print_part: str


@runtime_checkable
class ReportDirectory(Directory, Protocol):
    """Knows to which office of a recipient reports go: the directory of a road with ``Seal.FIKS_REPORT``."""

    async def report_keys(self, recipient: str) -> ReportKeys | Refused:
        """The office and its certificates; or why nothing can be sent there. Raises what ``certificate`` does."""
        ...


class Seal(StrEnum):
    """How a road's parcels are sealed: profiles of ``gateway.crypto``, by name."""

    GATEWAY = "gateway"
    FIKS = "fiks"
    FIKS_REPORT = "fiks-report"  # the container, and beside it the PDF for print (fiks.md 10)
    LETTER = "letter"  # nothing of ours around it: a person reads the documents themselves
