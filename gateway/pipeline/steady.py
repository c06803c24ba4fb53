"""Whether this machine's clock may be believed: the wall clock is set by people and programs, the other one never."""

import time

from gateway.limits import CLOCK_JUMP_S


def running_s() -> float:
    """Seconds that nobody sets; they go on while the machine sleeps, as the wall clock does."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Steady:
    """The two clocks beside each other. After a jump nothing begins until the sweeper has made it good."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Believe the wall clock as it is now."""
        self._wall, self._running = time.time(), running_s()

    def holds(self) -> bool:
        """Whether the wall clock went as far as time did since it was last believed."""
        return abs((time.time() - self._wall) - (running_s() - self._running)) < CLOCK_JUMP_S
