"""What the operator may tell the adapter that sends reports to other services: ``config/partners/ks-produsent.toml``."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from adapters.fiks.settings import Identifier

BYTES_MAX: Final = 5_000_000
"""KS takes 5 MB in all (fiks.md 10, step 6); whether it means MiB could not be established, so the smaller one."""


@dataclass(frozen=True, slots=True)
class SenderLogin:
    """Who a municipality is at KS (``api.Login``)."""

    api_url: str
    tls_roots: tuple[Path, ...]
    integration_id: str
    integration_password: str
    maskinporten: str
    scope: str


class ReportSender(BaseModel):
    """``[[senders]]``: a municipality of ours that sends reports, its Fiks organisation and its integration there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kommunenummer: str = Field(pattern=r"^\d{4}$")
    fiks_org_id: Identifier
    integration_id: Identifier
    integration_password: str = Field(pattern=r"^(file|env):")


class KsProdusentSettings(BaseModel):
    """KS's producer API, as those who send reports see it (fiks.md 1 and 10).

    ``base_path`` stands before ``/v1`` and ``/v2``. ``maskinporten``: the section of ``gateway.toml`` whose client buys
    tokens. ``ask_after_s``: how long after a report was taken KS is asked what became of it, and from then on
    ``ask_every_s``; ``look_every_s``: how often is looked which of them are due.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    api_url: str = Field(pattern=r"^https?://[A-Za-z0-9.\[\]:-]{1,250}$")
    base_path: str = Field(default="/bekymringsmelding/api", pattern=r"^(/[a-z0-9-]+)*$")
    tls_roots: tuple[Path, ...] = ()
    maskinporten: str = "fiks"
    scope: str = "ks:fiks"
    senders: tuple[ReportSender, ...] = Field(min_length=1)
    body_bytes_max: int = Field(default=BYTES_MAX, ge=1)
    ask_after_s: tuple[float, ...] = (60.0, 300.0, 900.0)
    ask_every_s: float = Field(default=3600.0, gt=0)
    look_every_s: float = Field(default=15.0, gt=0)

    @model_validator(mode="after")
    def _each_sender_once(self) -> Self:
        twice = [number for number, count in Counter(one.kommunenummer for one in self.senders).items() if count > 1]
        if twice:
            message = f"senders: {twice[0]} is there twice"
            raise ValueError(message)
        return self

    def login(self, sender: ReportSender) -> SenderLogin:
        """The login of one of the senders."""
        return SenderLogin(
            self.api_url,
            self.tls_roots,
            sender.integration_id,
            sender.integration_password,
            self.maskinporten,
            self.scope,
        )
