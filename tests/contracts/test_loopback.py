"""The loopback adapter keeps every adapter's promises, in memory and in a folder."""

from pathlib import Path
from typing import Any

import pytest

from adapters.loopback import ADAPTER
from adapters.loopback.settings import LoopbackSettings
from gateway.spi import Taken
from gateway.testing.contract import AdapterContract, parcel


class TestLoopback(AdapterContract):
    spec = ADAPTER


class TestLoopbackInAFolder(AdapterContract):
    spec = ADAPTER

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "kept"

    def settings(self, partner: Any) -> LoopbackSettings:
        return LoopbackSettings(folder=self.folder)

    async def test_a_parcel_in_the_folder_is_known_after_a_restart(self) -> None:
        sent = parcel()
        async with self.opened() as opened:
            await self.send(opened, sent)
        async with self.opened() as opened:
            assert await opened.outbound.status(sent) == Taken(sent.key)


class TestLoopbackWithoutReceipts(AdapterContract):
    spec = ADAPTER

    def settings(self, partner: Any) -> LoopbackSettings:
        return LoopbackSettings(receipts=False)

    async def test_a_receipt_is_the_parcels_own_and_is_acknowledged_only_when_told(self) -> None:
        async with self.opened() as opened:
            assert await self.send(opened, sent := parcel()) == Taken(sent.key, final=True)
