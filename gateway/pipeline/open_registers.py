"""The registers of people that are open here, and what is remembered of Folkeregisteret's answers (rule R08)."""

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway import limits
from gateway.errors import ConfigError
from gateway.spi import Adapter, Clock, ContactRegister, PopulationRegister, Resident


@dataclass(slots=True)
class ResidentMemory:
    """Answers by pseudonym, in memory alone, the oldest first. Both clocks count: one of them may stand still, or jump."""

    _known: OrderedDict[str, tuple[float, Resident]] = field(default_factory=OrderedDict, repr=False)

    def find(self, pseudonym: str, clock: Clock) -> Resident | None:
        """What was answered so lately that it may still be used."""
        self._forget(clock)
        found = self._known.get(pseudonym)
        if found is None or not _is_fresh(found[1].asked_at, clock.now()):
            return None
        return found[1]

    def keep(self, pseudonym: str, resident: Resident, clock: Clock) -> None:
        """Remember an answer; the oldest one makes room."""
        self._known.pop(pseudonym, None)
        self._known[pseudonym] = (clock.monotonic(), resident)
        while len(self._known) > limits.RESIDENTS_KEPT_MAX:
            self._known.popitem(last=False)

    def _forget(self, clock: Clock) -> None:
        while self._known:
            kept_at, _ = next(iter(self._known.values()))
            if clock.monotonic() - kept_at < limits.RESIDENT_KEEP_S:
                return
            self._known.popitem(last=False)


def _is_fresh(asked_at: datetime, now: datetime) -> bool:
    return timedelta(0) <= now - asked_at < timedelta(seconds=limits.RESIDENT_KEEP_S)


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
