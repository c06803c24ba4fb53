"""What can go wrong at a register, or on the way to it. Each switch counts down with every question that it hits."""

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum


class RegisterFault(StrEnum):
    """The next question is hit."""

    DOWN = "down"  # 503 of a proxy in front
    SERVER_ERROR = "server-error"  # 500
    THROTTLED = "throttled"  # 429 with Retry-After
    UNAUTHORISED = "unauthorised"  # 401 to a good token
    CUT = "cut"  # the line is cut
    HANGING = "hanging"  # the answer never comes
    WRONG_PERSON = "wrong-person"  # an answer about somebody else
    NOBODY = "nobody"  # an answer about nobody
    UNKNOWN_WORDS = "unknown-words"
    INCOMPLETE = "incomplete"  # what was asked for is not all there
    GARBAGE = "garbage"  # half a document
    HUGE = "huge"  # an answer without end


class Faults:
    """Which switches are on, and how often still."""

    def __init__(self) -> None:
        self._left: Counter[RegisterFault] = Counter()

    def arm(self, fault: RegisterFault, times: int = 1) -> None:
        """Let it happen the next ``times`` times; 0 takes it away."""
        self._left[fault] = times

    def armed(self) -> Mapping[str, int]:
        """What would happen, and how often still."""
        return {fault.value: times for fault, times in (+self._left).items()}

    def take(self) -> RegisterFault | None:
        """What happens now; one time is used up."""
        fault = next(iter(+self._left), None)
        if fault is not None:
            self._left[fault] -= 1
        return fault
