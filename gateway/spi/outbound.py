"""What goes out."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol

from gateway.spi.inbound import Stream
from gateway.spi.outcome import Outcome, TryLater, Uncertain


@dataclass(frozen=True, slots=True)
class Parcel:
    """Sealed bytes for one recipient on one road. A retry carries the same bytes and the same ``key``."""

    key: str
    message_type: str
    recipient: str
    size_bytes: int
    content: Callable[[], Stream] = field(repr=False)


class Outbound(Protocol):
    """A road that is sent over."""

    @property
    def idempotent(self) -> bool:
        """Whether sending the same parcel twice has one effect at the partner."""
        ...

    async def send(self, parcel: Parcel) -> Outcome:
        """One attempt."""
        ...

    async def status(self, parcel: Parcel) -> Outcome | None:
        """What became of an attempt; None when the partner cannot be asked. ``TryLater``: it was not taken."""
        ...


async def attempt(outbound: Outbound, parcel: Parcel, failed: Callable[[Exception], None]) -> Outcome:
    """One attempt as the gateway makes it: what the adapter did not expect counts by whether a byte has left.

    ``failed`` hears of such an exception. Bytes have left when the adapter began to read the parcel's content.
    """
    begun = False

    async def watched() -> Stream:
        nonlocal begun
        begun = True
        async for chunk in parcel.content():
            yield chunk

    try:
        return await outbound.send(replace(parcel, content=watched))
    except Exception as error:  # noqa: BLE001  whatever an adapter raises, the rule above decides
        failed(error)
        return Uncertain("adapter-failed") if begun else TryLater("adapter-failed")


class Directory(Protocol):
    """Knows the keys of a road's recipients."""

    async def certificate(self, recipient: str) -> str:
        """The certificate to seal to, PEM. Raises UnknownResourceError when the recipient is not on this road."""
        ...


class Seal(StrEnum):
    """How a road's parcels are sealed: profiles of ``gateway.crypto``, by name."""

    GATEWAY = "gateway"
    FIKS = "fiks"
