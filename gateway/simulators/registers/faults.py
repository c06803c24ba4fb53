"""What can go wrong at a register, or on the way to it. Each switch counts down with every question that it hits."""

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
