"""Whom Digipost knows, and what it says of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Final
from urllib.parse import quote

from lxml import etree

from gateway.simulators.digipost.answers import MEDIA_TYPE, Element, node, text, written

_FOUND_MAX: Final = 10


class Kind(StrEnum):
    """What a person is. Digipost knows of users alone: it looks neither into KRR nor at who may know an address."""

    USER = "user"
    NOT_USER = "not-user"
    RESERVED = "reserved"  # a user who wants no letters of ours here: it is delivered all the same
    BLOCKED = "blocked"  # no user; nobody may see the address, and what is sent is printed with it all the same


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody by national identity number; ``key`` (PEM) and its id: what is sealed for a user; ``name``: to be searched for."""

    number: str
    kind: Kind
    key: str | None = None
    key_id: str = ""
    name: str = ""

    @property
    def address(self) -> str:
        """Where a user is found in Digipost."""
        return f"{'.'.join(self.name.casefold().split())}#{self.number[:4]}"

    @property
    def has_account(self) -> bool:
        """Whether letters arrive."""
        return self.kind in {Kind.USER, Kind.RESERVED}


def identified(number: str, person: Person | None) -> Element:
    """The answer to an identification (digipost.md 5)."""
    if person is None:
        valid = len(number) == len("01017012345") and number.isascii() and number.isdecimal()
        if not valid:
            reason = text("invalid-reason", "INVALID_PERSONAL_IDENTIFICATION_NUMBER")
            return node("identification-result", text("result", "INVALID"), reason)
        return node("identification-result", text("result", "UNIDENTIFIED"), text("unidentified-reason", "NOT_FOUND"))
    if person.has_account:
        return node("identification-result", text("result", "DIGIPOST"))
    alias = text("person-alias", f"alias#{person.number[:4]}")
    return node("identification-result", text("result", "IDENTIFIED"), alias)


def identified_with_key(number: str, person: Person | None) -> bytes:
    """The same with the user's key."""
    key: etree._Element | None = None
    if person is not None and person.has_account and person.key is not None:
        key = text("encryption-key", person.key, key_id=person.key_id)
    return written(node("identification-result-with-encryption-key", identified(number, person), key))


def searched(people: Iterable[Person], asked: str) -> bytes:
    """The users whose names have all words that are asked for, ten of them at most. For people who choose, never for programs."""
    found = islice(_named(people, asked), _FOUND_MAX)
    return written(node("recipients", *(_recipient(one) for one in found)))


def suggested(people: Iterable[Person], asked: str, base: str) -> bytes:
    """What could be searched for, each with the link to do so."""
    names = sorted({one.name for one in _named(people, asked)})[:_FOUND_MAX]
    return written(node("autocomplete", *(_suggestion(name, base) for name in names)))


def _named(people: Iterable[Person], asked: str) -> Iterable[Person]:
    words = asked.casefold().split()
    return (one for one in people if words and one.has_account and all(word in one.name.casefold() for word in words))


def _recipient(person: Person) -> Element:
    first, _, last = person.name.rpartition(" ")
    names = (text("firstname", first or last), text("lastname", last))
    return node("recipient", *names, text("digipost-address", person.address))


def _suggestion(name: str, base: str) -> Element:
    where = f"{base}/recipients/search/{quote(name)}"
    link = node("link", rel=f"{base}/relations/search", uri=where, media_type=MEDIA_TYPE)
    return node("suggestion", text("search-string", name), link)
