"""A SoftHSM token for the tests, with keys of theirs in it. One folder of tokens for each process that tests.

Keys are put in by another process: a login to a token counts for a whole process, and that of the tests belongs to what is
tested. ``python -m tests.token_kit MODULE LABEL PIN`` reads the objects as JSON.
"""

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives import serialization

from tests.conftest import ROOT

MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so")
PIN = "prove-pin-1234"


@dataclass(frozen=True)
class Hsm:
    """Where the tokens lie."""

    module: Path
    folder: Path

    @property
    def tokens(self) -> Path:
        return self.folder / "tokens"

    @property
    def pin(self) -> Path:
        return self.folder / "pin"

    def token(self, label: str) -> "Contents":
        """A new token."""
        words = ["--init-token", "--free", "--label", label, "--so-pin", "87654321", "--pin", PIN]
        subprocess.run(["softhsm2-util", *words], check=True, capture_output=True)
        return Contents(self, label)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Every token is gone, as when a cable is pulled."""
        hidden = self.tokens.rename(self.folder / "away")
        try:
            yield
        finally:
            hidden.rename(self.tokens)


@dataclass
class Contents:
    """What is put into a token."""

    hsm: Hsm
    label: str
    objects: list[dict[str, str]] = field(default_factory=list)

    def reference(self, label: str, pin: Path | None = None) -> str:
        return f"pkcs11:token={quote(self.label)};object={label}?pin-source=file:{pin or self.hsm.pin}"

    def key(self, label: str, credential) -> None:
        self._private(label, credential.key)

    def pem(self, label: str, file: Path) -> None:
        self._private(label, serialization.load_pem_private_key(file.read_bytes(), None))

    def _private(self, label: str, key) -> None:
        der = key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
        self.objects.append({"kind": "rsa", "label": label, "value": der.hex()})

    def certificate(self, label: str, certificate) -> None:
        der = certificate.public_bytes(serialization.Encoding.DER)
        self.objects.append({"kind": "certificate", "label": label, "value": der.hex()})

    def secret(self, label: str, octets: bytes) -> None:
        self.objects.append({"kind": "aes", "label": label, "value": octets.hex()})

    def store(self) -> None:
        """Put it in."""
        words = [sys.executable, "-m", "tests.token_kit", str(self.hsm.module), self.label, PIN]
        subprocess.run(words, input=json.dumps(self.objects), text=True, check=True, cwd=ROOT)
        self.objects.clear()


@cache
def _hsm(module: Path) -> Hsm:
    hsm = Hsm(module, Path(tempfile.mkdtemp(prefix="budstikke-tokens-")))
    atexit.register(shutil.rmtree, hsm.folder, ignore_errors=True)
    hsm.tokens.mkdir()
    hsm.pin.touch(0o600)
    hsm.pin.write_text(PIN, encoding="utf-8")
    file = hsm.folder / "softhsm2.conf"
    file.write_text(f"directories.tokendir = {hsm.tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(
        file
    )  # read by the module when it is initialised, in this process and its children
    return hsm


def softhsm() -> Hsm:
    """The tokens of this process; skips where SoftHSM is not installed, and fails in CI."""
    found = next((Path(module) for module in MODULES if Path(module).exists()), None)
    if found is None or shutil.which("softhsm2-util") is None:
        if os.environ.get("CI"):
            pytest.fail("SoftHSM is needed here: apt-get install softhsm2")
        pytest.skip("SoftHSM is not installed (apt-get install softhsm2)")
    return _hsm(found)


def main(module: str, label: str, pin: str) -> None:
    import pkcs11
    from pkcs11 import Attribute, KeyType, ObjectClass
    from pkcs11.util.rsa import decode_rsa_private_key
    from pkcs11.util.x509 import decode_x509_certificate

    with pkcs11.lib(module).get_token(token_label=label).open(rw=True, user_pin=pin) as session:
        for number, one in enumerate(json.load(sys.stdin), 1):
            value = bytes.fromhex(one["value"])
            common = {Attribute.TOKEN: True, Attribute.LABEL: one["label"], Attribute.ID: bytes([number])}
            hidden = {Attribute.PRIVATE: True, Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}
            if one["kind"] == "rsa":
                session.create_object(decode_rsa_private_key(value) | common | hidden)
            elif one["kind"] == "certificate":
                session.create_object(decode_x509_certificate(value) | common)
            else:
                kind = {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.KEY_TYPE: KeyType.AES}
                use = {Attribute.ENCRYPT: True, Attribute.DECRYPT: True, Attribute.VALUE: value}
                session.create_object(kind | common | hidden | use)


if __name__ == "__main__":
    main(*sys.argv[1:])
