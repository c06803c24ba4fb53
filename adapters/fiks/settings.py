"""What the operator may tell the Fiks adapter: ``config/partners/fiks.toml``."""

from typing import Final

from pydantic import BaseModel, ConfigDict, Field

_FYLKER: Final = {
    "03": "Oslo",
    "11": "Rogaland",
    "15": "Møre og Romsdal",
    "18": "Nordland",
    "31": "Østfold",
    "32": "Akershus",
    "33": "Buskerud",
    "34": "Innlandet",
    "39": "Vestfold",
    "40": "Telemark",
    "42": "Agder",
    "46": "Vestland",
    "50": "Trøndelag",
    "55": "Troms",
    "56": "Finnmark",
}


class FiksSettings(BaseModel):
    """``base_path`` stands before ``/v1`` and ``/v2``; ``fylker`` names counties by the first two digits."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_path: str = Field(default="/bekymringsmelding/api", pattern=r"^(/[a-z0-9-]+)*$")
    fylker: dict[str, str] = Field(default_factory=lambda: dict(_FYLKER))
