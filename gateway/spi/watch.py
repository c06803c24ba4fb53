"""What a road sees of its own health, and of what its partner says of it."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from gateway.spi.inbound import Address


class Trouble(StrEnum):
    """What can be wrong with a road that is fetched from. Each is an alarm with a runbook of this name."""

    NOT_CONSUMING = "road-not-consuming"  # the partner sees nobody fetching, though we believe we do
    BACKLOG = "road-backlog"  # what waits at the partner grows
    REFUSED = "road-access-refused"  # the partner does not let us in
    UNREACHABLE = "road-unreachable"  # connecting fails, again and again
    KEY_DIFFERS = "road-key-differs"  # others seal for a key that is not ours, or not the one we pinned
    SILENT = "road-silent"  # nothing came for longer than is usual


@dataclass(frozen=True, slots=True)
class Observation:
    """Something is wrong, or is well again. ``subject``: whom it concerns, an id without personal data."""

    trouble: Trouble
    subject: str
    well: bool


@dataclass(frozen=True, slots=True)
class Figures:
    """What the partner says of one account of ours: how many messages wait there, how many consumers it sees."""

    address: Address
    account: str
    waiting: int
    consumers: int


class Watch(Protocol):
    """A road that looks after itself."""

    def observations(self) -> AsyncGenerator[Observation | Figures, None]:
        """What it sees, as it sees it, for ever. The same one again is harmless."""
        ...
