"""What the operator may tell the adapter of KRR: ``config/partners/krr.toml``."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Scope = Annotated[str, Field(pattern=r"^[A-Za-z0-9:./_-]{1,200}$")]


class KrrSettings(BaseModel):
    """KRR's REST service (digipost.md 10.2).

    ``path``: a version 2 exists, of which no more is known. ``maskinporten``: the section of ``gateway.toml`` whose client
    buys tokens. ``scopes``: without the first an answer does not say who can be notified, and is none; without the second
    nobody has a mailbox. ``tls_roots``: where no public issuer made the server's certificate.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    api_url: str = Field(pattern=r"^https?://[A-Za-z0-9.\[\]:-]{1,250}$")
    path: str = Field(default="/rest/v1/personer", pattern=r"^(/[A-Za-z0-9._-]+)+$")
    tls_roots: tuple[Path, ...] = ()
    maskinporten: str = "krr"
    scopes: tuple[Scope, ...] = Field(
        default=("krr:global/kontaktinformasjon.read", "krr:global/digitalpost.read"), min_length=1
    )
