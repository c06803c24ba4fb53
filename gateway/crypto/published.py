"""A receive certificate as its senders get it, and as we get another's."""

from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.crypto.certificate_facts import UNREADABLE
from gateway.errors import CertificateError
from gateway.spi import PublicCertificate


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
