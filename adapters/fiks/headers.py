"""The headers of a Fiks IO delivery (fiks.md 4.3), read strictly and within bounds; nothing that comes makes this raise.

Values are AMQP long strings, octets or text, in UTF-8. Custom headers of a sender keep their prefix, so that they cannot
pass for what the platform or the gateway says; only those that mean something to us lose it. What cannot be read is a
fault, told by a code, and the delivery is taken all the same.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final

MELDING_ID: Final = "melding-id"
TYPE: Final = "type"
AVSENDER_ID: Final = "avsender-id"
SVAR_TIL: Final = "svar-til"
DOKUMENTLAGER_ID: Final = "dokumentlager-id"
KORRELASJON: Final = "klientKorrelasjonsId"
"""The dialogue's id, which every answer carries on."""
TTL: Final = "ttl-ms"
"""Ours, for the property ``expiration``: how long the message may wait in its queue, milliseconds."""
MALFORMED: Final = "malformed:"
"""Before the name of a header whose text is not what it must be; kept for the person who looks."""

MISSING: Final = "header-missing"
UNREADABLE: Final = "header-malformed"
OVERSIZED: Final = "header-oversized"

HEADERS_MAX: Final = 64  # custom ones that are kept
NAME_CHARS_MAX: Final = 128
VALUE_CHARS_MAX: Final = 512

_PREFIX: Final = "egendefinert-header."
_REQUIRED: Final = frozenset({MELDING_ID, TYPE, AVSENDER_ID})
_IDENTIFIERS: Final = frozenset({MELDING_ID, AVSENDER_ID, SVAR_TIL, DOKUMENTLAGER_ID})
_KNOWN: Final[Mapping[str, tuple[str, ...]]] = {
    **{
        name: (name,)
        for name in (MELDING_ID, TYPE, AVSENDER_ID, "avsender-navn", SVAR_TIL, "svar-til-type", DOKUMENTLAGER_ID)
    },
    "klientMeldingId": (f"{_PREFIX}klientMeldingId",),
    # Java clients knew only the second spelling until 2026-03-30, and send both since.
    KORRELASJON: (f"{_PREFIX}{KORRELASJON}", f"{_PREFIX}klientKorrelasjonId"),
    # Whether the portal's two have the prefix on the wire could not be established (fiks.md 9).
    "bydel-ressurs-id": (f"{_PREFIX}bydel-ressurs-id", "bydel-ressurs-id"),
    "bekymringsmelding-id": (f"{_PREFIX}bekymringsmelding-id", "bekymringsmelding-id"),
}
_SPELLINGS: Final = frozenset(spelling for spellings in _KNOWN.values() for spelling in spellings)
_NOTHING: Final = (None, "", b"")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_MILLISECONDS: Final = re.compile(r"[0-9]{1,15}")


@dataclass(frozen=True, slots=True)
class Headers:
    """What could be read, under one spelling each, and the first fault found. Identifiers are UUIDs in lower case."""

    values: Mapping[str, str]
    fault: str | None = None


def read_headers(table: object, expiration: object) -> Headers:
    """Read a message's header table and its property ``expiration``, whatever they are."""
    table = table if isinstance(table, Mapping) else {}
    values: dict[str, str] = {}
    faults: list[str] = []
    for name, spellings in _KNOWN.items():
        given = next((table[spelling] for spelling in spellings if table.get(spelling) not in _NOTHING), None)
        if given is not None:
            _take(values, faults, name, given)
        elif name in _REQUIRED:
            faults.append(MISSING)
    values.update(islice(_others(table), HEADERS_MAX))
    ttl = _text(expiration)
    if ttl is not None and _MILLISECONDS.fullmatch(ttl):
        values[TTL] = ttl
    return Headers(values, faults[0] if faults else None)


def _take(values: dict[str, str], faults: list[str], name: str, given: object) -> None:
    text = _text(given)
    if text is None:
        faults.append(UNREADABLE)
    elif len(text) > VALUE_CHARS_MAX:
        faults.append(OVERSIZED)
    elif name in _IDENTIFIERS and _UUID.fullmatch(text) is None:
        faults.append(UNREADABLE)
        values[MALFORMED + name] = text
    else:
        values[name] = text.lower() if name in _IDENTIFIERS else text


def _others(table: Mapping[object, object]) -> Iterator[tuple[str, str]]:
    """Custom headers that mean nothing to us: kept if they can be, and never in the way of a report."""
    for name, given in table.items():
        if not isinstance(name, str) or not name.startswith(_PREFIX) or name in _SPELLINGS:
            continue
        text = _text(given)
        if text is None or len(text) > VALUE_CHARS_MAX or len(name) > NAME_CHARS_MAX or _text(name) is None:
            continue
        yield name, text


def _text(given: object) -> str | None:
    """Text without control characters; None if it is anything else. A lone surrogate is no character."""
    try:
        text = given.decode() if isinstance(given, bytes | bytearray) else given
    except UnicodeDecodeError:
        return None
    if not isinstance(text, str):
        return None
    plain = not any(unicodedata.category(char) in {"Cc", "Cs"} for char in text[: VALUE_CHARS_MAX + 1])
    return text if plain else None
