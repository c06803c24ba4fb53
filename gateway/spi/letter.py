"""A letter to a person: what a parcel carries over a road that leads to a mailbox or to paper."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from gateway.spi.inbound import Stream


@dataclass(frozen=True, slots=True)
class PostalAddress:
    """Where something is printed for; ``country_code`` (ISO 3166-1 alpha-2) for abroad, where the lines say it all."""

    name: str
    lines: tuple[str, ...]
    postnummer: str = ""
    poststed: str = ""
    country_code: str | None = None


@dataclass(frozen=True, slots=True)
class PrintOrder:
    """To be printed instead. ``released_by``: the person who released just this letter to paper (rules R14 to R16)."""

    recipient: PostalAddress = field(repr=False)
    return_address: PostalAddress = field(repr=False)
    released_by: str
    registered: bool = False


@dataclass(frozen=True, slots=True)
class Appointment:
    """What a calendar can take from a summons. Carriers can read it even of a sealed document: no case in it."""

    start: datetime
    end: datetime | None = None
    place: str | None = field(default=None, repr=False)
    language: str = "nb"


@dataclass(frozen=True, slots=True)
class EmailNotice:
    """A notice by e-mail at these times, in the carrier's adapter's own neutral words (``Adapter.notices``)."""

    address: str = field(repr=False)
    at: tuple[datetime, ...]


@dataclass(frozen=True, slots=True)
class LetterDocument:
    """One document. ``content`` can be read several times and gives the same bytes each time.

    ``uuid``: the same in every attempt. ``file_type``: ``pdf``. ``sha256``: of the bytes, hexadecimal. ``pages``: as counted
    before anything was sent. ``sealed``: to be sealed for its reader alone, where the carrier can.
    """

    uuid: str
    subject: str = field(repr=False)
    file_name: str = field(repr=False)
    file_type: str
    media_type: str
    size_bytes: int
    sha256: str = field(repr=False)
    content: Callable[[], Stream] = field(repr=False)
    pages: int = 1
    sealed: bool = False
    appointment: Appointment | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter. Every attempt has the same parcel ``key`` and the same uuids. The first document is the primary one.

    ``person``: a national identity number; nobody is ever looked for by name and address (misdelivery). ``delivery_time``:
    not shown before. ``opening_receipt``: the carrier tells when it is opened. ``sms_after_hours``: a notice if it is unread
    then, in the carrier's own neutral words. ``email``: a notice by e-mail; the address was asked for just now, and may be
    another one in the next attempt. ``sealed_only_for``: fingerprints of the reader's keys (``PersonKeys``) that alone its
    documents may be sealed for; None: any.
    """

    person: str = field(repr=False)
    name: str = field(repr=False)
    documents: tuple[LetterDocument, ...]
    language: str = "nb"
    delivery_time: datetime | None = None
    opening_receipt: bool = False
    sms_after_hours: tuple[int, ...] = ()
    email: EmailNotice | None = None
    print_order: PrintOrder | None = None
    sealed_only_for: frozenset[str] | None = field(default=None, repr=False)

    @property
    def primary(self) -> LetterDocument:
        """The document by which carriers know the letter."""
        return self.documents[0]
