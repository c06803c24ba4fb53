"""What one message on an account's queue is to the gateway: a delivery, a receipt, or an answer that is both (fiks.md 4).

A receipt is never answered: what the platform and peers say of our own messages becomes a ``Receipt``, and a receipt that
says of no message of ours is kept for a person without anybody to answer to.
"""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from adapters.fiks.headers import AVSENDER_ID, DOKUMENTLAGER_ID, KORRELASJON, MELDING_ID, SVAR_TIL, TYPE, Headers
from adapters.fiks.protocols import PLATFORM_RECEIPTS, Payload, Protocol, ProtocolType, Way
from adapters.fiks.settings import FiksAccount
from gateway.errors import GatewayError
from gateway.spi import (
    UNKNOWN_TYPE,
    Address,
    Blobs,
    Clock,
    Delivery,
    Fate,
    PartnerRefusedError,
    Receipt,
    Refused,
    Stream,
    UnknownResourceError,
    limits,
)

ROAD: Final = "fiks-io"
ADAPTER: Final = "fiks"
SEALED_PART: Final = "asice"
ACCOUNT: Final = "account"
"""Our header for the account of ours that it came to."""

BLOB_TRIES: Final = 3
BLOB_PAUSE_S: Final = 1.0

_KEY: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_OF_THE_PLATFORM: Final = frozenset({"no.ks.fiks.kvittering.tidsavbrudd", "no.ks.fiks.kvittering.serverfeil.v1"})


@dataclass(frozen=True, slots=True)
class Arrived:
    """One message as the broker gave it. ``acknowledge`` and ``give_back`` do nothing once its channel is gone."""

    account: FiksAccount
    headers: Headers
    body: bytes = field(repr=False)
    redelivered: bool
    acknowledge: Callable[[], Awaitable[None]] = field(repr=False)
    give_back: Callable[[], Awaitable[None]] = field(repr=False)

    @property
    def type(self) -> str:
        """Its type on the channel; empty when it says none."""
        return self.headers.values.get(TYPE, "")


@dataclass(frozen=True, slots=True)
class Reader:
    """Tells what a message is. ``types``: our message type by the channel's."""

    types: Mapping[str, str]
    blobs: Blobs
    clock: Clock

    def read(self, arrived: Arrived) -> list[Delivery | Receipt]:
        """One or two things; the last of them acknowledges the message."""
        receipt = _receipt(arrived)
        if receipt is not None:
            return [receipt]
        delivery = FiksDelivery(arrived, self.types, self.blobs, self.clock)
        answer = _answer(arrived) if delivery.fault is None else None
        return [delivery] if answer is None else [answer, delivery]


def _receipt(arrived: Arrived) -> Receipt | None:
    """What the platform or a peer says of a message of ours that failed; None if it says of none.

    Where Fiks IO itself speaks, whom our message was for is not told: its id alone says which it was. A peer speaks for
    its own account. No proof that it never arrived: the third attempt may have failed at the acknowledgement.
    """
    values = arrived.headers.values
    code = _receipt_code(arrived)
    platform = arrived.type in _OF_THE_PLATFORM
    if code is None or SVAR_TIL not in values or not (platform or AVSENDER_ID in values):
        return None
    return Receipt(
        road=ADAPTER,
        recipient=None if platform else values[AVSENDER_ID],
        partner_reference=values[SVAR_TIL],
        key=_key(values),
        refused=Refused(code),
        acknowledge=arrived.acknowledge,
    )


def _receipt_code(arrived: Arrived) -> str | None:
    name = arrived.type
    own = (protocol.error(name.replace("ø", "oe")) for protocol in arrived.account.spoken())
    return PLATFORM_RECEIPTS.get(name) or next((code for code in own if code is not None), None)


def _answer(arrived: Arrived) -> Receipt | None:
    """That the other side answered is the proof that it has what we sent."""
    values = arrived.headers.values
    if SVAR_TIL not in values or not any(protocol.answers(arrived.type) for protocol in arrived.account.spoken()):
        return None
    return Receipt(ADAPTER, values[AVSENDER_ID], values[SVAR_TIL], key=_key(values))


def _key(values: Mapping[str, str]) -> str | None:
    """Our own id of what is answered: it was sent as the dialogue's id, which everybody copies into an answer.

    An answer can be faster than our own commit of what the platform calls the message, and that commit can be lost.
    """
    told = values.get(KORRELASJON, "")
    return told if _KEY.fullmatch(told) else None


