"""The real thing behind the ports that tests and simulations replace."""

import asyncio
import time
from datetime import UTC, datetime


class SystemClock:
    """This machine's time (``spi.Clock``)."""

    def now(self) -> datetime:
        """Wall time, aware, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)
