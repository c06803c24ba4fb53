"""Keys made once per run, and containers and envelopes built by hand so that they can be wrong in exactly one way."""

import base64
import hashlib
import io
import warnings
import zipfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric import padding

from gateway.crypto.asice import ContainerWriter
from gateway.crypto.ber import NULL, OCTET_STRING, SEQUENCE, SET, context, integer, object_identifier, set_of, tlv
from gateway.crypto.certificate_facts import facts_of
from gateway.crypto.certificates import RevocationStatus, TrustPolicy
from gateway.crypto.cms import EnvelopeWriter, open_envelope
from gateway.crypto.keys import HASHES, SoftwareKey
from gateway.crypto.profiles import FIKS_ENVELOPE
from gateway.crypto.signed_data import sign_detached
from gateway.testing.pki import Make, Pki, receive_key

NOW = datetime.now(UTC)
ORGANISATION = "987654321"
MIMETYPE = b"application/vnd.etsi.asic-e+zip"
MANIFEST_NAME = "META-INF/asicmanifest.xml"
SIGNATURE_NAME = "META-INF/signature-1.p7s"
DIGEST_OIDS = {
    "sha1": "1.3.14.3.2.26",
    "sha256": "2.16.840.1.101.3.4.2.1",
    "sha384": "2.16.840.1.101.3.4.2.2",
    "sha512": "2.16.840.1.101.3.4.2.3",
}
DOCUMENTS = {"bekymringsmelding.json": b'{"a": 1}', "bekymringsmelding.pdf": b"%PDF-1.7 prove" * 300}


@lru_cache
def pki():
    return Pki(Make(not_before=NOW - timedelta(days=30)))  # older than every leaf that a test makes


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


@dataclass
class HandSigner:
    """One SignerInfo and what it may get wrong."""

    key: object = None
    digest: str = "sha256"
    digest_oid: str | None = None  # what digestAlgorithm says, when that is a lie
    signature_oid: str = "1.2.840.113549.1.1.11"
    pss_salt: int | None = None
    attributes: bool = True
    sort: bool = True
    content_type: str = "1.2.840.113549.1.7.1"
    message_digest: bytes | None = None
    leave_out: tuple = ()
    extra: tuple = ()  # further attributes, encoded
    broken: bool = False
    unsigned: bytes = b""

    def encoded(self, content):
        key = self.key or signer()
        digest_algorithm = tlv(SEQUENCE, object_identifier(self.digest_oid or DIGEST_OIDS[self.digest]), tlv(NULL))
        attributes = self._attributes(content)
        signed = tlv(SET, *attributes) if self.attributes else content
        signature = key._key.sign(signed, self._padding(), HASHES[self.digest]())
        parameters = tlv(NULL) if self.pss_salt is None else self._pss()
        return tlv(
            SEQUENCE,
            integer(1),
            facts_of(key.certificate).issuer_and_serial,
            digest_algorithm,
            tlv(context(0), *attributes) if self.attributes else b"",
            tlv(SEQUENCE, object_identifier(self.signature_oid), parameters),
            tlv(OCTET_STRING, bytes(len(signature)) if self.broken else signature),
            self.unsigned,
        )

    def _attributes(self, content):
        digest = self.message_digest or hashlib.new(self.digest, content).digest()
        found = {
            "content type": attribute("1.2.840.113549.1.9.3", object_identifier(self.content_type)),
            "message digest": attribute("1.2.840.113549.1.9.4", tlv(OCTET_STRING, digest)),
        }
        kept = [one for name, one in found.items() if name not in self.leave_out] + list(self.extra)
        return sorted(kept) if self.sort else sorted(kept, reverse=True)

    def _padding(self):
        if self.pss_salt is None:
            return padding.PKCS1v15()
        return padding.PSS(padding.MGF1(HASHES[self.digest]()), self.pss_salt)

    def _pss(self):
        algorithm = tlv(SEQUENCE, object_identifier(DIGEST_OIDS[self.digest]), tlv(NULL))
        mask = tlv(SEQUENCE, object_identifier("1.2.840.113549.1.1.8"), algorithm)
        salt = tlv(context(2), integer(self.pss_salt))
        return tlv(SEQUENCE, tlv(context(0), algorithm), tlv(context(1), mask), salt)


def attribute(oid, *values):
    return tlv(SEQUENCE, object_identifier(oid), tlv(SET, *values))


def signed_data(content, *signers, certificates=None, enclosed=b"", content_type=None):
    """A SignedData by several hands; ``certificates`` in the order given, by default each signer's chain."""
    chains = [one for hand in signers for one in (hand.key or signer()).chain]
    found = dict.fromkeys(facts_of(one).der for one in (chains if certificates is None else certificates))
    return tlv(
        SEQUENCE,
        object_identifier(content_type or "1.2.840.113549.1.7.2"),
        tlv(
            context(0),
            tlv(
                SEQUENCE,
                integer(1),
                set_of([]),
                tlv(SEQUENCE, object_identifier("1.2.840.113549.1.7.1"), enclosed),
                tlv(context(0), *found),
                tlv(SET, *(hand.encoded(content) for hand in signers)),
            ),
        ),
    )
