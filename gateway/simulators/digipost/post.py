"""The post office: which letters were taken, over which channel, and what happened to each document since (digipost.md 4, 8)."""

import base64
import hashlib
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NoReturn

from gateway.crypto.ber import parse
from gateway.errors import StructureError
from gateway.simulators.digipost.answers import Element, RefusalError, moment, node, text, typed, written
from gateway.simulators.digipost.message import Document, Message
from gateway.simulators.digipost.people import Kind, Person
from gateway.simulators.digipost.signing import Broker

_BAD: Final = 400
_FORBIDDEN: Final = 403
_NOT_FOUND: Final = 404
_FILE_TYPES: Final = frozenset({"pdf", "txt", "jpg", "jpeg", "png"})


@dataclass(slots=True)
class Letter:
    """A letter that was taken. ``channel``: DIGIPOST or PRINT."""

    message: Message
    broker: int
    sender: int
    channel: str
    at: datetime
    opened: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a document. ``metadata``: its type and attributes."""

    document: str
    broker: int
    sender: int
    kind: str
    at: datetime
    document_at: datetime
    metadata: tuple[str, dict[str, str]] | None = None

    def element(self) -> Element:
        """As it stands in a page of events."""
        told = typed(node("metadata", **self.metadata[1]), self.metadata[0]) if self.metadata is not None else None
        times = {"created": moment(self.at), "document_created": moment(self.document_at)}
        return node("event", told, uuid=self.document, type=self.kind, **times)


class Post:
    """Takes letters and keeps what became of them. People may change while it runs.

    ``against_the_rules``: letters to those whom nobody should have sent them, by message id; Digipost does not stop them.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.people: dict[str, Person] = {}
        self.letters: dict[tuple[int, str], Letter] = {}
        self.events: list[Event] = []
        self.against_the_rules: list[str] = []
        self._documents: dict[str, Letter] = {}
        self._now = now

    def add(self, *people: Person) -> None:
        """Know these."""
        self.people.update((person.number, person) for person in people)

    def close_account(self, number: str) -> None:
        """The person is no user any more."""
        self.people[number] = Person(number, Kind.NOT_USER)

    def send(self, broker: Broker, message: Message) -> Letter:
        """Take a letter. Raises RefusalError: then nothing of it was taken."""
        sender = message.sender if message.sender is not None else broker.number
        if not broker.may_send_for(sender):
            _refuse(_FORBIDDEN, "BROKER_NOT_AUTHORIZED", "no grant from that sender", "CONFIGURATION")
        message_id = message.message_id or str(uuid.uuid4())
        if (sender, message_id) in self.letters:
            _refuse(_BAD, "DUPLICATE_MESSAGE", "message-id has been used")
        if any(document.uuid in self._documents for document in message.documents):
            _refuse(_BAD, "DUPLICATE_DOCUMENT_ID", "a document's uuid has been used")
        self._require_allowed(broker, message)
        person = self.people.get(message.number) if message.number is not None else None
        channel = self._channel(message, person)
        _require_printable(message, channel)
        _require_openable(message, person, channel)
        letter = Letter(message, broker.number, sender, channel, self._now())
        self.letters[sender, message_id] = letter
        self._documents.update((document.uuid, letter) for document in message.documents)
        if person is not None and person.kind in {Kind.RESERVED, Kind.BLOCKED}:
            self.against_the_rules.append(message_id)
        return letter

    def status(self, broker: Broker, sender: int, document: str) -> bytes:
        """What is known of a document (digipost.md 4.5). Raises RefusalError."""
        letter = self._documents.get(document)
        if letter is None or letter.sender != sender or letter.broker != broker.number:
            _refuse(_NOT_FOUND, "DOCUMENT_NOT_FOUND", "there is no such document", "CLIENT_TECHNICAL")
        documents = letter.message.documents
        found = next(one for one in documents if one.uuid == document)
        rest = documents[1:] if found is documents[0] else ()
        status = self._status("document-status", letter, found)
        status.extend(self._status("attachments", letter, one) for one in rest)
        return written(status)

    def page(self, broker: Broker, span: tuple[datetime, datetime], slot: slice, sender: int | None) -> Sequence[Event]:
        """The broker's events from and before two times, in the order in which they happened."""
        begin, end = span
        own = [one for one in self.events if one.broker == broker.number and begin <= one.at < end]
        return [one for one in own if sender in {None, one.sender}][slot]

    def has(self, document: str) -> bool:
        """Whether it was sent."""
        return document in self._documents

    def open(self, document: str) -> None:
        """The person reads it."""
        letter = self._documents[document]
        if document not in letter.opened:
            letter.opened.add(document)
            self.happen(document, "OPENED")

    def postmark(self, document: str) -> None:
        """What was printed is given to the post."""
        self.happen(document, "POSTMARKED", ("postmarked-metadata", {"postmarked-date": moment(self._now())}))

    def happen(self, document: str, kind: str, metadata: tuple[str, dict[str, str]] | None = None) -> None:
        """Note an event of whatever type."""
        letter = self._documents[document]
        event = Event(document, letter.broker, letter.sender, kind, self._now(), letter.at, metadata)
        self.events.append(event)

    def _require_allowed(self, broker: Broker, message: Message) -> None:
        levels = {document.authentication_level for document in message.documents}
        if levels & {"IDPORTEN_3", "IDPORTEN_4"} and not broker.idporten:
            _refuse(_FORBIDDEN, "NOT_APPROVED_FOR_IDPORTEN", "ID-porten is for authorities", "CONFIGURATION")
        if (message.printed or message.print_if_unread) and not broker.printing:
            _refuse(_FORBIDDEN, "NOT_APPROVED_FOR_PRINT", "no agreement on print", "CONFIGURATION")
        if message.delivery_time is not None and message.delivery_time < self._now():
            _refuse(_BAD, "DELIVERY_DATE_HISTORICAL", "delivery-time is past", "CONFIGURATION")
        if any(document.file_type not in _FILE_TYPES for document in message.documents):
            _refuse(_BAD, "ILLEGAL_CONTENT_TYPE", "a type of file that is not taken")

    def _channel(self, message: Message, person: Person | None) -> str:
        if person is not None and person.has_account:
            return "DIGIPOST"
        if not message.printed:
            _refuse(_NOT_FOUND, "UNKNOWN_RECIPIENT", "The recipient does not have a Digipost account.")
        return "PRINT"

    def _status(self, name: str, letter: Letter, document: Document) -> Element:
        later = letter.message.delivery_time
        delivered = letter.channel == "DIGIPOST" and (later is None or later <= self._now())
        read = ("Y" if document.uuid in letter.opened else "N") if document.wants_receipt else None
        return node(
            name,
            uuid=document.uuid,
            sender_id=str(letter.sender),
            status="DELIVERED" if delivered or letter.channel == "PRINT" else "NOT_DELIVERED",
            created=moment(letter.at),
            delivered=moment(later or letter.at) if delivered else None,
            read=read,
            channel=letter.channel,
            is_primary_document="true" if document is letter.message.documents[0] else "false",
            content_hash=_hash(document),
            content_hash_algorithm="SHA256",
        )


