"""A letter as it is sent: the multipart body taken apart, and its message read as strictly as the schema would (digipost.md 4)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NoReturn

from gateway.errors import StructureError
from gateway.simulators.digipost.answers import API, Element, RefusalError
from gateway.spi import read_xml

_BAD: Final = 400
_BOUNDARY: Final = re.compile(r'multipart/[^;]+;.*?boundary="?([^";]{1,70})"?', re.IGNORECASE)
_FILE: Final = re.compile(r'content-disposition:.*?filename="?([^"\r\n;]+)"?', re.IGNORECASE)
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LEVELS: Final = frozenset({"PASSWORD", "TWO_FACTOR", "IDPORTEN_3", "IDPORTEN_4"})

# Children in the order of the schema; a name alone or names of which one may be there.
_MESSAGE: Final = (
    "message-id", "sender-id", "sender-organization", "recipient", "delivery-time", "invoice-reference",
    "primary-document", "attachment", "print-if-unread", "request-for-registration", "batch",
)  # fmt: skip
_DOCUMENT: Final = (
    "uuid", "subject", "file-type", "opening-receipt", "opened", "sms-notification", "email-notification",
    "authentication-level", "sensitivity-level", "encrypted", "content-hash", "link", "data-type",
)  # fmt: skip
_RECIPIENT: Final = (
    "personal-identification-number", "organisation-number", "digipost-address", "email-details", "peppol-addresses",
    "name-and-address", "bank-account-number", "print-details",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a letter, with its file."""

    uuid: str
    subject: str
    file_type: str
    authentication_level: str
    sensitivity_level: str
    wants_receipt: bool
    encrypted: bool
    content: bytes
    data_type: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """A letter. ``number``: the person's; ``printed``: it has print details; ``sender``: None for the broker."""

    message_id: str | None
    sender: int | None
    number: str | None
    printed: bool
    delivery_time: datetime | None
    documents: tuple[Document, ...]
    print_if_unread: bool


def read_message(media_type: str, body: bytes) -> Message:
    """The letter in a body. Raises RefusalError."""
    parts = _parts(media_type, body)
    if not parts or parts[0][0] != "message":
        _refuse("MISSING_BODYPART_FILENAME", "the first part is not the message")
    root = read_body(parts[0][1], "message")
    _in_order(root, _MESSAGE, several={"attachment"})
    files = dict(parts[1:])
    documents = [
        _document(one, files) for one in (*root.iterfind(_q("primary-document")), *root.iterfind(_q("attachment")))
    ]
    named = [document.uuid for document in documents]
    if not documents or sorted(named) != sorted(name for name, _ in parts[1:]):
        _refuse("DOCUMENTS_AND_FILES_MISMATCH", "documents and files are not the same")
    recipient = root.find(_q("recipient"))
    if recipient is None:
        _refuse("MISSING_RECIPIENT", "no recipient")
    _in_order(recipient, _RECIPIENT)
    sender, at = root.findtext(_q("sender-id")), root.findtext(_q("delivery-time"))
    return Message(
        root.findtext(_q("message-id")),
        int(sender) if sender is not None else None,
        recipient.findtext(_q("personal-identification-number")),
        recipient.find(_q("print-details")) is not None,
        _moment(at) if at is not None else None,
        tuple(documents),
        root.find(_q("print-if-unread")) is not None,
    )


def read_body(body: bytes, name: str) -> Element:
    """The root of a document of that name. Raises RefusalError."""
    try:
        root = read_xml(body)
    except StructureError:
        _refuse("SCHEMA_VALIDATION_ERROR", "no XML")
    if root.tag != _q(name):
        _refuse("SCHEMA_VALIDATION_ERROR", "another root element")
    return root


def asked_number(body: bytes) -> str:
    """Whom an identification asks for. Raises RefusalError."""
    number = read_body(body, "identification").findtext(_q("personal-identification-number"))
    if number is None:
        _refuse("SCHEMA_VALIDATION_ERROR", "this simulator identifies by national identity number alone")
    return number


def _document(element: Element, files: Mapping[str, bytes]) -> Document:
    _in_order(element, _DOCUMENT, several={"link"})
    uuid, level = element.findtext(_q("uuid"), ""), element.findtext(_q("authentication-level"), "PASSWORD")
    if not _UUID.fullmatch(uuid) or level not in _LEVELS:
        _refuse("SCHEMA_VALIDATION_ERROR", "a document that the schema does not have")
    if uuid not in files:
        _refuse("DOCUMENTS_AND_FILES_MISMATCH", "a document without its file")
    subject = element.findtext(_q("subject"), "")
    if not subject.strip():
        _refuse("MISSING_SUBJECT", "a blank subject")
    data = element.find(_q("data-type"))
    kind = str(data[0].tag) if data is not None and len(data) else None
    return Document(
        uuid,
        subject,
        element.findtext(_q("file-type"), ""),
        level,
        element.findtext(_q("sensitivity-level"), "NORMAL"),
        element.find(_q("opening-receipt")) is not None or (kind or "").endswith("}opening-receipt"),
        element.find(_q("encrypted")) is not None,
        files[uuid],
        kind,
    )


def _in_order(element: Element, order: Sequence[str], several: frozenset[str] | set[str] = frozenset()) -> None:
    last = -1
    for child in element:
        name = str(child.tag).removeprefix(f"{{{API}}}")
        place = order.index(name) if name in order else -1
        if place < last or (place == last and name not in several):
            _refuse("SCHEMA_VALIDATION_ERROR", "an element where the schema has none")
        last = place


def _parts(media_type: str, body: bytes) -> list[tuple[str, bytes]]:
    """File names and contents, in their order."""
    found = _BOUNDARY.match(media_type)
    if found is None:
        _refuse("PROBLEM_WITH_REQUEST", "no multipart body")
    line = b"\r\n--" + found.group(1).encode()
    pieces = (b"\r\n" + body).split(line)
    if len(pieces) < 3 or pieces[0] or not pieces[-1].startswith(b"--"):  # noqa: PLR2004  before, one part, after
        _refuse("PROBLEM_WITH_REQUEST", "a multipart body without its end")
    parts = []
    for piece in pieces[1:-1]:
        head, _, content = piece.partition(b"\r\n\r\n")
        named = _FILE.search(head.decode("utf-8", "replace"))
        if named is None:
            _refuse("MISSING_BODYPART_FILENAME", "a part without a file name")
        parts.append((named.group(1), content))
    return parts


def _moment(value: str) -> datetime:
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        _refuse("INVALID_DATE", "no time")
    if at.tzinfo is None:
        _refuse("INVALID_DATE", "a time without offset")
    return at


def _q(name: str) -> str:
    return f"{{{API}}}{name}"


def _refuse(code: str, why: str) -> NoReturn:
    raise RefusalError(_BAD, code, why) from None
