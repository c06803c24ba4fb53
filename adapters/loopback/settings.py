"""What the operator may tell the loopback adapter: ``config/partners/loopback.toml``."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict


class LoopbackSettings(BaseModel):
    """``folder`` keeps parcels over a restart; without it they are in memory. ``receipts``: give one for each parcel.

    ``idempotent = false`` makes the road say that it must not be sent to twice, to try what then happens.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: Path | None = None
    receipts: bool = True
    idempotent: bool = True
