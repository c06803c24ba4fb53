"""How long content is kept: rules that can only say "not yet" more often than the policy of an office does.

Content means everything sealed under the message's key. What the journal holds stays for ever and needs no content.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from gateway.domain.lifecycle import FINAL, State
from gateway.domain.message_type import Lane

CONCERN_DAYS_MIN: Final = 30
"""Of a concern report after the case system's confirmation, whatever a policy says (``barnevern.md`` R26)."""


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """``days`` count from the case system's confirmation, or from the message's end where that is not demanded."""

    days: int
    confirmed: bool = True


@dataclass(frozen=True, slots=True)
class Age:
    """What a decision to shred is made from; times in microseconds since 1970.

    ``confirmed_at``: when the case system's, or a person's, confirmation of this message or of the one it repeats came.
    """

    state: State
    lane: Lane
    ended_at: int
    confirmed_at: int | None


def policy_faults(policy: RetentionPolicy, lane: Lane, days_min: int) -> list[str]:
    """Why a policy may not be used for messages of this lane, whose type is kept ``days_min`` days at least."""
    least = max(days_min, CONCERN_DAYS_MIN) if lane is Lane.CONCERN else days_min
    faults = [f"kept at least {least} days"] if policy.days < least else []
    if lane is Lane.CONCERN and not policy.confirmed:
        faults.append("a concern report is kept until the case system has confirmed it")
    return faults


def may_shred(age: Age, policy: RetentionPolicy, now: int) -> bool:
    """Whether the content may go. Never before the end, and a concern report never before its confirmation."""
    concern = age.lane is Lane.CONCERN
    days = max(policy.days, CONCERN_DAYS_MIN) if concern else policy.days
    if age.state not in FINAL or policy.days < 1:
        return False
    since = age.ended_at
    if concern or policy.confirmed:
        if age.confirmed_at is None:
            return False
        since = max(since, age.confirmed_at)
    return now - since >= timedelta(days=days) // timedelta(microseconds=1)


def policy_for(kind: str, policies: Collection[tuple[str, RetentionPolicy]]) -> RetentionPolicy | None:
    """The policy of a message type, by its name without version, or None: then it is kept."""
    return next((policy for name, policy in policies if kind == name or kind.startswith(name + ".v")), None)
