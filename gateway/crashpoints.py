"""The places where a process may die, numbered, so that tests can kill it exactly there.

One ``Point`` per commit and per outside call; each has a side BEFORE and a side AFTER. Reaching one costs a global
look-up and does nothing unless ``gateway.testing.crash`` installed a hook, which production never does (S86).
"""

from collections.abc import Callable
from enum import StrEnum, unique


class Side(StrEnum):
    """Before the commit or call, or after it returned and before anything else happens."""

    BEFORE = "before"
    AFTER = "after"


@unique
class Point(StrEnum):
    """Every commit and outside call. ``store.write`` takes one, so no commit can lack its point."""

    SPOOL_WRITTEN = "spool-written"  # the payload file is durable, its row is not
    ACCEPT = "accept"  # intake: message, payloads, journal, effect
    CLAIM_WORK = "claim-work"  # a worker takes a lease
    BEGIN_ATTEMPT = "begin-attempt"  # the attempt row, just before the work
    FETCHED = "fetched"  # what did not come with the delivery
    OPENED = "opened"  # opened, verified, validated: READY and its neighbours
    OFFER = "offer"  # the case system claims
    CONFIRM = "confirm"  # read-back right
    REJECT = "reject"  # the case system cannot take it
    SHOW = "show"  # evidence of a view, before the first byte
    CASE_EVENT = "case-event"  # what moves clocks
    RECEIPT = "receipt"  # the business receipt is out
    RING = "ring"  # the webhook call
    RUNG = "rung"  # the webhook's outcome
    FAILED = "failed"  # an effect failed: back-off, quarantine or parking
    SWEEP = "sweep"  # leases, claims, alarms
    NUMBER = "number"  # journal rows become leaves, and their head is signed
    PERSON = "person"  # a named person decides
    ADMIN = "admin"  # clients, webhooks, incarnations
    SUBMIT = "submit"  # outbound: accepted from the case system
    CLEARED = "cleared"  # outbound: guards passed or stopped
    SEALED = "sealed"  # outbound: parcel built and stored
    SEND = "send"  # outbound: the partner is called
    SENT = "sent"  # outbound: its outcome
    ASK = "ask"  # outbound: the partner is asked
    ASKED = "asked"  # outbound: its answer
    RECEIPT_IN = "receipt-in"  # outbound: what a partner says became of a parcel
    WITHDRAW = "withdraw"  # outbound: the case system takes it back


Hook = Callable[[Point, Side], None]

_hook: Hook | None = None


def crashpoint(point: Point, side: Side) -> None:
    """Die here if a test asked for it; otherwise nothing."""
    if _hook is not None:
        _hook(point, side)


def install(hook: Hook | None) -> None:
    """Make every point call ``hook``, or none again. For ``gateway.testing.crash`` alone."""
    global _hook  # noqa: PLW0603  one process-wide switch, set before the first point is passed
    _hook = hook


def armed() -> bool:
    """Whether a hook is installed."""
    return _hook is not None
