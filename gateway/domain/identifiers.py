"""Names of things, each with its shape checked once at the edge."""

import re
from dataclasses import dataclass
from typing import Final, NewType

from gateway.limits import PERSON_CHARS_MAX

MessageId = NewType("MessageId", str)
"""UUIDv7 in lower-case text; also the ``uuid`` of KS's producer API."""

ClientId = NewType("ClientId", str)
"""An API client: the integration id of a producer, or a case system's client id."""

_KOMMUNENUMMER: Final = re.compile(r"\d{4}", re.ASCII)
_BYDELSNUMMER: Final = re.compile(r"\d{2}", re.ASCII)
_ORGANISATION: Final = re.compile(r"\d{9}", re.ASCII)
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)
_SHOWN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{7,127}", re.ASCII)
_IDENTITY_NUMBER: Final = re.compile(r"\d{11}", re.ASCII)
_WEIGHTS: Final = (3, 2, 7, 6, 5, 4, 3, 2)
_MODULUS: Final = 11

NO_DISTRICT: Final = "00"
"""bydelsnummer of a municipality without districts (KS portal, v2)."""


@dataclass(frozen=True, slots=True, order=True)
class TenantId:
    """One child-welfare office: kommunenummer and bydelsnummer. Text form ``4601-02``."""

    kommunenummer: str
    bydelsnummer: str

    def __str__(self) -> str:
        """The form used in every table."""
        return f"{self.kommunenummer}-{self.bydelsnummer}"

    @classmethod
    def parse(cls, text: str) -> "TenantId | None":
        """From ``4601-02``; None when it is not of that form."""
        kommunenummer, dash, bydelsnummer = text.partition("-")
        if not dash or not is_kommunenummer(kommunenummer) or not is_bydelsnummer(bydelsnummer):
            return None
        return cls(kommunenummer, bydelsnummer)


def is_kommunenummer(text: str) -> bool:
    """Four digits."""
    return _KOMMUNENUMMER.fullmatch(text) is not None


def is_bydelsnummer(text: str) -> bool:
    """Two digits."""
    return _BYDELSNUMMER.fullmatch(text) is not None


def is_uuid(text: str) -> bool:
    """A UUID in its canonical lower-case text form."""
    return _UUID.fullmatch(text) is not None


def is_user_id(text: str) -> bool:
    """Whether the journal, which is kept for ever, may hold it as a person: a bounded word or two, no identity number."""
    bounded = 0 < len(text) <= PERSON_CHARS_MAX and text == text.strip() and text.isprintable()
    return bounded and _IDENTITY_NUMBER.fullmatch(text) is None


def is_shown_id(text: str) -> bool:
    """Whether it can be a report's id, as a letter or a list shows it: the portal's, Fiks IO's or ours; nobody's number."""
    return _SHOWN.fullmatch(text) is not None and _IDENTITY_NUMBER.fullmatch(text) is None


def is_organisation_number(text: str) -> bool:
    """Nine digits whose last is the modulus-11 control digit."""
    if _ORGANISATION.fullmatch(text) is None:
        return False
    control = -sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, text[:8], strict=True)) % _MODULUS
    return control == int(text[8])
