"""The adapter itself."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

import aiohttp
import structlog

from gateway.spi.facade import Facade
from gateway.spi.inbound import Inbound
from gateway.spi.outbound import Directory, Outbound, Seal


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


@dataclass(frozen=True, slots=True)
class Context:
    """What an adapter is lent. Time-outs and size bounds are set on the session."""

    clock: Clock
    session: aiohttp.ClientSession
    log: structlog.stdlib.BoundLogger


@dataclass(frozen=True, slots=True)
class Adapter:
    """A road that is open. Leave out what the partner lacks. Who sends needs a directory of keys to seal to."""

    inbound: Inbound | None = None
    outbound: Outbound | None = None
    facade: Facade | None = None
    directory: Directory | None = None
    seal: Seal = Seal.GATEWAY


SettingsT = TypeVar("SettingsT")


@dataclass(frozen=True, slots=True)
class AdapterSpec(Generic[SettingsT]):
    """How to open an adapter; found by the entry point group ``gateway.adapters``."""

    name: str
    settings: type[SettingsT]
    open: Callable[[SettingsT, Context], AbstractAsyncContextManager[Adapter]]
