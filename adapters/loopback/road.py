"""The partner that is ourselves: takes parcels, keeps them, and gives a receipt for each."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

from adapters.loopback.settings import LoopbackSettings
from gateway.spi import Delivery, Outcome, Parcel, Receipt, Taken, TryLater

NAME = "loopback"


class LoopbackRoad:
    """Outbound and inbound in one, since the partner is in here too."""

    def __init__(self, settings: LoopbackSettings) -> None:
        self._settings = settings
        self._kept: dict[str, bytes] = {}
        self._receipts: asyncio.Queue[Receipt] = asyncio.Queue()

    @property
    def idempotent(self) -> bool:
        """The same key again changes nothing; a test may have it say otherwise."""
        return self._settings.idempotent

    async def send(self, parcel: Parcel) -> Outcome:
        """Keep the bytes; the reference is the key."""
        content = b"".join([chunk async for chunk in parcel.content()])
        if not self._has(parcel):
            self._keep(parcel, content)
        if self._settings.receipts:
            self._receipts.put_nowait(Receipt(NAME, parcel.recipient, parcel.key, key=parcel.key))
        return self._taken(parcel)

    async def status(self, parcel: Parcel) -> Outcome | None:
        """Whether it is here."""
        return self._taken(parcel) if self._has(parcel) else TryLater("not-here")

    async def deliveries(self) -> AsyncGenerator[Delivery | Receipt, None]:
        """Receipts, as they are given; after a start those of all parcels kept, since one may have been missed."""
        if self._settings.folder is not None and self._settings.receipts:
            for path in sorted(self._settings.folder.glob("*@*")):
                key, _, recipient = path.name.partition("@")
                yield Receipt(NAME, recipient, key, key=key)
        while True:
            yield await self._receipts.get()

    def _taken(self, parcel: Parcel) -> Taken:
        return Taken(parcel.key, final=not self._settings.receipts)

    def _has(self, parcel: Parcel) -> bool:
        folder = self._settings.folder
        return parcel.key in self._kept if folder is None else _path(folder, parcel).exists()

    def _keep(self, parcel: Parcel, content: bytes) -> None:
        if self._settings.folder is None:
            self._kept[parcel.key] = content
        else:
            self._settings.folder.mkdir(parents=True, exist_ok=True)
            part = self._settings.folder / f"{parcel.key}.part"  # what is here under its own name is whole
            part.write_bytes(content)
            part.rename(_path(self._settings.folder, parcel))


def _path(folder: Path, parcel: Parcel) -> Path:
    return folder / f"{parcel.key}@{parcel.recipient}"
