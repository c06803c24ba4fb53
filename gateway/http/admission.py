"""How many requests are in work at once: in all, with a quarter kept for concern reports, and per client."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.errors import ThrottledError
from gateway.http.rate import Cap
from gateway.observability import metrics

_RETRY_S = 2


class Admission:
    """Counts requests in work of one listener. ``concern`` may use all places, others three quarters (decisions 6.8)."""

    def __init__(self, *, concurrent_max: int, per_client_max: int, cap: Cap = Cap.IN_WORK) -> None:
        self._concurrent_max = concurrent_max
        self._ordinary_max = concurrent_max - concurrent_max // 4
        self._per_client_max = per_client_max
        self._cap = cap
        self._in_work = 0
        self._by_client: Counter[str] = Counter()

    @contextmanager
    def admit(self, client_id: str, *, concern: bool) -> Iterator[None]:
        """Hold a place. Raises ThrottledError: 429 at the client's own cap, 503 when all places are taken."""
        if self._by_client[client_id] >= self._per_client_max:
            metrics.THROTTLED.labels(self._cap.value).inc()
            message = "You have too many requests in work. Wait for answers before sending more."
            raise ThrottledError(message, retry_after_s=_RETRY_S)
        if self._in_work >= (self._concurrent_max if concern else self._ordinary_max):
            metrics.THROTTLED.labels(Cap.PLACES.value).inc()
            message = "Too much is in work here now. Send it again after the time in Retry-After."
            raise ThrottledError(message, code="busy", retry_after_s=_RETRY_S)
        self._in_work += 1
        self._by_client[client_id] += 1
        try:
            yield
        finally:
            self._in_work -= 1
            self._by_client[client_id] -= 1
            if not self._by_client[client_id]:
                del self._by_client[client_id]
