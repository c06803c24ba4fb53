"""The registers of people that are open here, and what is remembered of Folkeregisteret's answers (rule R08)."""

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway import limits
from gateway.errors import ConfigError
from gateway.spi import Adapter, Clock, ContactRegister, PopulationRegister, Resident


@dataclass(frozen=True, slots=True)
class Remembered:
    """An answer and when it came, by both clocks: one of them stands still while a machine sleeps, the other may jump."""

    resident: Resident
    monotonic_s: float
    at: datetime

    def is_fresh(self, clock: Clock) -> bool:
        """Whether it may still be used."""
        by_wall = clock.now() - self.at
        on_time = timedelta(0) <= by_wall < timedelta(seconds=limits.RESIDENT_KEEP_S)
        return on_time and clock.monotonic() - self.monotonic_s < limits.RESIDENT_KEEP_S


@dataclass(slots=True)
class ResidentMemory:
    """Answers by pseudonym, in memory alone, the oldest first."""

    _known: OrderedDict[str, Remembered] = field(default_factory=OrderedDict, repr=False)

    def find(self, pseudonym: str, clock: Clock) -> Resident | None:
        """What was answered so lately that it may still be used; all that may not is forgotten."""
        while self._known and not next(iter(self._known.values())).is_fresh(clock):
            self._known.popitem(last=False)
        found = self._known.get(pseudonym)
        return found.resident if found is not None and found.is_fresh(clock) else None

    def keep(self, pseudonym: str, resident: Resident, clock: Clock) -> None:
        """Remember an answer; the oldest one makes room."""
        self._known[pseudonym] = Remembered(resident, clock.monotonic(), clock.now())
        while len(self._known) > limits.RESIDENTS_KEPT_MAX:
            self._known.popitem(last=False)


@dataclass(slots=True)
class OpenRegisters:
    """One register of each kind at most: with two, nobody could say which of them is right."""

    contacts: tuple[str, ContactRegister] | None = None
    population: tuple[str, PopulationRegister] | None = None
    remembered: ResidentMemory = field(default_factory=ResidentMemory, repr=False)

    def open(self, name: str, adapter: Adapter) -> None:
        """An adapter of this name is ready. Raises ConfigError."""
        if adapter.contacts is not None:
            _require_none(self.contacts, name, "contacts")
            self.contacts = (name, adapter.contacts)
        if adapter.population is not None:
            _require_none(self.population, name, "population")
            self.population = (name, adapter.population)


def _require_none(opened: tuple[str, object] | None, name: str, kind: str) -> None:
    if opened is not None:
        message = f"adapters: {opened[0]} and {name} are both registers of {kind}; one of them at most"
        raise ConfigError(message)
