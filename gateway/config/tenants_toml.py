"""``tenants/<kommunenummer>.toml``: one municipality, its offices and where their keys are."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from gateway.config.values import SecretReference, Section


class Bydel(Section):
    """One office. ``stottet_versjon``: the newest report version its case system reads."""

    nummer: str = Field(pattern=r"^\d{2}$")
    navn: str
    standard_mottaker: bool = False
    stottet_versjon: Literal["V1", "V2"] = "V2"


class KeyPair(Section):
    """A private key with its certificate chain in one file, PKCS#12 or PEM; or a key in a token.

    ``certificate`` is for a key in a token: its chain as PEM. Without it the token's own certificates are used.
    """

    key: SecretReference
    password: SecretReference | None = None
    certificate: Path | None = None


class Tenant(Section):
    """``tenants/<kommunenummer>.toml``: one municipality, its offices, its keys."""

    kommunenummer: str = Field(pattern=r"^\d{4}$")
    navn: str
    organisasjonsnummer: str = Field(pattern=r"^\d{9}$")
    fiks_org_id: str
    bydeler: tuple[Bydel, ...] = Field(min_length=1)
    receive_keys: tuple[KeyPair, ...] = Field(min_length=1)
    print_key: KeyPair
    signing_key: KeyPair | None = None
    key_encryption_key: SecretReference
    earlier_key_encryption_keys: tuple[SecretReference, ...] = ()
