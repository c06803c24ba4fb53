"""Keys made once per run, and containers and envelopes built by hand so that they can be wrong in exactly one way."""

import base64
import hashlib
import io
import warnings
import zipfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache

from gateway.crypto.asice import ContainerWriter
from gateway.crypto.certificates import RevocationStatus, TrustPolicy
from gateway.crypto.cms import EnvelopeWriter, open_envelope
from gateway.crypto.keys import SoftwareKey
from gateway.crypto.profiles import FIKS_ENVELOPE
from gateway.crypto.signed_data import sign_detached
from gateway.testing.pki import Pki, receive_key

NOW = datetime.now(UTC)
ORGANISATION = "987654321"
MIMETYPE = b"application/vnd.etsi.asic-e+zip"
MANIFEST_NAME = "META-INF/asicmanifest.xml"
SIGNATURE_NAME = "META-INF/signature-1.p7s"
DOCUMENTS = {"bekymringsmelding.json": b'{"a": 1}', "bekymringsmelding.pdf": b"%PDF-1.7 prove" * 300}


@lru_cache
def pki():
    return Pki()


def software(credential):
    return SoftwareKey(credential.key, credential.chain)


@lru_cache
def signer():
    return software(pki().organisation(ORGANISATION))


@lru_cache
def other_signer():
    return software(pki().organisation("123456789", "Annen kommune"))


@lru_cache
def receiver(number=0):
    return software(receive_key(f"Mottak {number}"))


class AllGood:
    """An issuer that has revoked nothing."""

    def status(self, certificate, issuer, at):
        return RevocationStatus.GOOD


def trust(**changes):
    return TrustPolicy(**{"roots": (pki().root.certificate,), "revocation": AllGood()} | changes)


def seal(plain, profile=FIKS_ENVELOPE, recipient=None):
    sealed = bytearray()
    writer = EnvelopeWriter((recipient or receiver()).certificate, profile, sealed.extend)
    writer.write(plain)
    writer.close()
    return bytes(sealed)


def unseal(sealed, *keys, profile=FIKS_ENVELOPE):
    return b"".join(open_envelope(io.BytesIO(sealed), keys or [receiver()], profile))


def our_container(documents=None, key=None):
    written = bytearray()
    writer = ContainerWriter(written.extend, key or signer(), at=NOW)
    for name, content in (documents or DOCUMENTS).items():
        writer.add(name, "application/octet-stream", [content])
    writer.close()
    return bytes(written)


@dataclass
class Handmade:
    """A container put together by the standard library; ``build`` makes it, every field can be changed before."""

    documents: dict = field(default_factory=lambda: dict(DOCUMENTS))
    namespace: str = "http://uri.etsi.org/02918/v1.2.1#"
    digest_base: str = "http://www.w3.org/2001/04/xmlenc#"
    digest: str = "sha256"
    prolog: str = '<?xml version="1.0" encoding="UTF-8"?>'
    references: list | None = None  # (uri, content) pairs; default: the documents
    manifest_name: str = MANIFEST_NAME
    signature_name: str = SIGNATURE_NAME
    signature_reference: str | None = "URI"
    key: object = None
    sign: object = None  # manifest octets -> p7s octets
    extra: dict = field(default_factory=dict)
    mimetype: bytes | None = MIMETYPE
    mimetype_last: bool = False
    compression: int = zipfile.ZIP_DEFLATED
    mimetype_compression: int = zipfile.ZIP_STORED

    def manifest(self):
        pairs = list(self.documents.items()) if self.references is None else self.references
        named = "" if self.signature_reference is None else f' URI="{self.signature_name}"'
        references = "".join(
            f'<DataObjectReference URI="{uri}" MimeType="application/octet-stream">'
            f'<d:DigestMethod Algorithm="{self.digest_base}{self.digest}"/>'
            f"<d:DigestValue>{base64.b64encode(hashlib.new(self.digest, content).digest()).decode()}</d:DigestValue>"
            "</DataObjectReference>"
            for uri, content in pairs
        )
        return (
            f'{self.prolog}<ASiCManifest xmlns="{self.namespace}" xmlns:d="http://www.w3.org/2000/09/xmldsig#">'
            f'<SigReference{named} MimeType="application/x-pkcs7-signature"/>{references}</ASiCManifest>'
        ).encode()

    def entries(self):
        manifest = self.manifest()
        sign = self.sign or (lambda content: sign_detached(content, self.key or signer(), NOW))
        parts = [*self.documents.items(), (self.manifest_name, manifest), (self.signature_name, sign(manifest))]
        return [*parts, *self.extra.items()]

    def build(self):
        mimetype = [] if self.mimetype is None else [("mimetype", self.mimetype, self.mimetype_compression)]
        entries = [(name, content, self.compression) for name, content in self.entries()]
        return zip_of(entries + mimetype if self.mimetype_last else mimetype + entries)


def zip_of(entries):
    """Make a ZIP of (name or ZipInfo, content, compression); twins are allowed."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # twins make the standard library warn
        for name, content, compression in entries:
            archive.writestr(name, content, compress_type=compression)
    return file.getvalue()
