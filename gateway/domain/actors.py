"""Who reads a message, to the law: from the envelope's ``aktortype`` (``barnevern.md`` 2)."""

from enum import StrEnum
from typing import Final


class Reader(StrEnum):
    """What a recipient is. The rules differ by it; a code that is in no group is ``UNKNOWN``, which may be told nothing."""

    OWN_SERVICE = "egen-tjeneste"
    PRIVATE_PERSON = "privatperson"  # parties and those near them
    REPRESENTATIVE = "representant"  # guardian, proxy, lawyer: by an authority with an end
    PRIVATE_REPORTER = "privat-melder"
    PUBLIC_BODY = "offentlig"
    PRIVATE_BODY = "privat-virksomhet"  # firms and institutions, even where they work for the service
    CARE_PROVIDER = "omsorgsgiver"  # foster homes and those who relieve them
    INFRASTRUCTURE = "infrastruktur"
    UNKNOWN = "ukjent"


def _codes(*spans: tuple[int, int]) -> frozenset[str]:
    return frozenset(f"A{number:02}" for first, last in spans for number in range(first, last + 1))


_READERS: Final = {
    Reader.OWN_SERVICE: _codes((27, 29)),
    Reader.PRIVATE_PERSON: _codes((1, 9), (11, 12), (15, 15)),
    Reader.REPRESENTATIVE: _codes((10, 10), (16, 16)),
    Reader.PRIVATE_REPORTER: _codes((13, 14)),
    Reader.CARE_PROVIDER: _codes((18, 22)),
    Reader.PRIVATE_BODY: _codes((17, 17), (23, 23), (25, 26)),
    Reader.PUBLIC_BODY: _codes((24, 24), (30, 80)),
}
CHILD_UNDER_15: Final = "A01"
ANONYMOUS_REPORTER: Final = "A14"
WITHOUT_RESPONSIBILITY: Final = "A09"


def reader_of(aktortype: str) -> Reader:
    """What an actor code stands for."""
    if aktortype.startswith("S"):
        return Reader.INFRASTRUCTURE
    return next((reader for reader, codes in _READERS.items() if aktortype in codes), Reader.UNKNOWN)
