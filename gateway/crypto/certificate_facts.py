"""What envelopes and signatures need to know of a certificate, worked out once for each (crypto-profile 8).

Names are taken byte for byte from the certificate: rebuilding one from parsed text changes its string types.
"""

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from gateway import limits
from gateway.crypto.ber import INTEGER, SEQUENCE, Element, context, parse, tlv
from gateway.errors import StructureError

SUBJECT_KEY_ID: Final = context(0, constructed=False)
# All that the library raises for a certificate that it cannot read, at once or when a part of it is asked for.
UNREADABLE: Final = (
    ValueError,
    TypeError,  # a part of a name that is no text
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
NormalName = tuple[frozenset[tuple[bytes, str]], ...]
_UTF16_STRING = 0x1E
_UTF32_STRING = 0x1C


@dataclass(frozen=True, slots=True, eq=False)
class CertificateFacts:
    """One certificate. ``issuer_and_serial`` is the DER of IssuerAndSerialNumber (RFC 5652 section 10.2.4)."""

    certificate: x509.Certificate
    der: bytes
    issuer_and_serial: bytes
    subject_key_id: bytes | None
    sha256: bytes
    public_key: CertificatePublicKeyTypes
    subject: str  # RFC 4514


def facts_of(certificate: x509.Certificate) -> CertificateFacts:
    """Give the facts of a parsed certificate. Raises StructureError."""
    return facts_of_der(certificate.public_bytes(serialization.Encoding.DER))


@lru_cache(maxsize=1024)
def facts_of_der(der: bytes) -> CertificateFacts:
    """Give the facts of a certificate as sent. Raises StructureError."""
    if len(der) > limits.CERTIFICATE_BYTES_MAX:
        msg = "certificate: larger than any honest one"
        raise StructureError(msg)
    try:
        certificate = x509.load_der_x509_certificate(der)
        public_key = certificate.public_key()
        issuer_and_serial = _issuer_and_serial(der)
        key_id = _subject_key_id(certificate)
        subject = certificate.subject.rfc4514_string()
        certificate.issuer.rfc4514_string()  # so that nobody who looks at it later fails
    except UNREADABLE:
        msg = "certificate: not readable"
        raise StructureError(msg) from None
    return CertificateFacts(
        certificate, der, issuer_and_serial, key_id, hashlib.sha256(der).digest(), public_key, subject
    )


def find_named(identifier: Element, among: Sequence[CertificateFacts]) -> CertificateFacts | None:
    """Find whom a SignerIdentifier or RecipientIdentifier names (RFC 5652 sections 5.3 and 6.2.1). Raises StructureError.

    Octets are compared first, and only when none are equal the names by their rules, which is slow.
    """
    if identifier.tag == SUBJECT_KEY_ID:
        return next((facts for facts in among if facts.subject_key_id == identifier.content), None)
    same = next((facts for facts in among if facts.issuer_and_serial == identifier.encoded), None)
    if same or not among:
        return same
    wanted = _normal(identifier)
    return next((facts for facts in among if _normal(parse(facts.issuer_and_serial)) == wanted), None)


def _normal(identifier: Element) -> tuple[NormalName, int]:
    fields = identifier.fields()
    name = fields.take(SEQUENCE)
    return tuple(_normal_relative_name(part) for part in name.children()), fields.take(INTEGER).integer()


def _normal_relative_name(part: Element) -> frozenset[tuple[bytes, str]]:
    pairs = (attribute.fields() for attribute in part.children())
    return frozenset((pair.take().content, _normal_text(pair.take())) for pair in pairs)


def _normal_text(value: Element) -> str:
    """Fold a string as RFC 5280 section 7.1 has names compared: type, case and runs of spaces do not count."""
    encoding = {_UTF16_STRING: "utf-16-be", _UTF32_STRING: "utf-32-be"}.get(value.tag, "utf-8")
    text = unicodedata.normalize("NFKC", value.content.decode(encoding, "backslashreplace"))
    return " ".join(text.casefold().split())


def _issuer_and_serial(der: bytes) -> bytes:
    to_be_signed = parse(der).fields().take(SEQUENCE).fields()
    to_be_signed.maybe(context(0))
    serial = to_be_signed.take(INTEGER)
    to_be_signed.take(SEQUENCE)
    issuer = to_be_signed.take(SEQUENCE)
    return tlv(SEQUENCE, issuer.encoded, serial.encoded)


def _subject_key_id(certificate: x509.Certificate) -> bytes | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return None
