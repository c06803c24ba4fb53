"""Whether it may be told at all: legal basis and purpose."""

from collections.abc import Iterator
from typing import Final

from gateway.domain.guards.facts import Facts

NO_LEGAL_BASIS: Final = "r01-no-legal-basis"
NO_PURPOSE: Final = "r01-no-purpose"
UNKNOWN_LEGAL_BASIS: Final = "r01-unknown-legal-basis"


def disclosure_has_a_basis(facts: Facts) -> Iterator[str]:
    """R01: a disclosure needs a legal basis and a purpose; one that the type cannot be sent under is for a person."""
    if not facts.discloses:
        return
    if not facts.given:
        yield NO_LEGAL_BASIS
    if not facts.purpose_given:
        yield NO_PURPOSE
    if not all(any(basis.covers(given, facts.day) for basis in facts.bases) for given in facts.given):
        yield UNKNOWN_LEGAL_BASIS
