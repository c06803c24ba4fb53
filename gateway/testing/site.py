"""A whole installation in a folder: configuration, a throw-away PKI, keys. For the demo and for tests, never production.

It writes files only; the gateway is started on them as an operator would start it.
"""

import secrets
import shutil
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.testing.pki import Credential, Pki, certificate_pem, receive_key, write_evidence_key

KOMMUNENUMMER: Final = "4601"
BYDELSNUMMER: Final = "02"
ORGANISATION: Final = "964338531"  # Bergen kommune, as public registers have it
SENDER_ORGANISATION: Final = "987654325"
FIKS_ORG_ID: Final = "5c6d7e8f-0011-4222-8333-944455566677"
AUDIENCE: Final = "https://budstikke.test/"
SCOPE_FAGSYSTEM: Final = "budstikke:fagsystem"
_PORT_FIRST: Final = 20_000
_PORTS: Final = 10_000
"""Below what Linux hands out by itself (``ip_local_port_range``)."""
_NEEDED: Final = ("frister.toml", "hjemler.toml", "routes.toml")


@dataclass(frozen=True, slots=True)
class Site:
    """Where everything is. ``ca`` is the file that callers trust the listeners by."""

    folder: Path
    ca: Path
    pki: Pki
    sender: Credential
    sender_pem: Path
    partner_port: int
    case_system_port: int
    operations_port: int

    @property
    def configuration(self) -> Path:
        """The file to start the gateway with."""
        return self.folder / "gateway.toml"

    @property
    def partner_url(self) -> str:
        """Where producers call."""
        return f"https://localhost:{self.partner_port}"

    @property
    def case_system_url(self) -> str:
        """Where case systems call."""
        return f"https://localhost:{self.case_system_port}"

    @property
    def operations_url(self) -> str:
        """Where operations look."""
        return f"https://localhost:{self.operations_port}"

    @property
    def tenant(self) -> str:
        """The office that reports are sent to."""
        return f"{KOMMUNENUMMER}-{BYDELSNUMMER}"


def free_port() -> int:
    """A loopback port that is free, and that the system gives to nobody who asks for any.

    So it is likely to be free still when who listened there was killed and is started again.
    """
    while True:
        port = _PORT_FIRST + secrets.randbelow(_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def make_site(
    folder: Path,
    *,
    defaults: Path,
    issuer: str,
    jwks_uri: str,
    lines: str = "",
    sections: str = "",
    adapters: Sequence[str] = ("fiks",),
) -> Site:
    """Write an installation.

    ``defaults`` is the folder of shipped configuration; ``lines`` are further top-level lines of ``gateway.toml``,
    ``sections`` further tables.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    pki = write_keys(folder / "keys")
    (folder / "tenants").mkdir()
    for name in _NEEDED:
        if (defaults / name).exists():
            shutil.copyfile(defaults / name, folder / name)
    (folder / "ca.pem").write_bytes(certificate_pem(pki.root.certificate))
    sender = pki.organisation(SENDER_ORGANISATION, "Prøveskolen")
    site = Site(
        folder=folder,
        ca=folder / "ca.pem",
        pki=pki,
        sender=sender,
        sender_pem=sender.write_pem(folder / "keys" / "sender.pem"),
        partner_port=free_port(),
        case_system_port=free_port(),
        operations_port=free_port(),
    )
    site.configuration.write_text(
        _gateway_toml(site, issuer, jwks_uri, f"adapters = {list(adapters)}\n{lines}", sections), encoding="utf-8"
    )
    (folder / "tenants" / f"{KOMMUNENUMMER}.toml").write_text(_TENANT, encoding="utf-8")
    return site


def write_keys(folder: Path) -> Pki:
    """Fresh throw-away keys: TLS, receive, print and key-encryption key, under a root of their own."""
    folder.mkdir(mode=0o700, parents=True)
    pki = Pki()
    pki.tls_server().write_pem(folder / "tls.pem")
    pki.organisation(ORGANISATION, "Bergen kommune").write_pem(folder / "signing.pem")
    receive_key("Mottak").write_pem(folder / "receive.pem")
    receive_key("Utskrift").write_pem(folder / "print.pem")
    write_evidence_key(folder / "evidence.pem")
    (folder / "kek").touch(mode=0o600)
    (folder / "kek").write_bytes(secrets.token_bytes(32))
    return pki


def _gateway_toml(site: Site, issuer: str, jwks_uri: str, lines: str, sections: str) -> str:
    listeners = "\n".join(
        f'[listen.{name}]\nhost = "127.0.0.1"\nport = {port}\ncertificate = "keys/tls.pem"\nkey = "file:keys/tls.pem"'
        for name, port in (
            ("partner", site.partner_port),
            ("case_system", site.case_system_port),
            ("operations", site.operations_port),
        )
    )
    return f"""\
mode = "demo"
data_dir = "var"
{lines}
{listeners}
[[issuers]]
issuer = "{issuer}"
jwks_uri = "{jwks_uri}"
scope_produsent = "ks:fiks"
scope_fagsystem = "{SCOPE_FAGSYSTEM}"
[evidence]
origin = "budstikke.test"
key = "file:keys/evidence.pem"
[trust.fiks]
roots = ["ca.pem"]
{sections}
"""


_TENANT: Final = f"""\
kommunenummer = "{KOMMUNENUMMER}"
navn = "Bergen"
organisasjonsnummer = "{ORGANISATION}"
fiks_org_id = "{FIKS_ORG_ID}"
key_encryption_key = "file:keys/kek"
receive_keys = [{{ key = "file:keys/receive.pem" }}]
print_key = {{ key = "file:keys/print.pem" }}
signing_key = {{ key = "file:keys/signing.pem" }}
[[bydeler]]
nummer = "{BYDELSNUMMER}"
navn = "Bergenhus"
standard_mottaker = true
[[bydeler]]
nummer = "03"
navn = "Årstad"
"""
