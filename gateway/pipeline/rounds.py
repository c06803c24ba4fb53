"""What is done again and again beside the messages: a round, a pause, until told to stop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager

import structlog

from gateway.errors import StoreError


async def every(
    pause_s: float, stop: asyncio.Event, log: structlog.stdlib.BoundLogger, work: Callable[[], Awaitable[object]]
) -> None:
    """One round now, and one after each pause. A store that cannot be used now is used in the next round."""
    while not stop.is_set():
        try:
            await work()
        except StoreError as error:
            log.warning("store.unavailable", code=error.code)
        try:
            async with asyncio.timeout(pause_s):
                await stop.wait()
        except TimeoutError:
            continue


@asynccontextmanager
async def beside(endless: Coroutine[object, object, None]) -> AsyncIterator[None]:
    """Run something endless until the context ends. What it raises ends the context, too."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(endless)
        try:
            yield
        finally:
            task.cancel()
