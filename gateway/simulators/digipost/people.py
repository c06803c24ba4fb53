"""Whom Digipost knows, and what it says of them."""

from dataclasses import dataclass
from enum import StrEnum

from lxml import etree

from gateway.simulators.digipost.answers import Element, node, text, written


class Kind(StrEnum):
    """What a person is. Digipost knows of users alone: it looks neither into KRR nor at who may know an address."""

    USER = "user"
    NOT_USER = "not-user"
    RESERVED = "reserved"  # a user who wants no letters of ours here: it is delivered all the same
    BLOCKED = "blocked"  # no user; nobody may see the address, and what is sent is printed with it all the same


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody by national identity number; ``key`` (PEM) and its id: what is sealed for a user."""

    number: str
    kind: Kind
    key: str | None = None
    key_id: str = ""

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