def delivery(letter: Letter) -> bytes:
    """The answer to a letter that was taken (digipost.md 4.4)."""
    digital = letter.channel == "DIGIPOST"
    first, *rest = letter.message.documents
    told = letter.message.message_id
    return written(
        node(
            "message-delivery",
            text("message-id", told) if told is not None else None,
            text("delivery-method", letter.channel),
            text("sender-id", letter.sender),
            text("status", "DELIVERED" if digital else "DELIVERED_TO_PRINT"),
            text("delivery-time", moment(letter.message.delivery_time or letter.at)),
            _told("primary-document", first, digital=digital),
            *(_told("attachment", one, digital=digital) for one in rest),
        )
    )


def _told(name: str, document: Document, *, digital: bool) -> Element:
    return node(
        name,
        text("uuid", document.uuid),
        text("subject", document.subject if digital else "N/A"),
        text("file-type", document.file_type),
        text("authentication-level", document.authentication_level),
        text("sensitivity-level", document.sensitivity_level),
        text("content-hash", _hash(document), hash_algorithm="SHA256"),
    )


def _hash(document: Document) -> str:
    return base64.b64encode(hashlib.sha256(document.content).digest()).decode()


def _require_printable(message: Message, channel: str) -> None:
    if channel != "PRINT":
        return
    if any(document.file_type != "pdf" for document in message.documents):
        _refuse(_BAD, "CONTENT_OF_PRINT_MESSAGE_MUST_BE_PDF", "only PDF is printed")


def _require_openable(message: Message, person: Person | None, channel: str) -> None:
    """A sealed document names the key of its reader; who prints is not looked at."""
    for document in message.documents:
        if not document.encrypted:
            if not document.content:
                _refuse(_BAD, "MISSING_CONTENT", "an empty document")
            continue
        named = _key_of(document.content)
        if channel == "DIGIPOST" and (person is None or named != person.key_id.encode()):
            _refuse(_BAD, "CONTENT_NOT_ENCRYPTED_WITH_CORRECT_KEY", "sealed for another key", "CLIENT_TECHNICAL")


def _key_of(envelope: bytes) -> bytes:
    """The name of the key in an envelope's only recipient: its id, or issuer and serial number. Raises RefusalError."""
    try:
        fields = parse(envelope).fields()
        fields.take()
        enveloped = fields.take().children()[0].fields()
        enveloped.take()
        (recipient,) = enveloped.take().children()
        members = recipient.fields()
        members.take()
        return members.take().content
    except (StructureError, ValueError, IndexError):
        _refuse(_BAD, "CONTENT_NOT_ENCRYPTED", "no envelope", "CLIENT_TECHNICAL")


def _refuse(status: int, code: str, why: str, kind: str = "CLIENT_DATA") -> NoReturn:
    raise RefusalError(status, code, why, kind) from None
