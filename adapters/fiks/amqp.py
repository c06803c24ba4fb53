"""AMQP 0-9-1 as Fiks IO wants it spoken (fiks.md 4.1, 4.2 and 4.4): one login, a channel and a consumer for each queue.

The library's own message objects are passed by: they refuse to exist where a property is odd, and what cannot be read
would then rest unacknowledged for ever. An acknowledgement that is lost costs nothing, since redelivery is recognised.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from enum import StrEnum
from typing import Any, Final, Protocol

import aio_pika
from aio_pika.abc import AbstractConnection, UnderlayChannel
from aio_pika.exceptions import (
    CONNECTION_EXCEPTIONS,
    AMQPConnectionError,
    ChannelClosed,
    ChannelNotFoundEntity,
    ConnectionClosed,
    ProbableAuthenticationError,
)

from gateway.spi import PartnerRefusedError, PartnerUnavailableError

CONNECT_S: Final = 30.0
ANSWER_S: Final = 10.0
"""How long the broker may take to answer (the Java client's RPC time-out), and a closing connection to close."""

_ACCESS_REFUSED: Final = frozenset({403, 530})  # at login, and for the virtual host
_NAME: Final = "Budstikke"


class Ending(StrEnum):
    """Why a subscription is no more. Each leads to another one."""

    CONSUMER_CANCELLED = "consumer-cancelled"  # the queue went away, or moved within the broker
    CHANNEL_CLOSED = "channel-closed"  # the broker found fault with the channel
    CONNECTION_CLOSED = "connection-closed"


class _Properties(Protocol):
    @property
    def headers(self) -> Mapping[str, Any] | None: ...

    @property
    def expiration(self) -> str | None: ...


class _Header(Protocol):
    @property
    def properties(self) -> _Properties: ...


class Message(Protocol):
    """What the library delivers, as far as it is read here."""

    @property
    def header(self) -> _Header:
        """Properties and header table."""
        ...

    @property
    def body(self) -> bytes:
        """The payload."""
        ...

    @property
    def delivery_tag(self) -> int | None:
        """Its number on the channel that delivered it."""
        ...

    @property
    def redelivered(self) -> bool | None:
        """Whether it was delivered before."""
        ...


class Letter:
    """One message, and the channel that delivered it: the only one on which anything can be said of it."""

    def __init__(self, message: Message, channel: UnderlayChannel) -> None:
        self.message = message
        self._channel = channel.channel
        self._told = False

    @property
    def stale(self) -> bool:
        """Its channel is gone: the broker delivers it again."""
        return self._channel.is_closed

    async def acknowledge(self) -> None:
        """Take this one off the queue."""
        tag = self.message.delivery_tag
        if tag is not None:
            await self._tell(lambda: self._channel.basic_ack(tag, multiple=False))

    async def give_back(self) -> None:
        """Put this one back on the queue."""
        tag = self.message.delivery_tag
        if tag is not None:
            await self._tell(lambda: self._channel.basic_nack(tag, multiple=False, requeue=True))

    async def _tell(self, say: Callable[[], Awaitable[None]]) -> None:
        """Once, and nothing where the channel is gone: a second word on one tag makes the broker close the channel."""
        if self._told or self.stale:
            return
        self._told = True
        try:
            await say()
        except (asyncio.CancelledError, *CONNECTION_EXCEPTIONS):
            stop_if_cancelled()  # otherwise either is how the library says that the channel was closed meanwhile


class Subscription:
    """A channel of its own with a consumer on one queue."""

    def __init__(self, channel: UnderlayChannel, tag: str, cancelled: asyncio.Event) -> None:
        self._channel = channel.channel
        self._tag = tag
        self._cancelled = cancelled

    async def ended(self) -> Ending:
        """Wait until nothing more can come."""
        cancelled = asyncio.ensure_future(self._cancelled.wait())
        try:
            await asyncio.wait({cancelled, self._channel.closing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            cancelled.cancel()
        if self._channel.connection.is_closed:
            return Ending.CONNECTION_CLOSED
        return Ending.CHANNEL_CLOSED if self._channel.is_closed else Ending.CONSUMER_CANCELLED

    async def leave(self) -> None:
        """Stop consuming, then close the channel once: what was not acknowledged goes back to the queue."""
        with suppress(TimeoutError, *CONNECTION_EXCEPTIONS):
            async with asyncio.timeout(ANSWER_S):
                if not self._channel.is_closed and not self._cancelled.is_set():
                    await self._channel.basic_cancel(self._tag)
                await self._channel.close()


class Line:
    """One open connection."""

    def __init__(self, connection: AbstractConnection) -> None:
        transport = connection.transport
        assert transport is not None  # noqa: S101  it was just opened
        self._connection = connection
        self._under = transport.connection
        self._closing = self._under.closing

    @property
    def is_open(self) -> bool:
        """Whether anything can come over it still."""
        return not self._under.is_closed

    async def ended(self, within_s: float) -> bool:
        """Wait until it has ended, no longer than that; whether it has."""
        await asyncio.wait({self._closing}, timeout=within_s)
        return not self.is_open

    @property
    def unreadable(self) -> bool:
        """Whether it ended because something on it could not be read, not because the line or the broker went."""
        if not self._closing.done() or self._closing.cancelled():
            return False
        error = self._closing.exception()
        return isinstance(error, Exception) and not isinstance(error, AMQPConnectionError | OSError)

    async def subscribe(
        self, queue: str, prefetch: int, came: Callable[[Letter], Coroutine[Any, Any, None]]
    ) -> Subscription:
        """Consume a queue that is there already: nothing is declared or bound, and nothing acknowledged by itself.

        Raises PartnerRefusedError when the queue may not be read, PartnerUnavailableError when it cannot be now.
        """
        cancelled = asyncio.Event()
        try:
            async with asyncio.timeout(ANSWER_S):
                opened = await UnderlayChannel.create(self._under, _nothing, publisher_confirms=False)
                channel = opened.channel
                channel.on_consumer_cancel_callbacks.add(lambda _: cancelled.set())
                await channel.basic_qos(prefetch_count=prefetch)
                tag = (await channel.basic_consume(queue, lambda message: came(Letter(message, opened)))).consumer_tag
        except ChannelClosed as error:
            stop_if_cancelled()
            message = f"the queue may not be read: {type(error).__name__}"
            if isinstance(error, ChannelNotFoundEntity):
                raise PartnerUnavailableError(message) from None
            raise PartnerRefusedError(message) from None
        except (TimeoutError, *CONNECTION_EXCEPTIONS) as error:
            stop_if_cancelled()
            message = f"the queue cannot be read now: {type(error).__name__}"
            raise PartnerUnavailableError(message) from None
        return Subscription(opened, tag or "", cancelled)

    async def close(self) -> None:
        """Close it, whoever is at the other end."""
        with suppress(TimeoutError, *CONNECTION_EXCEPTIONS):
            async with asyncio.timeout(ANSWER_S):
                await self._connection.close()


async def dial(
    host: str, port: int, vhost: str, *, user: str, password: str, tls: ssl.SSLContext, heartbeat_s: int
) -> Line:
    """Log in. Raises PartnerRefusedError when the broker does not let us in, PartnerUnavailableError for the rest.

    Errors have no cause: the library's may know the address with its password.
    """
    try:
        connection = await aio_pika.connect(
            host=host,
            port=port,
            virtualhost=vhost,
            login=user,
            password=password,
            ssl=True,
            ssl_context=tls,
            heartbeat=heartbeat_s,
            client_properties={"connection_name": _NAME},
            timeout=CONNECT_S,
        )
    except CONNECTION_EXCEPTIONS as error:
        stop_if_cancelled()
        if _is_refusal(error):
            message = "the broker does not let us in"
            raise PartnerRefusedError(message) from None
        message = f"the broker is not reached: {type(error.__cause__ or error).__name__}"
        raise PartnerUnavailableError(message) from None
    except TimeoutError:
        message = "the broker does not answer"
        raise PartnerUnavailableError(message) from None
    return Line(connection)


def stop_if_cancelled() -> None:
    """Raise CancelledError if this task was told to stop: the library may have made an error of its own of that."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _is_refusal(error: Exception) -> bool:
    if isinstance(error, ProbableAuthenticationError):
        return True
    return isinstance(error, ConnectionClosed) and bool(error.args) and error.args[0] in _ACCESS_REFUSED


async def _nothing(_: object) -> None:
    """Whoever waits for a channel's end waits for the channel itself."""
