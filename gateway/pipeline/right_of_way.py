"""Concern reports go first, also between two steps of one process: whoever does other work gives way before each step.

A processor and an interpreter cannot be taken from somebody who is using them. So the steps are short, and none but a
report's own is begun while a report is in hand.
"""

import asyncio
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TypeVar

from gateway.crashpoints import Point
from gateway.domain.message_type import Lane
from gateway.limits import GIVE_WAY_S_MAX, REPORTS_COME_S
from gateway.store.database import Store, Work

T = TypeVar("T")


class RightOfWay:
    """Which reports are in hand now: being received or opened."""

    def __init__(self) -> None:
        self._reports = 0
        self._free = asyncio.Event()
        self._free.set()
        self._last = float("-inf")  # when a report was in hand; monotonic seconds

    @contextmanager
    def report(self) -> Iterator[None]:
        """A report is in hand for as long as the block runs."""
        self._reports += 1
        self._free.clear()
        try:
            yield
        finally:
            self._reports -= 1
            self._last = time.monotonic()
            if not self._reports:
                self._free.set()

    def reports_come(self) -> bool:
        """Whether a report is in hand, or was a moment ago: then the next one is likely near."""
        return self._reports > 0 or time.monotonic() - self._last < REPORTS_COME_S

    async def give(self) -> None:
        """Wait until no report is in hand; not for ever, since one that hangs, or ever new ones, must not stop a letter."""
        if self._free.is_set():
            return
        try:
            async with asyncio.timeout(GIVE_WAY_S_MAX):
                await self._free.wait()
        except TimeoutError:
            pass


class GivingStore:
    """A store whose every unit of work gives way before it begins. See ``Store``."""

    def __init__(self, store: Store, right_of_way: RightOfWay) -> None:
        self._store = store
        self._right_of_way = right_of_way

    async def write(self, work: Work[T], point: Point, lane: Lane = Lane.ORDINARY) -> T:
        """See ``Store.write``."""
        await self._right_of_way.give()
        return await self._store.write(work, point, lane)

    async def read(self, work: Work[T]) -> T:
        """See ``Store.read``."""
        await self._right_of_way.give()
        return await self._store.read(work)

    def watch(self, queue: str) -> asyncio.Event:
        """See ``Store.watch``."""
        return self._store.watch(queue)

    def for_tenants(self, tenants: Collection[str]) -> Store:
        """See ``Store.for_tenants``."""
        return GivingStore(self._store.for_tenants(tenants), self._right_of_way)

    async def clean(self) -> None:
        """See ``Store.clean``."""
        await self._store.clean()

    async def close(self) -> None:
        """See ``Store.close``."""
        await self._store.close()
