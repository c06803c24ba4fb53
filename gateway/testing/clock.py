"""A clock that a test turns by hand; sleeping moves it."""

import asyncio
from datetime import UTC, datetime, timedelta


class HandClock:
    """``spi.Clock`` for tests. Monotonic time begins at zero."""

    def __init__(self, start: datetime | None = None) -> None:
        self._start = start or datetime.now(UTC)
        self._passed_s = 0.0

    def now(self) -> datetime:
        """Wall time, aware, UTC."""
        return self._start + timedelta(seconds=self._passed_s)

    def monotonic(self) -> float:
        """Seconds since the beginning."""
        return self._passed_s

    async def sleep(self, seconds: float) -> None:
        """Let the time pass at once, and others run."""
        self.turn(seconds)
        await asyncio.sleep(0)

    def turn(self, seconds: float) -> None:
        """Let time pass."""
        self._passed_s += seconds
