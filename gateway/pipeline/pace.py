"""Letters of one carrier are begun at a steady pace, slower while reports come: however many wait, reports keep the processor."""

from dataclasses import dataclass, field

from gateway.limits import LETTERS_AT_ONCE, LETTERS_SLOWER
from gateway.spi import Clock


@dataclass(slots=True)
class Pace:
    """So many may be begun at once, and after them ``per_s`` each second; while reports come, a tenth of that."""

    per_s: float
    clock: Clock
    _left: float = LETTERS_AT_ONCE
    _at: float = field(init=False)

    def __post_init__(self) -> None:
        self._at = self.clock.monotonic()

    def room(self, *, reports_come: bool) -> int:
        """How many may be begun now."""
        now, per_s = self.clock.monotonic(), self.per_s / LETTERS_SLOWER if reports_come else self.per_s
        self._left = min(LETTERS_AT_ONCE, self._left + (now - self._at) * per_s)
        self._at = now
        return int(self._left)

    def begun(self, count: int) -> None:
        """So many are begun."""
        self._left -= count
