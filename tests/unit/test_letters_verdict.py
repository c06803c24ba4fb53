"""The judge of the demonstration's letters: each breach of a promise alone makes it fail."""

from dataclasses import replace

import pytest

from gateway.demo.letters import LettersVerdict
from gateway.demo.outcome import Seen

CALLS = ("POST /identification", "POST /messages")
TICKS = ("transport", "application", "opened")
STOPPED = Seen("a", "HELD", "r18-four-eyes", "R18: To personer.", (), 0)
PLAN = Seen("a", "DELIVERED", None, None, TICKS, 1, CALLS)
HIDDEN = Seen("b", "HELD", "r05-strictly-confidential-letter", "R05: Strengt fortrolig.", (), 0)
DOUBTFUL = Seen("c", "DELIVERED", None, None, TICKS[:2], 1, CALLS)
KEPT = LettersVerdict(STOPPED, STOPPED, PLAN, HIDDEN, DOUBTFUL, answer_lost=True)


def test_the_control_holds():
    assert KEPT.holds
    assert KEPT.letters == (PLAN, HIDDEN, DOUBTFUL)


BREACHES = {
    "never stopped": {"stopped": replace(PLAN, ticks=())},
    "stopped, and there": {"stopped": replace(STOPPED, there=1)},
    "one person was enough": {"by_one": replace(STOPPED, state="ACCEPTED", hold=None)},
    "there after one person": {"by_one": replace(STOPPED, there=1)},
    "the plan lost": {"plan": replace(PLAN, there=0)},
    "the plan twice": {"plan": replace(PLAN, there=2)},
    "the plan sent twice": {"plan": replace(PLAN, calls=(*CALLS, "POST /messages"))},
    "not seen taken": {"plan": replace(PLAN, ticks=TICKS[1:])},
    "not seen delivered": {"plan": replace(PLAN, ticks=TICKS[::2])},
    "not seen opened": {"plan": replace(PLAN, ticks=TICKS[:2])},
    "the hidden one left": {"hidden": replace(HIDDEN, state="DELIVERED", hold=None)},
    "held by another rule": {"hidden": replace(HIDDEN, hold="r18-four-eyes")},
    "held without its reason": {"hidden": replace(HIDDEN, text=None)},
    "the hidden one there": {"hidden": replace(HIDDEN, there=1)},
    "the carrier was asked about her": {"hidden": replace(HIDDEN, calls=CALLS[:1])},
    "the doubtful one lost": {"doubtful": replace(DOUBTFUL, there=0)},
    "the doubtful one twice": {"doubtful": replace(DOUBTFUL, there=2)},
    "the doubtful one sent again": {"doubtful": replace(DOUBTFUL, calls=(*CALLS, "POST /messages"))},
    "the doubtful one never delivered": {"doubtful": replace(DOUBTFUL, state="UNCERTAIN")},
    "no answer was lost": {"answer_lost": False},
}


@pytest.mark.parametrize("breach", BREACHES.values(), ids=BREACHES)
def test_any_breach_alone_makes_it_fail(breach):
    verdict = replace(KEPT, **breach)
    assert not verdict.holds
    assert len(verdict.breaches) == 1
