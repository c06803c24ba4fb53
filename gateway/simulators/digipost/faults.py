"""What can go wrong at Digipost, or on the way to it. Each switch counts down with every time that it happens."""

from enum import StrEnum


class DigipostFault(StrEnum):
    """``LOST_ANSWER`` and ``CLOSING_ACCOUNT`` wait for the next letter; the others hit the next request but the root's."""

    UNSIGNED_503 = "unsigned-503"  # a proxy in front, that knows no signatures
    UNSIGNED_404 = "unsigned-404"  # the same, or somebody who wants a letter printed
    THROTTLED = "throttled"  # 429 with Retry-After
    SERVER_ERROR = "server-error"  # 500, signed
    WRONG_CLOCK = "wrong-clock"  # well signed, of six minutes ago
    WRONG_HASH = "wrong-hash"
    GZIP = "gzip"  # packed, and the hash over what is packed
    CHUNKED = "chunked"  # without length and hash: the official client takes it (digipost.md 2.3), we do not
    SLOW_BODY = "slow-body"  # octet by octet, until whoever asked has had enough
    CUT = "cut"  # the line is cut before anything was done
    LOST_ANSWER = "lost-answer"  # the letter is taken, and the line is cut instead of the answer
    CLOSING_ACCOUNT = "closing-account"  # the person closes the account just before the letter
    UNKNOWN_EVENT = "unknown-event"  # the next page of events has one of a type that nobody has heard of
