"""Confidentiality rules (``barnevern.md`` 9): facts in, a decision out. They run before every attempt to send.

A rule stops or lets pass; it never changes what is sent. Without a stop of any rule the message may go.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class LegalBasis:
    """One paragraph of one law and the days on which it applies. ``law`` is the register's code, e.g. ``BVL2021``."""

    law: str
    paragraph: str
    valid_from: date = date.min
    valid_to: date = date.max

    def covers(self, given: "GivenBasis", day: date) -> bool:
        """Whether a stated basis is this one, on a day when it applies."""
        return (given.law, given.paragraph) == (self.law, self.paragraph) and self.valid_from <= day <= self.valid_to


@dataclass(frozen=True, slots=True)
class GivenBasis:
    """The law and paragraph that the sender states."""

    law: str
    paragraph: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rules may know of a message: no names and no text of it.

    ``discloses``: it leaves the service. ``bases``: what the message type may be sent under.
    """

    day: date
    discloses: bool
    purpose_given: bool
    given: tuple[GivenBasis, ...]
    bases: tuple[LegalBasis, ...]


@dataclass(frozen=True, slots=True)
class Allowed:
    """No rule stops it."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """A rule stops it; ``code`` names rule and reason, and has a text in ``pipeline.texts.HOLDS``."""

    code: str


Decision = Allowed | Stopped
Guard = Callable[[Facts], str | None]

NO_LEGAL_BASIS: Final = "r01-no-legal-basis"
NO_PURPOSE: Final = "r01-no-purpose"
UNKNOWN_LEGAL_BASIS: Final = "r01-unknown-legal-basis"


def disclosure_has_a_basis(facts: Facts) -> str | None:
    """R01: a disclosure needs a legal basis and a purpose; one that the type cannot be sent under is for a person."""
    if not facts.discloses:
        return None
    if not facts.given:
        return NO_LEGAL_BASIS
    if not facts.purpose_given:
        return NO_PURPOSE
    known = all(any(basis.covers(given, facts.day) for basis in facts.bases) for given in facts.given)
    return None if known else UNKNOWN_LEGAL_BASIS


GUARDS: Final[Mapping[str, Guard]] = MappingProxyType({"R01": disclosure_has_a_basis})
"""Every rule there is, by the name that the configuration lists it under."""


def decide(guards: Iterable[str], facts: Facts) -> Decision:
    """Ask the named rules in their order; the first that stops decides. The names were checked at start."""
    for name in guards:
        code = GUARDS[name](facts)
        if code is not None:
            return Stopped(code)
    return Allowed()
