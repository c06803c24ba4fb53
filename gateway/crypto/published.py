"""A receive certificate as its senders get it, and as we get another's."""

import hashlib
import io
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.crypto.certificate_facts import UNREADABLE
from gateway.crypto.cms import EnvelopeWriter, open_envelope
from gateway.crypto.keys import DecryptionKey
from gateway.crypto.profiles import GATEWAY_ENVELOPE
from gateway.errors import CertificateError, DecryptionError, StructureError
from gateway.spi import PublicCertificate

_TRIAL_BYTES: Final = 256


def published(certificate: x509.Certificate) -> PublicCertificate:
    """PEM with LF line ends, decimal serial number, RFC 4514 names (decisions 4.1)."""
    return PublicCertificate(
        pem=certificate.public_bytes(Encoding.PEM).decode(),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        serial=str(certificate.serial_number),
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
    )


def recipient_certificate(pem: str, at: datetime) -> x509.Certificate:
    """Read what a directory gave. Raises CertificateError when it is none, or is not valid at that time."""
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
    except UNREADABLE as error:
        msg = "the recipient's certificate cannot be read"
        raise CertificateError(msg) from error
    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        msg = "the recipient's certificate is not valid now"
        raise CertificateError(msg)
    return certificate


def fingerprint(certificates: Sequence[x509.Certificate]) -> str:
    """SHA-256 (hex) of the keys' SubjectPublicKeyInfo, one after the other: a certificate that is renewed with its key has the same.

    Raises CertificateError for a key that cannot be read.
    """
    try:
        return key_fingerprint(*(certificate.public_key() for certificate in certificates))
    except UNREADABLE as error:
        msg = "the recipient's key cannot be read"
        raise CertificateError(msg) from error


def key_fingerprint(*keys: PublicKeyTypes) -> str:
    """The same of keys without certificates."""
    encoded = [key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) for key in keys]
    return hashlib.sha256(b"".join(encoded)).hexdigest()


def opens(pem: str, keys: Sequence[DecryptionKey]) -> bool:
    """Whether one of the keys opens what is sealed for this certificate (PEM), found by doing it (fiks.md 6.5).

    What is no usable certificate is False. Blocks. Raises KeyUnavailableError.
    """
    trial, sealed = secrets.token_bytes(_TRIAL_BYTES), io.BytesIO()
    try:
        envelope = EnvelopeWriter(x509.load_pem_x509_certificate(pem.encode()), GATEWAY_ENVELOPE, sealed.write)
        envelope.write(trial)
        envelope.close()
        sealed.seek(0)
        return b"".join(open_envelope(sealed, keys, GATEWAY_ENVELOPE)) == trial
    except (CertificateError, DecryptionError, StructureError, *UNREADABLE):
        return False
