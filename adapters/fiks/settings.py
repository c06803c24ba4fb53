"""What the operator may tell the Fiks adapter: ``config/partners/fiks.toml``."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Final, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from adapters.fiks.protocols import Protocol, load
from gateway.spi import Address, ConfigError, limits

_FYLKER: Final = {
    "03": "Oslo",
    "11": "Rogaland",
    "15": "Møre og Romsdal",
    "18": "Nordland",
    "31": "Østfold",
    "32": "Akershus",
    "33": "Buskerud",
    "34": "Innlandet",
    "39": "Vestfold",
    "40": "Telemark",
    "42": "Agder",
    "46": "Vestland",
    "50": "Trøndelag",
    "55": "Troms",
    "56": "Finnmark",
}


def _uuid(text: str) -> str:
    return str(UUID(text))


def _known(name: str) -> str:
    try:
        return load(name).name
    except ConfigError as error:
        raise ValueError(str(error)) from None


Identifier = Annotated[str, AfterValidator(_uuid)]
"""A UUID, in lower case as the platform's queues are named."""
Pins = Annotated[tuple[Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")], ...], Field(min_length=1)]


class FiksAccount(BaseModel):
    """One account of ours on Fiks IO, and the office whose messages it carries. ``protocols``: what is spoken over it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Identifier
    kommunenummer: str = Field(pattern=r"^\d{4}$")
    bydelsnummer: str = Field(default="00", pattern=r"^\d{2}$")
    protocols: tuple[Annotated[str, AfterValidator(_known)], ...] = Field(min_length=1)

    @property
    def address(self) -> Address:
        """The office."""
        return Address(self.kommunenummer, self.bydelsnummer)

    def spoken(self) -> tuple[Protocol, ...]:
        """The protocols themselves."""
        return tuple(load(name) for name in self.protocols)


class FiksIo(BaseModel):
    """``[io]``: Fiks IO, where messages are fetched over AMQP and sent over REST (fiks.md 1, 3 to 6).

    ``tls_roots``: of the platform's servers, where no public issuer made their certificates. ``maskinporten``: the section
    of ``gateway.toml`` whose client buys tokens. ``pins``: SHA-256 (DER, hex) of the certificates that alone are sealed for,
    by account. ``connects_max`` within ``connects_window_s``. ``prefetch``: unfinished messages of one account at once; a
    crash costs each of them one of three tries. ``silence_hours``: so long without any message rings; none: never.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    api_url: str = Field(pattern=r"^https?://[A-Za-z0-9.\[\]:-]{1,250}$")
    amqp_host: str = Field(pattern=r"^[A-Za-z0-9.:-]{1,250}$")
    amqp_port: int = Field(default=5671, ge=1, le=65535)
    amqp_vhost: str = "/"
    tls_roots: tuple[Path, ...] = ()
    integration_id: Identifier
    integration_password: str = Field(pattern=r"^(file|env):")
    maskinporten: str = "fiks"
    scope: str = "ks:fiks"
    accounts: tuple[FiksAccount, ...] = Field(min_length=1)
    pins: dict[Identifier, Pins] = Field(default_factory=dict)
    allow_invalid_key: bool = False
    prefetch: int = Field(default=4, ge=1, le=10)
    heartbeat_s: int = Field(default=60, ge=10, le=600)
    connects_max: int = Field(default=5, ge=1)
    connects_window_s: float = Field(default=10.0, gt=0)
    probe_s: float = Field(default=60.0, gt=0)
    backlog_s: float = Field(default=300.0, gt=0)
    silence_hours: float | None = Field(default=None, gt=0)
    receipt_ttl_s: int = Field(default=24 * 3600, ge=1)
    dokumentlager_bytes_max: int = Field(default=5 * limits.GIB, gt=0)

    @model_validator(mode="after")
    def _each_account_once(self) -> Self:
        twice = [account for account, count in Counter(one.id for one in self.accounts).items() if count > 1]
        if twice:
            message = f"accounts: {twice[0]} is there twice"
            raise ValueError(message)
        return self

    def account(self, identifier: str) -> FiksAccount | None:
        """The account of ours with that id."""
        return next((account for account in self.accounts if account.id == identifier), None)


class FiksSettings(BaseModel):
    """``base_path`` stands before ``/v1`` and ``/v2``; ``fylker`` names counties by the first two digits.

    ``io``: Fiks IO; without it the adapter is the producer API alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_path: str = Field(default="/bekymringsmelding/api", pattern=r"^(/[a-z0-9-]+)*$")
    fylker: dict[str, str] = Field(default_factory=lambda: dict(_FYLKER))
    io: FiksIo | None = None
