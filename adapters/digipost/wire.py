"""The XML that Digipost answers with, as frozen objects (digipost.md 3 to 8). Pure functions; all raise StructureError.

Words of Digipost's that may grow (event types, error codes, features) stay text: one that is new must not be lost.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, NoReturn

from lxml import etree

from adapters.digipost.message import API, Element
from gateway.errors import StructureError
from gateway.spi import read_xml

_EVENT: Final = f"{{{API}}}event"


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """``links`` by the last part of their relation, in lower case."""

    certificate: str
    links: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Identified:
    """``result``: DIGIPOST, IDENTIFIED, UNIDENTIFIED or INVALID. ``key`` (PEM) and its id, where one was asked for."""

    result: str
    key: str | None = None
    key_id: str = ""


@dataclass(frozen=True, slots=True)
class Delivered:
    """A letter that was taken. ``channel``: DIGIPOST, PRINT, PENDING ... ``hashes``: SHA-256 (Base64) by document."""

    channel: str
    status: str
    primary: str
    hashes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class DocumentStatus:
    """What is known of a document and its attachments. ``hashes``: SHA-256 (Base64) by document, where told."""

    status: str
    channel: str
    read: bool | None
    hashes: Mapping[str, str]
    delivered: datetime | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a document. ``raw``: its XML; it can hold an address of somebody.

    ``at``: when Digipost noted it; ``happened``: when it did, where that is told of its own, as of the post.
    """

    document: str
    kind: str
    created: str
    at: datetime
    happened: datetime
    raw: bytes = field(repr=False)

    @property
    def identity(self) -> tuple[str, str, str]:
        """What makes two of them the same one."""
        return self.document, self.kind, self.created


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error document. Its text is Digipost's and is not kept."""

    code: str
    kind: str | None


def read_entry_point(body: bytes) -> EntryPoint:
    """The root document."""
    root = _root(body, "entrypoint")
    links: dict[str, str] = {}
    for link in root.iterfind(_q("link")):
        relation, uri = link.get("rel", ""), link.get("uri")
        if uri is not None:
            links[relation.rpartition("/")[2].lower()] = uri
    return EntryPoint(_required(root, "certificate"), links)


def read_identified(body: bytes) -> Identified:
    """The answer to an identification, with or without a key."""
    root = read_xml(body)
    if root.tag == _q("identification-result"):
        return Identified(_required(root, "result"))
    if root.tag != _q("identification-result-with-encryption-key"):
        _refuse("another root element")
    inner, key = root.find(_q("identification-result")), root.find(_q("encryption-key"))
    if inner is None:
        _refuse("no result")
    if key is None:
        return Identified(_required(inner, "result"))
    return Identified(_required(inner, "result"), key.text or "", key.get("key-id", ""))


def read_certificate(body: bytes) -> str:
    """What is sealed for print, PEM."""
    return _root(body, "encryption-certificate").text or ""


def read_delivered(body: bytes) -> Delivered:
    """The answer to a letter."""
    root = _root(body, "message-delivery")
    primary = root.find(_q("primary-document"))
    if primary is None:
        _refuse("no primary document")
    hashes: dict[str, str] = {}
    for document in (primary, *root.iterfind(_q("attachment"))):
        told = document.find(_q("content-hash"))
        if told is not None and told.get("hash-algorithm") == "SHA256":
            hashes[_required(document, "uuid")] = told.text or ""
    return Delivered(_required(root, "delivery-method"), _required(root, "status"), _required(primary, "uuid"), hashes)


def read_status(body: bytes) -> DocumentStatus:
    """What is known of a document."""
    root = _root(body, "document-status")
    hashes = {
        one.get("uuid", ""): one.get("content-hash", "")
        for one in (root, *root.iterfind(_q("attachments")))
        if one.get("content-hash-algorithm") == "SHA256"
    }
    read = root.get("read")
    return DocumentStatus(
        status=root.get("status", ""),
        channel=root.get("channel", ""),
        read=read == "Y" if read is not None else None,
        hashes=hashes,
        delivered=_at(delivered) if (delivered := root.get("delivered")) is not None else None,
    )


def read_events(body: bytes) -> tuple[Event, ...]:
    """A page of events, each as it came."""
    return tuple(_event(element) for element in _root(body, "document-events").iterfind(_EVENT))


def read_refusal(body: bytes) -> Refusal:
    """An error document; its type may be missing (digipost.md 8)."""
    root = _root(body, "error")
    return Refusal(_required(root, "error-code"), root.findtext(_q("error-type")))


def read_features(body: bytes) -> Mapping[str, str]:
    """What the sender may do, and its bounds, by the feature's name; empty where there is no such grant."""
    root = _root(body, "sender-information")
    if _required(root, "status") != "VALID_SENDER":
        return {}
    return {
        one.text or "": one.get("param", "") for one in root.iterfind(f"{_q('supported-features')}/{_q('feature')}")
    }


def _event(element: Element) -> Event:
    document, kind, created = (element.get(name) for name in ("uuid", "type", "created"))
    if document is None or kind is None or created is None:
        _refuse("an event without document, type or time")
    at, metadata = _at(created), element.find(_q("metadata"))
    posted = metadata.get("postmarked-date") if metadata is not None else None
    happened = _at(posted) if posted is not None else at
    return Event(document, kind, created, at, happened, etree.tostring(element, with_tail=False))


def _at(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        _refuse("a time that is none")
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _root(body: bytes, name: str) -> Element:
    root = read_xml(body)
    if root.tag != _q(name):
        _refuse("another root element")
    return root


def _required(parent: Element, name: str) -> str:
    found = parent.findtext(_q(name))
    if not found:
        _refuse("an element is missing")
    return found


def _q(name: str) -> str:
    return f"{{{API}}}{name}"


def _refuse(why: str) -> NoReturn:
    message = f"digipost: {why}"
    raise StructureError(message) from None
