"""What the operator may tell the Digipost adapter: ``config/partners/digipost.toml``."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gateway.spi import Address, Believed, limits

Pin = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
AuthenticationLevel = Literal["IDPORTEN_4", "TWO_FACTOR"]
"""Digipost's default is PASSWORD; these two are all that we ever ask for (digipost.md 4.3)."""


class LetterSender(BaseModel):
    """``[[senders]]``: an office, and the account at Digipost on whose behalf its letters are sent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kommunenummer: str = Field(pattern=r"^\d{4}$")
    bydelsnummer: str = Field(default="00", pattern=r"^\d{2}$")
    sender_id: int = Field(gt=0)

    @property
    def address(self) -> Address:
        """The office."""
        return Address(self.kommunenummer, self.bydelsnummer)


class DigipostSettings(BaseModel):
    """Digipost's sender API, version 8 (digipost.md).

    ``broker_id``: the account whose certificate signs, as a number of Digipost's. ``signing``: the section of
    ``gateway.toml`` with its key. Answers are believed by ``pins`` (SHA-256 of certificates, DER, hex) alone, or without
    pins by ``roots`` and the ``organisation_number`` that the certificate must name. ``authentication_level``:
    ``TWO_FACTOR`` where Digipost has not approved the account for ID-porten. ``letter_bytes_max``: all documents of one
    letter. ``file_size_unit_bytes``: what the account's own bound counts in, which Digipost does not say. ``events_days``: so far back events are read at a start; Digipost keeps them for 30 days. ``overlap_s``: so
    much of what was read is read again, since events may show late.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    api_url: str = Field(pattern=r"^https?://[A-Za-z0-9.\[\]:-]{1,250}$")
    tls_roots: tuple[Path, ...] = ()
    broker_id: int = Field(gt=0)
    signing: str = "digipost"
    pins: frozenset[Pin] = frozenset()
    roots: tuple[Path, ...] = ()
    organisation_number: str | None = Field(default=None, pattern=r"^\d{9}$")
    senders: tuple[LetterSender, ...] = Field(min_length=1)
    authentication_level: AuthenticationLevel = "IDPORTEN_4"
    letter_bytes_max: int = Field(default=100 * limits.MIB, gt=0)
    file_size_unit_bytes: int = Field(default=1, ge=1)
    events_every_s: float = Field(default=60.0, gt=0)
    events_page: int = Field(default=100, ge=1, le=1000)
    events_days: int = Field(default=29, ge=1, le=29)
    overlap_s: float = Field(default=600.0, ge=0)

    @model_validator(mode="after")
    def _somebody_is_believed(self) -> Self:
        if not self.pins and not (self.roots and self.organisation_number):
            message = "answers are believed by pins, or by roots and organisation_number: one of the two is needed"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _each_sender_once(self) -> Self:
        for told in ((one.address for one in self.senders), (one.sender_id for one in self.senders)):
            if any(count > 1 for count in Counter(told).values()):
                message = "senders: an office or an account is there twice"
                raise ValueError(message)
        return self

    @property
    def believed(self) -> Believed:
        """Whose certificates Digipost's answers are checked with."""
        return Believed(self.pins, self.roots, self.organisation_number)

    def sender(self, office: Address) -> LetterSender | None:
        """The account of an office."""
        return next((one for one in self.senders if one.address == office), None)
