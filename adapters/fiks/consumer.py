"""Receives for all our accounts over one connection (``spi.Inbound``; fiks.md 4.2, 4.5 and 4.7).

Each account has its channel and its consumer, so that one that may not be read is no trouble of the others. Closing the
iterator cancels the consumers, closes their channels once and connects no more until it is begun again: what was not
acknowledged goes back to its queue, and costs one of three attempts, not more.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from typing import Final

from adapters.fiks.amqp import Ending, Letter, Line, Subscription, stop_if_cancelled
from adapters.fiks.connection import BACKOFF_MAX_S, REFUSED_S, Backoff, Connector
from adapters.fiks.delivery import Arrived, Reader
from adapters.fiks.headers import read_headers
from adapters.fiks.health import Health
from adapters.fiks.settings import FiksAccount, FiksIo
from gateway.spi import Context, Delivery, PartnerRefusedError, PartnerUnavailableError, Receipt, Trouble

QUEUE: Final = "fiksio.konto."

_Coming = asyncio.Queue[tuple[FiksAccount, Letter] | Exception]


class FiksInbound:
    """Brings what waits on our accounts' queues."""

    def __init__(self, io: FiksIo, context: Context, connector: Connector, reader: Reader, health: Health) -> None:
        self._io = io
        self._log = context.log
        self._clock = context.clock
        self._connector = connector
        self._reader = reader
        self._health = health
        self._prefetch = io.prefetch
        self._endings: Counter[Ending] = Counter()

    async def deliveries(self) -> AsyncGenerator[Delivery | Receipt, None]:
        """See ``spi.Inbound.deliveries``."""
        coming: _Coming = asyncio.Queue(maxsize=self._io.prefetch * len(self._io.accounts))
        running = asyncio.create_task(self._run(coming))
        try:
            while True:
                item = await coming.get()
                if isinstance(item, Exception):
                    raise item
                account, letter = item
                if letter.stale:
                    continue
                for brought in self._reader.read(self._arrived(account, letter)):
                    yield brought
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def _run(self, coming: _Coming) -> None:
        """Keep a connection with all subscriptions; a new connection takes over before the old one is dropped."""
        line: Line | None = None
        serving: asyncio.Task[None] | None = None
        try:
            while True:
                fresh = await (self._connector.connect() if line is None else self._connector.successor(line))
                self._prefetch = 1 if line is not None and line.unreadable else self._io.prefetch
                old = (line, serving)
                line, serving = fresh, asyncio.create_task(self._serve(fresh, coming))
                await _drop(*old)
        except Exception as error:  # noqa: BLE001  a bug of ours: whoever iterates hears of it, not a task that nobody asks
            await coming.put(error)
        finally:
            await _drop(line, serving)

    async def _serve(self, line: Line, coming: _Coming) -> None:
        async with asyncio.TaskGroup() as group:
            for account in self._io.accounts:
                group.create_task(self._keep(line, account, coming))

    async def _keep(self, line: Line, account: FiksAccount, coming: _Coming) -> None:
        """Subscribe, and again when that ends, for as long as the connection lasts."""
        backoff = Backoff(self._connector.jitter)
        while line.is_open:
            try:
                subscription = await line.subscribe(
                    QUEUE + account.id, self._prefetch, lambda letter: coming.put((account, letter))
                )
            except PartnerRefusedError as error:
                self._log.warning("amqp.queue_refused", subject=account.id, code=error.code)
                self._health.tell(Trouble.REFUSED, account.id, well=False)
                await self._pause(line, REFUSED_S)
            except PartnerUnavailableError as error:
                self._log.warning("amqp.queue_unavailable", subject=account.id, code=error.code)
                await self._pause(line, backoff.next_s())
            else:
                began_at = self._clock.monotonic()
                await self._follow(subscription, account)
                if self._clock.monotonic() - began_at >= BACKOFF_MAX_S:  # it held, so this is a new trouble
                    backoff = Backoff(self._connector.jitter)
                await self._pause(line, backoff.next_s())

    async def _follow(self, subscription: Subscription, account: FiksAccount) -> None:
        """Be subscribed until it ends, one way or the other."""
        self._log.info("amqp.subscribed", subject=account.id)
        self._health.tell(Trouble.REFUSED, account.id, well=True)
        since = self._health.subscribed_at[account.id] = self._clock.monotonic()
        try:
            ending = await subscription.ended()
            self._endings[ending] += 1
            self._log.warning("amqp.ended", subject=account.id, code=ending.value, count=self._endings[ending])
        finally:
            if self._health.subscribed_at.get(account.id) == since:  # else a newer connection has taken over
                del self._health.subscribed_at[account.id]
            await subscription.leave()

    async def _pause(self, line: Line, seconds: float) -> None:
        stop_if_cancelled()
        if line.is_open:
            await self._clock.sleep(seconds)

    def _arrived(self, account: FiksAccount, letter: Letter) -> Arrived:
        self._health.arrived_at[account.id] = self._clock.monotonic()
        properties = letter.message.header.properties
        headers = read_headers(properties.headers, properties.expiration)
        redelivered = bool(letter.message.redelivered)
        if redelivered or headers.fault is not None:
            self._log.warning("amqp.delivery", subject=account.id, code=headers.fault or "redelivered")
        return Arrived(account, headers, letter.message.body, redelivered, letter.acknowledge, letter.give_back)


async def _drop(line: Line | None, serving: asyncio.Task[None] | None) -> None:
    if serving is not None:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
    if line is not None:
        await line.close()
