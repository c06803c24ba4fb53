"""How long to wait before the next try: doubling from the first to the longest wait, a fifth of jitter either way."""

import random
from typing import Final

from gateway.pipeline.environment import Environment

_JITTER: Final = 0.2
_DOUBLINGS_MAX: Final = 32  # far past the longest wait; keeps the power finite


def backoff_s(env: Environment, attempt: int) -> float:
    """Seconds to wait after this attempt (1 for the first)."""
    settings = env.settings.engine
    wait: float = min(settings.backoff_first_s * 2.0 ** min(attempt - 1, _DOUBLINGS_MAX), settings.backoff_max_s)
    return wait * jitter()


def jitter() -> float:
    """A factor that keeps those who failed together from coming back together."""
    return random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311  jitter is no secret