class FiksDelivery:
    """A message from another account, understood or not (``spi.Delivery``)."""

    def __init__(self, arrived: Arrived, types: Mapping[str, str], blobs: Blobs, clock: Clock) -> None:
        self._arrived = arrived
        self._types = types
        self._blobs = blobs
        self._clock = clock
        self._values = arrived.headers.values
        self._protocol, self._kind = _spoken(arrived)

    @property
    def road(self) -> str:
        """Fiks IO."""
        return ROAD

    @property
    def address(self) -> Address:
        """The office whose account it came to."""
        return self._arrived.account.address

    @property
    def message_type(self) -> str:
        """By the header ``type``."""
        return self._types.get(self._arrived.type, UNKNOWN_TYPE)

    @property
    def sender(self) -> str:
        """The sender's account, as the platform says; empty when it is not told."""
        return self._values.get(AVSENDER_ID, "")

    @property
    def sealed_part(self) -> str:
        """The container: all there is."""
        return SEALED_PART

    @property
    def remote_id(self) -> str | None:
        """``melding-id``."""
        return self._values.get(MELDING_ID)

    @property
    def headers(self) -> Mapping[str, str]:
        """What could be read of the message's own, and the account it came to.

        Not whether it comes again: the headers of a message are the same each time.
        """
        return {**self._values, ACCOUNT: self._arrived.account.id}

    @property
    def answer_to(self) -> str | None:
        """The sender's account, where the protocol has receipts and the message says what to answer and whom."""
        if self._protocol is None or self._protocol.receipt(Fate.RECEIVED) is None or self.remote_id is None:
            return None
        return self.sender or None

    @property
    def fault(self) -> str | None:
        """A header's, or what its protocol does not allow."""
        if self._arrived.headers.fault is not None:
            return self._arrived.headers.fault
        if _receipt_code(self._arrived) is not None:
            return "reply-to-missing"
        if self._arrived.type not in self._types:
            return "type-unknown"
        if self._kind is None:
            return "type-not-allowed"
        empty = self.blob is None and not self._arrived.body
        return "payload-missing" if empty and self._kind.payload is Payload.REQUIRED else None

    @property
    def blob(self) -> str | None:
        """``dokumentlager-id``; where it is set, the body is not the payload."""
        return self._values.get(DOKUMENTLAGER_ID)

    async def parts(self) -> AsyncIterator[tuple[str, Stream]]:
        """The sealed container, if it came or can be had now.

        What is delivered again had its trouble: then a large one is left where it lies, so that the message is stored
        before the broker has lost its patience.
        """
        if self.blob is None:
            if self._arrived.body:
                yield SEALED_PART, _chunks(self._arrived.body)
        elif not self._arrived.redelivered:
            stream = await self._begun()
            if stream is not None:
                yield SEALED_PART, stream

    async def acknowledge(self) -> None:
        """Take it off the queue."""
        await self._arrived.acknowledge()

    async def give_back(self) -> None:
        """Put it back on the queue, which counts as one of three attempts."""
        await self._arrived.give_back()

    async def _begun(self) -> Stream | None:
        """The blob once its first octets are here; None if that cannot be now."""
        for attempt in range(BLOB_TRIES):
            if attempt:
                await self._clock.sleep(BLOB_PAUSE_S)
            stream = self._blobs.blob(self._values)
            try:
                first = await anext(stream)
            except (UnknownResourceError, PartnerRefusedError, StopAsyncIteration):
                return None
            except GatewayError:
                continue
            return _continued(first, stream)
        return None


def _spoken(arrived: Arrived) -> tuple[Protocol | None, ProtocolType | None]:
    for protocol in arrived.account.spoken():
        kind = protocol.find(arrived.type, Way.IN)
        if kind is not None:
            return protocol, kind
    return None, None


async def _continued(first: bytes, rest: Stream) -> Stream:
    try:
        yield first
        async for chunk in rest:
            yield chunk
    finally:
        if isinstance(rest, AsyncGenerator):
            await rest.aclose()


async def _chunks(body: bytes) -> Stream:
    for start in range(0, len(body), limits.CHUNK_BYTES):
        yield body[start : start + limits.CHUNK_BYTES]
