"""When a rule is asked: the law that it follows begins and ends on days."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

ALWAYS: Final = frozenset({"R05", "R15"})
"""Asked on every day, whatever period stands beside them: a strictly confidential address can cost a life, and nothing is ever
printed by itself."""


@dataclass(frozen=True, slots=True)
class Period:
    """The first and the last day on which a rule is asked."""

    valid_from: date
    valid_to: date = date.max

    def has(self, day: date) -> bool:
        """Whether the day is within it."""
        return self.valid_from <= day <= self.valid_to


def asked(guards: Iterable[str], periods: Mapping[str, Period], day: date) -> tuple[str, ...]:
    """Those of the rules that are asked on this day, in their order. A rule of which no period is known is always asked."""
    return tuple(name for name in guards if name in ALWAYS or name not in periods or periods[name].has(day))
