"""A receive certificate as its senders get it."""

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

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
