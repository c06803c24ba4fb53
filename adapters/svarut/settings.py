"""What the operator may tell the SvarUt adapter: ``config/partners/svarut.toml``."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from gateway.spi import Address, limits

NAME: Final = "svarut"

Identifier = Annotated[
    str, Field(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"), AfterValidator(str.lower)
]


class Konto(BaseModel):
    """``[[kontoer]]``: an office of ours, and the account at SvarUt that its letters are sent from.

    ``konteringskode``: what SvarUt's bills call it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kommunenummer: str = Field(pattern=r"^\d{4}$")
    bydelsnummer: str = Field(default="00", pattern=r"^\d{2}$")
    konto_id: Identifier
    konteringskode: str | None = Field(default=None, pattern=r"^[a-zA-Z0-9_\-.øæåØÆÅ]{1,20}$")

    @property
    def address(self) -> Address:
        """The office."""
        return Address(self.kommunenummer, self.bydelsnummer)


class SvarUtSettings(BaseModel):
    """KS SvarUt's REST API, version 2 (digipost.md 10.4).

    ``base_path`` stands before ``/kontoer`` and ``/forsendelser``. ``maskinporten``: the section of ``gateway.toml`` whose
    client buys tokens. ``certificate``: SvarUt's own (PEM), which every document is sealed for; nothing is fetched.
    ``avgivende_system``: what SvarUt calls us, agreed with KS. ``letter_bytes_max``: all documents of one letter.
    ``send_s``: how long KS may take for one letter, which is why an empty answer to a question about one is no word on
    it before. ``ask_every_s``: how often SvarUt is asked what became of letters; ``opened_every_s``: whether those that
    arrived were opened.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    api_url: str = Field(pattern=r"^https?://[A-Za-z0-9.\[\]:-]{1,250}$")
    base_path: str = Field(default="/api/v2", pattern=r"^(/[a-z0-9-]+)*$")
    tls_roots: tuple[Path, ...] = ()
    maskinporten: str = "fiks"
    scope: str = "ks:fiks"
    integration_id: Identifier
    integration_password: str = Field(pattern=r"^(file|env):")
    certificate: Path
    avgivende_system: str = Field(default="Budstikke", min_length=1, max_length=100)
    kontoer: tuple[Konto, ...] = Field(min_length=1)
    letter_bytes_max: int = Field(default=300 * limits.MIB, gt=0)
    send_s: float = Field(default=960.0, gt=0)
    ask_every_s: float = Field(default=300.0, gt=0)
    opened_every_s: float = Field(default=3600.0, gt=0)

    @model_validator(mode="after")
    def _each_office_once(self) -> Self:
        if any(count > 1 for count in Counter(one.address for one in self.kontoer).values()):
            message = "kontoer: an office is there twice"
            raise ValueError(message)
        return self

    def konto(self, office: Address | None) -> Konto | None:
        """The account of an office."""
        return next((one for one in self.kontoer if one.address == office), None)
