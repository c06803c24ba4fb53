"""The broker's side of Fiks IO: queues of accounts, publishing, counting, and what became undeliverable (fiks.md 4).

An account's queue is a quorum queue with a delivery limit, so that the third failed attempt leaves it. Whatever leaves a
queue undelivered comes to one queue of the platform's own, and the broker says why: ``delivery_limit``, ``expired`` or
``rejected``.
"""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from gateway.errors import PartnerUnavailableError
from gateway.simulators.fiks.access import QUEUE
from gateway.simulators.fiks.line import Line, Take

ATTEMPTS: Final = 3


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that left an account's queue undelivered. ``reason`` is the broker's word."""

    reason: str
    konto_id: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Counts:
    """What the status API tells of an account."""

    consumers: int
    waiting: int


class Mail:
    """What the platform does at the broker. ``undeliverable`` is called once for each dead letter."""

    def __init__(self, line: Line, undeliverable: Callable[[DeadLetter], Awaitable[None]]) -> None:
        self._line = line
        self._undeliverable = undeliverable
        self._dead = f"fiksio.dead.{uuid.uuid4()}"
        self._declared: set[str] = set()
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Read dead letters for as long as the block lasts; all queues of this platform go with it.

        Raises PartnerUnavailableError.
        """
        async with self._line.open():
            async with self._line.speaking() as channel:
                await channel.declare_queue(self._dead, durable=True)
            await self._line.read(self._dead, self._read_dead)
            yield
            with contextlib.suppress(PartnerUnavailableError):
                for name in (*(QUEUE + konto_id for konto_id in self._declared), self._dead):
                    async with self._line.speaking() as channel:
                        await channel.queue_delete(name)

    async def ready(self) -> None:
        """Wait until the broker is there, as after it was away. Raises TimeoutError."""
        await self._line.ready()

    async def declare(self, konto_id: str) -> None:
        """Make an account's queue, if that was not done. Raises PartnerUnavailableError."""
        async with self._lock:
            if konto_id in self._declared:
                return
            async with self._line.speaking() as channel:
                await channel.declare_queue(
                    QUEUE + konto_id,
                    durable=True,
                    arguments={
                        "x-queue-type": "quorum",
                        "x-delivery-limit": ATTEMPTS - 1,  # counts returns: the first attempt is none
                        "x-dead-letter-exchange": "",
                        "x-dead-letter-routing-key": self._dead,
                    },
                )
            self._declared.add(konto_id)

    async def publish(self, konto_id: str, headers: Mapping[str, object], body: bytes, ttl: timedelta | None) -> None:
        """Put a message on an account's queue; it is on the broker's disk when this returns.

        Raises PartnerUnavailableError: then it may be there or not.
        """
        await self.declare(konto_id)
        message = aio_pika.Message(
            body,
            headers=dict(headers),  # type: ignore[arg-type]  # text becomes long strings; faults send other things
            expiration=ttl,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        async with self._line.speaking() as channel:
            await channel.default_exchange.publish(message, QUEUE + konto_id)

    async def counts(self, konto_id: str) -> Counts:
        """How many consumers an account has, and how many messages wait. Raises PartnerUnavailableError."""
        await self.declare(konto_id)
        async with self._line.speaking() as channel:
            queue = await channel.declare_queue(QUEUE + konto_id, passive=True)
        found = queue.declaration_result
        return Counts(found.consumer_count or 0, found.message_count or 0)

    async def consume(self, konto_id: str, take: Take) -> None:
        """Read an account of the platform's own; ``take`` acks. Raises PartnerUnavailableError."""
        await self.declare(konto_id)
        await self._line.read(QUEUE + konto_id, take)

    async def _read_dead(self, message: AbstractIncomingMessage) -> None:
        deaths = message.headers.get("x-death")
        last = deaths[0] if isinstance(deaths, list) and deaths else {}
        if isinstance(last, dict):
            headers = {name: text(value) for name, value in message.headers.items() if isinstance(value, str | bytes)}
            konto_id = text(last.get("queue", "")).removeprefix(QUEUE)
            await self._undeliverable(DeadLetter(text(last.get("reason", "")), konto_id, headers))
        await message.ack()


def text(value: object) -> str:
    """A header's value as text: long strings come as octets or text."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
