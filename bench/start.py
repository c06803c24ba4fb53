"""How long the gateway takes from nothing to ready."""

from pathlib import Path

from gateway.demo.cast import assembled


async def measure_starts(folder: Path, times: int) -> list[float]:
    """Seconds from the spawn of the process until it says that it is ready, sorted."""
    async with assembled(folder) as cast:
        seconds = []
        for _ in range(times):
            seconds.append(await cast.gateway.start())
            await cast.gateway.stop()
        return sorted(seconds)
