"""The broker's side of Fiks IO: queues of accounts, publishing, counting, and what became undeliverable (fiks.md 4).

An account's queue is a quorum queue with a delivery limit, so that the third failed attempt leaves it. Whatever leaves a
queue undelivered comes to one queue of the platform's own, and the broker says why: ``delivery_limit``, ``expired`` or
``rejected``.
"""

import asyncio
import ssl
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from gateway.errors import PartnerUnavailableError
from gateway.simulators.fiks.access import QUEUE, Access

ATTEMPTS: Final = 3
CONNECTED_S: Final = 20.0
ANSWERED_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where the broker is. ``tls`` trusts its certificate."""

    port: int
    tls: ssl.SSLContext
    host: str = "localhost"


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
    """The platform's own connection to the broker. ``undeliverable`` is called once for each dead letter."""

    def __init__(
        self, address: BrokerAddress, access: Access, undeliverable: Callable[[DeadLetter], Awaitable[None]]
    ) -> None:
        self._address = address
        self._access = access
        self._undeliverable = undeliverable
        self._dead = f"fiksio.dead.{uuid.uuid4()}"
        self._declared: set[str] = set()
        self._connection: aio_pika.abc.AbstractRobustConnection | None = None
        self._channel: aio_pika.abc.AbstractRobustChannel | None = None
        self._lock = asyncio.Lock()

    async def open(self) -> None:
        """Connect, and begin to read dead letters. Raises PartnerUnavailableError."""
        try:
            self._connection = await aio_pika.connect_robust(
                host=self._address.host,
                port=self._address.port,
                login=self._access.operator,
                password=self._access.operator_password,
                ssl=True,
                ssl_context=self._address.tls,
                timeout=CONNECTED_S,
                reconnect_interval=0.2,
            )
            self._channel = await self._connection.channel()
            dead = await self._channel.declare_queue(self._dead, durable=True)
            await dead.consume(self._read_dead)
        except (OSError, aio_pika.exceptions.AMQPError) as error:
            message = "the broker is not reached"
            raise PartnerUnavailableError(message) from error

    async def ready(self) -> None:
        """Wait until the connection stands again, as after the broker was away. Raises TimeoutError."""
        if self._connection is not None:
            await asyncio.wait_for(self._connection.ready(), CONNECTED_S)

    async def close(self) -> None:
        """Take this platform's queues away and go."""
        if self._connection is None:
            return
        if self._channel is not None and not self._connection.is_closed and self._connection.connected.is_set():
            await self._channel.close()  # with its consumers: they would be told that their queues go
            self._channel = await self._connection.channel()
            for name in (*(QUEUE + konto_id for konto_id in self._declared), self._dead):
                await self._channel.queue_delete(name)
        await self._connection.close()

    async def declare(self, konto_id: str) -> None:
        """Make an account's queue, if that was not done. Raises PartnerUnavailableError."""
        async with self._lock:
            if konto_id in self._declared:
                return
            async with self._speaking() as channel:
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
        async with self._speaking() as channel:
            await channel.default_exchange.publish(message, QUEUE + konto_id)

    async def counts(self, konto_id: str) -> Counts:
        """How many consumers an account has, and how many messages wait. Raises PartnerUnavailableError."""
        await self.declare(konto_id)
        async with self._speaking() as robust:
            channel = await robust.get_underlay_channel()  # the robust one answers from memory
            found = await channel.queue_declare(QUEUE + konto_id, passive=True)
        return Counts((found and found.consumer_count) or 0, (found and found.message_count) or 0)

    async def consume(self, konto_id: str, take: Callable[[AbstractIncomingMessage], Awaitable[None]]) -> None:
        """Read an account of the platform's own; ``take`` acks."""
        await self.declare(konto_id)
        queue = await self._open_channel().get_queue(QUEUE + konto_id)
        await queue.consume(take)

    @asynccontextmanager
    async def _speaking(self) -> AsyncIterator[aio_pika.abc.AbstractRobustChannel]:
        """The channel, with every fault of the broker in our words."""
        try:
            async with asyncio.timeout(ANSWERED_S):
                yield self._open_channel()
        except (aio_pika.exceptions.AMQPError, aio_pika.exceptions.ChannelInvalidStateError, OSError) as error:
            message = "the broker does not answer"  # nor in time: TimeoutError is an OSError
            raise PartnerUnavailableError(message) from error

    def _open_channel(self) -> aio_pika.abc.AbstractRobustChannel:
        if self._channel is None:
            message = "the broker is not connected"
            raise PartnerUnavailableError(message)
        return self._channel

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
