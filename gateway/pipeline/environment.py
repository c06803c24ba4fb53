"""What every verb needs, handed in once by ``app.py``: no verb reaches for a global."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Protocol

import aiohttp
import structlog

from gateway.config import Brev, Mottaker, Settings
from gateway.crypto.certificates import TrustPolicy
from gateway.domain.deadlines import OSLO, ClockFacts, ClockReading, ClockRule, read_clocks
from gateway.domain.message_type import MessageType
from gateway.domain.retention import RetentionPolicy
from gateway.letters.reader import Reader
from gateway.pipeline.heads import HeadKeeper
from gateway.pipeline.offices import Offices
from gateway.pipeline.right_of_way import GivingStore, RightOfWay
from gateway.pipeline.roads import Roads
from gateway.pipeline.shred_list import ShredList
from gateway.pipeline.vault import Vault
from gateway.spi import Clock
from gateway.store.database import Store
from gateway.store.messages import micros


class Flaw(Protocol):
    """One way a document breaks its schema; ``path`` is made from names the schema knows, never from content."""

    @property
    def path(self) -> str:
        """JSON pointer."""
        ...

    @property
    def rule(self) -> str:
        """The schema's keyword that was broken."""
        ...


class MessageTypes(Protocol):
    """The message types known here; ``gateway.catalogue`` is one."""

    def type(self, key: str) -> MessageType:
        """By name and version. Raises UnknownMessageTypeError."""
        ...

    def flaws(self, key: str, document: object) -> Sequence[Flaw]:
        """How a document breaks its type's schema."""
        ...


@dataclass(frozen=True, slots=True)
class Environment:
    """The ports and parts of one running gateway."""

    settings: Settings
    store: Store
    vault: Vault
    offices: Offices
    types: MessageTypes
    rules: Mapping[str, ClockRule]
    trust: TrustPolicy
    clock: Clock
    egress: aiohttp.ClientSession
    log: structlog.stdlib.BoundLogger
    roads: Roads = field(default_factory=Roads)
    heads: HeadKeeper | None = None
    shred_list: ShredList | None = None
    brev: Brev = field(default_factory=Brev)
    mottakere: Mapping[str, Mottaker] = field(default_factory=dict)
    pdfs: Reader = field(default_factory=Reader)
    right_of_way: RightOfWay = field(default_factory=RightOfWay, repr=False)
    retention: Sequence[tuple[str, RetentionPolicy]] = ()
    over_quota: set[str] = field(default_factory=set)  # clients, as ``quotas`` last measured
    fetching: asyncio.Lock = field(default_factory=asyncio.Lock)  # what did not come with its delivery
    deaf_until: dict[str, float] = field(default_factory=dict)  # clients whose webhook was silent; monotonic seconds

    def for_tenants(self, *tenants: str) -> "Environment":
        """The same gateway for work of these offices: no other's row is seen or written. Raises StoreError."""
        return replace(self, store=self.store.for_tenants(tenants))

    def giving_way(self) -> "Environment":
        """The same gateway for work that is not a concern report: each of its units lets reports that are in hand go first."""
        if isinstance(self.store, GivingStore):
            return self
        return replace(self, store=GivingStore(self.store, self.right_of_way))

    def now(self) -> int:
        """Wall time in microseconds since 1970."""
        return micros(self.clock.now())

    def today(self) -> date:
        """The day that it is in Norway."""
        return self.clock.now().astimezone(OSLO).date()

    def clocks(self, kind: MessageType, facts: ClockFacts) -> tuple[ClockReading, ...]:
        """How the clocks of a message of this type stand now."""
        return read_clocks([self.rules[name] for name in kind.frister], facts, self.clock.now())
