"""How many requests a minute a client may make: a token bucket each."""

import math
from typing import Final

from gateway.errors import ThrottledError
from gateway.spi import Clock

_MINUTE_S: Final = 60.0


class RateLimit:
    """``per_minute`` requests, and as many at once after a quiet minute. Only registered clients have a bucket."""

    def __init__(self, per_minute: int, clock: Clock) -> None:
        self._capacity = float(per_minute)
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, client_id: str) -> None:
        """Count one request. Raises ThrottledError with the seconds to wait."""
        now = self._clock.monotonic()
        level, at = self._buckets.get(client_id, (self._capacity, now))
        level = min(self._capacity, level + (now - at) * self._capacity / _MINUTE_S)
        if level < 1:
            wait_s = math.ceil((1 - level) * _MINUTE_S / self._capacity)
            message = "You have made more requests than your rate allows. Wait as long as Retry-After says."
            raise ThrottledError(message, retry_after_s=wait_s)
        self._buckets[client_id] = (level - 1, now)
