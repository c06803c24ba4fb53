"""What can go wrong at SvarUt, or on the way to it. Each switch counts down with every time that it happens."""

from enum import StrEnum


class SvarUtFault(StrEnum):
    """The first six hit the next request; the others wait for what they are about."""

    THROTTLED = "throttled"  # 429 with Retry-After
    SERVER_ERROR = "server-error"  # 500 with KS's error body
    DOWN = "down"  # 503 of a proxy in front
    UNAUTHORISED = "unauthorised"  # 401 to a good token
    CUT = "cut"  # the line is cut before anything was done
    GARBAGE = "garbage"  # half a document
    LOST_ANSWER = "lost-answer"  # the next letter is taken, and the line is cut instead of the answer
    HANGING = "hanging"  # the next letter is taken, and the answer never comes
    GATEWAY_TIMEOUT = "gateway-timeout"  # the next letter is taken, and a proxy answers 504
    TOO_LARGE = "too-large"  # 413 to the next letter
    NOT_INDEXED = "not-indexed"  # the next look-up by reference finds nothing of what is there
    UNKNOWN_STATUS = "unknown-status"  # the next question about statuses is answered with a word of tomorrow
    REJECTED = "rejected"  # the next letter is taken, and rejected afterwards
    PRINTS = "prints"  # the next letter is printed, whatever was asked for


AT_ONCE = (
    SvarUtFault.THROTTLED,
    SvarUtFault.SERVER_ERROR,
    SvarUtFault.DOWN,
    SvarUtFault.UNAUTHORISED,
    SvarUtFault.CUT,
    SvarUtFault.GARBAGE,
)
