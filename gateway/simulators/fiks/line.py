"""The platform's own connection to the broker: made again whenever it is lost, with everything that is read over it.

aio-pika's own reconnecting is not used: it was seen to give up on a channel when the broker died again while that was
being restored.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from aio_pika.connection import Connection, make_url

from gateway.errors import PartnerUnavailableError
from gateway.simulators.fiks.access import Access

CONNECTED_S: Final = 20.0
ANSWERED_S: Final = 10.0
AGAIN_S: Final = 0.2
# RuntimeError: what the library says of a channel or connection that is gone. A time-out is an OSError.
_FAULTS: Final = (aio_pika.exceptions.AMQPError, OSError, RuntimeError)

Take = Callable[[AbstractIncomingMessage], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where the broker is. ``tls`` trusts its certificate."""

    port: int
    tls: ssl.SSLContext
    host: str = "localhost"


class Line:
    """The connection. ``read`` and ``speaking`` work while it is open; when the broker is away they say so."""

    def __init__(self, address: BrokerAddress, access: Access) -> None:
        self._address = address
        self._access = access
        self._readers: dict[str, Take] = {}
        self._connection: Connection | None = None
        self._channel: AbstractChannel | None = None
        self._up = asyncio.Event()
        self._lost = asyncio.Event()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Keep connected for as long as the block lasts. Raises PartnerUnavailableError if it is not at first."""
        await self._connect()
        keeper = asyncio.create_task(self._keep())
        try:
            yield
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
            await self._hang_up()

    async def ready(self) -> None:
        """Wait until it stands, as after the broker was away. Raises TimeoutError."""
        await asyncio.wait_for(self._up.wait(), CONNECTED_S)

    async def read(self, queue: str, take: Take) -> None:
        """Read a queue from now on; ``take`` acks. Raises PartnerUnavailableError."""
        async with self.speaking() as channel:
            await _consume(channel, queue, take)
        self._readers[queue] = take

    @asynccontextmanager
    async def speaking(self) -> AsyncIterator[AbstractChannel]:
        """The channel, with every fault of the broker in our words. Raises PartnerUnavailableError."""
        message = "the broker does not answer"
        if self._channel is None:
            raise PartnerUnavailableError(message)
        try:
            async with asyncio.timeout(ANSWERED_S):
                yield self._channel
        except _FAULTS as error:
            raise PartnerUnavailableError(message) from error

    async def _keep(self) -> None:
        while True:
            await self._lost.wait()
            await self._hang_up()
            while not self._up.is_set():
                try:
                    await self._connect()
                except PartnerUnavailableError:
                    await asyncio.sleep(AGAIN_S)

    async def _connect(self) -> None:
        self._lost = lost = asyncio.Event()
        try:
            async with asyncio.timeout(CONNECTED_S):
                self._connection = connection = self._new_connection()
                await connection.connect()
                connection.close_callbacks.add(lambda *_: lost.set())
                channel = await connection.channel()
                channel.close_callbacks.add(lambda *_: lost.set())
                for queue, take in self._readers.items():
                    await _consume(channel, queue, take)
        except _FAULTS as error:
            await self._hang_up()
            message = "the broker is not reached"
            raise PartnerUnavailableError(message) from error
        self._channel = channel
        self._up.set()

    def _new_connection(self) -> Connection:
        """Not yet dialled: what fails to connect must be closed too, or it closes itself when the loop is gone."""
        url = make_url(
            host=self._address.host,
            port=self._address.port,
            login=self._access.operator,
            password=self._access.operator_password,
            ssl=True,
        )
        return Connection(url, ssl_context=self._address.tls)

    async def _hang_up(self) -> None:
        self._up.clear()
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            with contextlib.suppress(*_FAULTS):
                async with asyncio.timeout(ANSWERED_S):
                    await connection.close()


async def _consume(channel: AbstractChannel, queue: str, take: Take) -> None:
    await (await channel.get_queue(queue, ensure=False)).consume(take)
