"""A letter to a person, as this road takes it.

``spi.Parcel`` carries sealed bytes for organisations and cannot hold a letter yet: a person, several documents, a subject.
Until it can, this is what ``send`` takes; what turns a parcel into a letter will be one function beside it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from gateway.spi import Address, Stream


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
    """To be printed instead. ``released_by``: the person who released just this one (rules R14 to R16).

    Nothing sets it yet, and without it nothing is printed.
    """

    recipient: PostalAddress = field(repr=False)
    return_address: PostalAddress = field(repr=False)
    released_by: str | None = None


@dataclass(frozen=True, slots=True)
class Email:
    """A notification by e-mail at these times; its words are always the same (``message.EMAIL_TEXT``)."""

    address: str = field(repr=False)
    at: tuple[datetime, ...]


@dataclass(frozen=True, slots=True)
class Appointment:
    """What a calendar can take from a summons. Digipost can read it even of a sealed document: no case in it."""

    start: datetime
    end: datetime | None = None
    place: str | None = field(default=None, repr=False)
    sub_title: str | None = field(default=None, repr=False)
    language: str = "NB"


@dataclass(frozen=True, slots=True)
class LetterDocument:
    """One document. ``content`` can be read several times and gives the same bytes each time.

    ``seal_pages``: seal it for its reader; the number of its pages, which Digipost cannot see then.
    """

    uuid: str
    subject: str = field(repr=False)
    file_type: str
    size_bytes: int
    content: Callable[[], Stream] = field(repr=False)
    seal_pages: int | None = None
    appointment: Appointment | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter; a retry has the same ``key`` and the same uuids. The first document is the primary one.

    ``recipient``: a national identity number, never name and address (misdelivery). ``delivery_time``: not shown before.
    ``opening_receipt``: told when it is opened; it stands where an appointment would, so not with one on the primary document.
    ``sms_after_hours``: if unread then, with Digipost's own neutral text.
    """

    key: str
    office: Address
    recipient: str = field(repr=False)
    documents: tuple[LetterDocument, ...]
    delivery_time: datetime | None = None
    opening_receipt: bool = False
    sms_after_hours: tuple[int, ...] = ()
    email: Email | None = None
    print_order: PrintOrder | None = None

    @property
    def primary(self) -> LetterDocument:
        """The document by which the letter is known at Digipost."""
        return self.documents[0]
