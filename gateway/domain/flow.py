"""How much is under way to one partner at a time: a window that breathes, and a breaker (``reliability.md`` 5).

Pure: what happened goes in, the next state comes out. The window grows by one with each success and is halved by each
failure. When as many have failed in a row as the window now holds, the partner is down: one probe at a time, after a
wait that doubles.
"""

from dataclasses import dataclass, replace
from typing import Final

ASKED_TO_WAIT: Final = "asked-to-wait"
"""The reason that stands while a partner's own Retry-After runs; nothing but time ends it."""

_SECOND_US: Final = 1_000_000
_DOUBLINGS_MAX: Final = 32  # far past the longest wait; keeps the power finite


@dataclass(frozen=True, slots=True)
class FlowRules:
    """Sizes of the window, and waits in seconds."""

    window_first: int
    window_max: int
    backoff_first_s: float
    backoff_max_s: float
    retry_after_max_s: float


@dataclass(frozen=True, slots=True)
class Flow:
    """Where a partner stands. ``down_until`` is UTC microseconds; None: it is up. ``reason`` is a code."""

    window: int
    failures: int = 0
    probes: int = 0
    down_until: int | None = None
    reason: str | None = None

    @property
    def is_down(self) -> bool:
        """Whether only probes may go."""
        return self.down_until is not None

    def room(self, under_way: int, now: int, *, reserved: int = 0) -> int:
        """How many more may begin now, with ``reserved`` places left to others where the window is wider than that."""
        if self.down_until is not None:
            return int(now >= self.down_until and under_way == 0)
        places = self.window - reserved if self.window > reserved else self.window
        return max(0, places - under_way)


def succeeded(flow: Flow, rules: FlowRules) -> Flow:
    """The partner answered, with yes or with a final no."""
    if flow.is_down:
        return Flow(rules.window_first)
    return Flow(min(flow.window + 1, rules.window_max))


def greeted(flow: Flow, rules: FlowRules) -> Flow:
    """The partner called us: it lives. Only a wait that it asked for itself stays."""
    return flow if flow.reason == ASKED_TO_WAIT or not flow.is_down else Flow(rules.window_first)


def failed(flow: Flow, rules: FlowRules, now: int, code: str, jitter: float) -> Flow:
    """No answer, or none that helps. ``jitter`` multiplies the wait; a straggler of the same outage counts once."""
    if flow.down_until is not None and now < flow.down_until:
        return flow
    failures = flow.failures + 1
    narrowed = replace(flow, window=max(1, flow.window // 2), failures=failures)
    if not flow.is_down and failures < flow.window:
        return narrowed
    probes = flow.probes + 1 if flow.is_down else 0
    wait_s = min(rules.backoff_first_s * 2.0 ** min(probes, _DOUBLINGS_MAX), rules.backoff_max_s) * jitter
    return replace(narrowed, probes=probes, down_until=now + int(wait_s * _SECOND_US), reason=code)


def asked_to_wait(flow: Flow, rules: FlowRules, now: int, after_s: float) -> Flow:
    """The partner named a wait; it is kept, up to a bound against nonsense."""
    until = now + int(min(max(after_s, 0.0), rules.retry_after_max_s) * _SECOND_US)
    until = max(until, flow.down_until or 0)
    return replace(flow, window=max(1, flow.window // 2), down_until=until, reason=ASKED_TO_WAIT)
