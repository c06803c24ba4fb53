"""An installation that production accepts: nothing in it was made by our own tools for trying out."""

import os
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.testing.pki import CA_USAGE, SEALING_USAGE, Make, certificate_pem, self_signed
from gateway.testing.site import ORGANISATION, Site, make_site
from tests.conftest import ROOT

OPERATIONS_TOKEN = "9f1d7c52aa04e6b83f55"
ISSUER = "https://maskinporten.no/"


def name(common, number=None):
    """As an issuer that nobody takes for ours would write it."""
    parts = [x509.NameAttribute(NameOID.COUNTRY_NAME, "NO"), x509.NameAttribute(NameOID.COMMON_NAME, common)]
    if number:
        parts.append(x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, f"NTRNO-{number}"))
    return x509.Name(parts)


def production_site(folder: Path) -> Site:
    """Write it; every key and certificate is fresh."""
    site = make_site(folder, defaults=ROOT / "config", issuer=ISSUER, jwks_uri=f"{ISSUER}jwk")
    root = self_signed(name("Utsteder Rot CA"), Make(usage=CA_USAGE, is_ca=True))
    site.ca.write_bytes(certificate_pem(root.certificate))
    keys = folder / "keys"
    root.issue(name("Bergen kommune", ORGANISATION)).write_pem(keys / "signing.pem")
    for use in ("receive", "print"):
        self_signed(name(f"Mottak {use}"), Make(usage=SEALING_USAGE)).write_pem(keys / f"{use}.pem")
    server = Make(
        usage=("digital_signature",),
        extended_usage=(ExtendedKeyUsageOID.SERVER_AUTH,),
        names=("127.0.0.1", "localhost"),
    )
    root.issue(name("gateway"), server).write_pem(keys / "tls.pem")
    private(keys / "operations-token", OPERATIONS_TOKEN)
    change(site.configuration, 'mode = "demo"', 'mode = "production"\noperations_token = "file:keys/operations-token"')
    change(site.configuration, "[[issuers]]", '[[issuers]]\naudience = "https://budstikke.bergen.kommune.no/"')
    return site


def copied(site: Site, folder: Path) -> Site:
    """The same installation in a folder of its own; its paths are relative."""
    import dataclasses

    shutil.copytree(site.folder, folder)
    return dataclasses.replace(site, folder=folder, ca=folder / site.ca.name)


def private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def change(file: Path, old: str, new: str) -> None:
    """Replace in a file what must stand there."""
    text = file.read_text("utf-8")
    assert old in text, f"{old!r} is not in {file.name}"
    file.write_text(text.replace(old, new, 1), "utf-8")


def command(site: Site, *arguments: str, python: tuple[str, ...] = (), stdin: str | None = None, **environment: str):
    """Run ``budstikke ARGUMENTS`` on an installation, as a process of its own."""
    config = () if arguments[:1] == ("keys",) and arguments[1:2] == ("make-test",) else ("-c", str(site.configuration))
    return subprocess.run(
        [sys.executable, *python, "-m", "gateway", *arguments, *config],
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        cwd=site.folder,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )


def short_lived(days: float) -> Make:
    """A certificate that ends soon."""
    from datetime import UTC, datetime

    return Make(usage=SEALING_USAGE, not_after=datetime.now(UTC) + timedelta(days=days))
