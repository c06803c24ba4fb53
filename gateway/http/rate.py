"""How much a client may do a minute: a token bucket each."""

import math
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from enum import StrEnum
from typing import Final

from gateway import limits
from gateway.errors import ThrottledError
from gateway.http.body import Body
from gateway.observability import metrics
from gateway.spi import Clock

_MINUTE_S: Final = 60.0


class Cap(StrEnum):
    """What a client or all of them can have too much of; the label of ``budstikke_throttled``."""

    REQUESTS = "requests"  # a minute
    BYTES = "bytes"  # a minute
    WEBHOOKS = "webhooks"  # orders a minute
    IN_WORK = "in-work"  # requests of one client at once
    LONG_POLLS = "long-polls"  # of one client at once
    PLACES = "places"  # of all clients at once


_TEXTS: Final = {
    Cap.REQUESTS: "You have made more requests than your rate allows. Wait as long as Retry-After says.",
    Cap.BYTES: "You have sent or fetched more than your rate allows. Wait as long as Retry-After says.",
    Cap.WEBHOOKS: "You have set your webhook often. Wait as long as Retry-After says.",
}


class RateLimit:
    """``per_minute`` units, and as many at once after a quiet minute. Only registered clients have a bucket.

    The last thing taken may cost more than is left: then the client waits until it is paid off. So no body is ever too
    large for a bucket, and a report is delayed, never shut out.
    """

    def __init__(self, per_minute: int, clock: Clock, cap: Cap = Cap.REQUESTS) -> None:
        self._capacity = float(per_minute)
        self._clock = clock
        self._cap = cap
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, client_id: str, units: int = 1) -> None:
        """Spend, if anything is left. Raises ThrottledError with the seconds to wait."""
        level = self._level(client_id)
        if level < 1:
            metrics.THROTTLED.labels(self._cap.value).inc()
            wait_s = math.ceil((1 - level) * _MINUTE_S / self._capacity)
            raise ThrottledError(_TEXTS[self._cap], retry_after_s=wait_s)
        self.spend(client_id, units)

    def spend(self, client_id: str, units: int) -> None:
        """Spend whatever is left: for what was not known beforehand."""
        self._buckets[client_id] = (self._level(client_id) - units, self._clock.monotonic())

    def _level(self, client_id: str) -> float:
        now = self._clock.monotonic()
        level, at = self._buckets.get(client_id, (self._capacity, now))
        return min(self._capacity, level + (now - at) * self._capacity / _MINUTE_S)


class UploadQuota:
    """What clients may send a minute, in octets; a tenth of it above what may rest here unfinished."""

    def __init__(self, rate: RateLimit, over_quota: AbstractSet[str]) -> None:
        self._rate = rate
        self._over_quota = over_quota

    @contextmanager
    def charge(self, client_id: str, body: Body) -> Iterator[None]:
        """Charge the announced length before, and what came beyond it after. Raises ThrottledError."""
        weight = limits.OVER_QUOTA_WEIGHT if client_id in self._over_quota else 1
        self._rate.take(client_id, weight * (body.announced + limits.MESSAGE_OVERHEAD_BYTES))
        try:
            yield
        finally:
            self._rate.spend(client_id, weight * max(0, body.read_bytes - body.announced))
