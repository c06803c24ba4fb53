"""What the operator may tell the adapter of Folkeregisteret: ``config/partners/freg.toml``."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Part = Annotated[str, Field(pattern=r"^[A-Za-z-]{1,60}$")]


class FregSettings(BaseModel):
    """Skatteetaten's service for public bodies with a basis in law, bulk look-up (its public documentation).

    ``parts``: what is asked for; each name that is read here must be among what they bring. ``ungraded_when_absent``: an
    answer without the part ``adressebeskyttelse`` means that there is none. Skatteetaten writes that those with a graded
    address have the part; that all others lack it, and that our access brings it, is for the operator to see by looking up
    a person who has one. Until then such an answer is none, and letters are held. ``residences``: where people live is asked
    for too, and looked for in letters to those who may not learn it; that the municipality's basis in law goes so far is
    not established. ``maskinporten``, ``tls_roots``: as KRR's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    api_url: str = Field(pattern=r"^https?://[A-Za-z0-9.\[\]:-]{1,250}$")
    path: str = Field(
        default="/folkeregisteret/offentlig-med-hjemmel/api/v1/personer/bulkoppslag", pattern=r"^(/[A-Za-z0-9._-]+)+/?$"
    )
    parts: tuple[Part, ...] = Field(default=("status", "navn", "adressebeskyttelse"), min_length=1)
    ungraded_when_absent: bool = False
    residences: bool = False
    tls_roots: tuple[Path, ...] = ()
    maskinporten: str = "freg"
    scope: str = Field(default="folkeregister:deling/offentligmedhjemmel", pattern=r"^[A-Za-z0-9:./_-]{1,200}$")

    @property
    def url(self) -> str:
        """Where everybody is asked about: the parts, and nobody's number."""
        parts = dict.fromkeys((*self.parts, *(("bostedsadresse",) if self.residences else ())))
        return f"{self.api_url}{self.path}?" + "&".join(f"part={part}" for part in parts)
