"""The adapter itself."""

import ssl
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import aiohttp
import structlog

from gateway.errors import ConfigError
from gateway.spi.enveloping import Envelopes
from gateway.spi.facade import Facade
from gateway.spi.inbound import Address, Blobs, Inbound, Stage
from gateway.spi.outbound import Awaited, Directory, Outbound, PersonKeys, Seal
from gateway.spi.registers import ContactRegister, PopulationRegister
from gateway.spi.signing import Believed, Signer
from gateway.spi.watch import Watch


class Clock(Protocol):
    """Time as a port, so that a simulation can replace it."""

    def now(self) -> datetime:
        """Wall time, aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class Tokens(Protocol):
    """Access tokens of one kind from Maskinporten: fetched when needed, by one caller for all, and kept while they live."""

    async def token(self) -> str:
        """A token that lives for a while yet.

        Raises PartnerUnavailableError when there is none to be had now, PartnerRefusedError when Maskinporten says no:
        its text holds Maskinporten's own code.
        """
        ...

    def refused(self, token: str) -> None:
        """The partner did not take this one: it is not given out again."""
        ...


def _no_tokens(name: str, _scope: str) -> Tokens:
    message = f"maskinporten: nothing is configured under the name {name}"
    raise ConfigError(message)


def _no_signer(name: str, _believed: Believed) -> Signer:
    message = f"signing: nothing is configured under the name {name}"
    raise ConfigError(message)


def _no_envelopes(certificate: Path) -> Envelopes:
    message = f"{certificate.name}: no certificates can be read here"
    raise ConfigError(message)


def _no_secret(reference: str) -> str:
    message = f"{reference}: no secrets can be read here"
    raise ConfigError(message)


def _public_roots(_roots: Sequence[Path]) -> ssl.SSLContext:
    return ssl.create_default_context()


def _opens_nothing(_address: Address, _certificate: str) -> bool:
    return False


async def _nothing_awaited() -> Sequence[Awaited]:
    return ()


async def _nothing_told(_references: Collection[str]) -> Mapping[str, frozenset[Stage]]:
    return {}


@dataclass(frozen=True, slots=True)
class Context:
    """What an adapter is lent. Time-outs and size bounds are set on the session.

    ``tokens``: by the name of a section ``[maskinporten.<name>]`` and scope. ``secret``: what a reference stands for,
    read anew at each call, so that it can be changed without a stop; raises ConfigError. ``tls``: for calls to a server
    whose certificate goes back to these roots (paths as configured), or to a public one where none are given.
    ``opens``: whether what is sealed for this certificate (PEM) can be opened by a key of that office. ``types``: our
    message type by its identifier on this channel (``[kanal.<adapter>]`` of the type). ``awaiting``: parcels that the
    partner took over this road and whose end is not known, for an adapter that must ask for receipts. ``told``: of these
    references of the partner's, those of parcels that went over this road, each with the stages that are known of its
    letter already. ``signs``: by the name of a section ``[signing.<name>]``, for a partner with such certificates; raises
    ConfigError. ``envelopes``: sealing for the certificate in this file (PEM, path as configured); raises ConfigError.
    ``unopened``: letters of the last months that have arrived over this road and of which nobody has told that they were
    opened, for an adapter that must ask for it.
    """

    clock: Clock
    session: aiohttp.ClientSession
    log: structlog.stdlib.BoundLogger
    tokens: Callable[[str, str], Tokens] = _no_tokens
    secret: Callable[[str], str] = _no_secret
    tls: Callable[[Sequence[Path]], ssl.SSLContext] = _public_roots
    opens: Callable[[Address, str], bool] = _opens_nothing
    types: Mapping[str, str] = field(default_factory=dict)
    awaiting: Callable[[], Awaitable[Sequence[Awaited]]] = _nothing_awaited
    signs: Callable[[str, Believed], Signer] = _no_signer
    told: Callable[[Collection[str]], Awaitable[Mapping[str, frozenset[Stage]]]] = _nothing_told
    envelopes: Callable[[Path], Envelopes] = _no_envelopes
    unopened: Callable[[], Awaitable[Sequence[Awaited]]] = _nothing_awaited


@dataclass(frozen=True, slots=True)
class Adapter:
    """A road that is open. Leave out what the partner lacks.

    Who sends needs a directory of keys to seal to, unless it carries letters (``Seal.LETTER``). ``notices``: every word of
    ours that shows outside a letter, as in a notice by e-mail; held against the words that may not (rule R17).
    ``receives_for``: the offices whose messages come over it; a start is refused where one is not configured, because
    what comes for it could not be stored. ``contacts`` and ``population``: registers that the rules ask; one of each
    at most in an installation. ``person_keys``: of a road that seals letters for their readers' own keys.
    """

    inbound: Inbound | None = None
    outbound: Outbound | None = None
    facade: Facade | None = None
    directory: Directory | None = None
    seal: Seal = Seal.GATEWAY
    blobs: Blobs | None = None
    watch: Watch | None = None
    contacts: ContactRegister | None = None
    population: PopulationRegister | None = None
    receives_for: Sequence[Address] = ()
    notices: Sequence[str] = ()
    person_keys: PersonKeys | None = None


SettingsT = TypeVar("SettingsT")


@dataclass(frozen=True, slots=True)
class AdapterSpec(Generic[SettingsT]):
    """How to open an adapter; found by the entry point group ``gateway.adapters``."""

    name: str
    settings: type[SettingsT]
    open: Callable[[SettingsT, Context], AbstractAsyncContextManager[Adapter]]
