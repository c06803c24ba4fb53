"""Reading and believing CRLs and OCSP responses. Everything here is pure: octets and a time in, a finding out.

What is not signed by the issuer or its delegate, does not speak of the certificate, or is limited in a way that we do not
understand, is no answer (None or UNKNOWN).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from gateway import limits
from gateway.crypto.certificate_facts import UNREADABLE
from gateway.crypto.certificates import RevocationStatus

_STRONG: Final = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_CRL_CRITICAL_KNOWN: Final = {ExtensionOID.ISSUING_DISTRIBUTION_POINT, ExtensionOID.CRL_NUMBER}


def check_crl(content: bytes, issuer: x509.Certificate) -> x509.CertificateRevocationList | None:
    """Read a DER list and give it if its issuer signed it and nothing in it is beyond us."""
    try:
        crl = x509.load_der_x509_crl(content)
        extensions = list(crl.extensions)
        key = issuer.public_key()
        if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
            return None
        if crl.issuer != issuer.subject or not _may_sign_crl(issuer):
            return None
        if not isinstance(crl.signature_hash_algorithm, _STRONG) or not crl.is_signature_valid(key):
            return None
    except (TypeError, *UNREADABLE):
        return None
    # A delta list, among others, is critical and not for us.
    known = all(one.oid in _CRL_CRITICAL_KNOWN or not one.critical for one in extensions)
    return crl if known else None


def crl_status(crl: x509.CertificateRevocationList, certificate: x509.Certificate, at: datetime) -> RevocationStatus:
    """Tell what a checked list says of a certificate at a time."""
    if not _covers(crl, certificate):
        return RevocationStatus.UNKNOWN
    entry = crl.get_revoked_certificate_by_serial_number(certificate.serial_number)
    if entry is None or entry.revocation_date_utc > at:
        return RevocationStatus.GOOD
    return RevocationStatus.REVOKED


@dataclass(frozen=True, slots=True)
class Answer:
    """One believed OCSP answer, good until a time."""

    revoked_at: datetime | None
    until: datetime

    def is_current(self, now: datetime) -> bool:
        """Whether it still counts."""
        return now < self.until

    def status(self, at: datetime) -> RevocationStatus:
        """Tell the state at a time."""
        revoked = self.revoked_at is not None and self.revoked_at <= at
        return RevocationStatus.REVOKED if revoked else RevocationStatus.GOOD


def ocsp_request(certificate: x509.Certificate, issuer: x509.Certificate) -> bytes:
    """Encode a request for one certificate. SHA-1 here only names the issuer, as every responder understands."""
    return _request(certificate, issuer, hashes.SHA1()).public_bytes(serialization.Encoding.DER)  # noqa: S303  a name, not a seal


def ocsp_answer(
    content: bytes, certificate: x509.Certificate, issuer: x509.Certificate, now: datetime
) -> Answer | None:
    """Read a DER response and give what it says of the certificate, if it may be believed now."""
    try:
        response = ocsp.load_der_ocsp_response(content)
        if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            return None
        signer = _responder(response, issuer, now)
        if signer is None or not _is_signed_by(response, signer):
            return None
        singles = [one for one in response.responses if _speaks_of(one, certificate, issuer)]
    except (TypeError, *UNREADABLE):
        return None
    return _answer(singles[0], now) if len(singles) == 1 else None


def _answer(single: ocsp.OCSPSingleResponse, now: datetime) -> Answer | None:
    keep = now + timedelta(seconds=limits.REVOCATION_KEEP_S)
    until = single.next_update_utc or single.this_update_utc + timedelta(seconds=limits.REVOCATION_KEEP_S)
    if single.this_update_utc > now + timedelta(seconds=limits.REVOCATION_SKEW_S) or now >= until:
        return None
    if single.certificate_status is ocsp.OCSPCertStatus.GOOD:
        return Answer(None, min(until, keep))
    if single.certificate_status is ocsp.OCSPCertStatus.REVOKED:
        return Answer(single.revocation_time_utc, min(until, keep))
    return None


def _covers(crl: x509.CertificateRevocationList, certificate: x509.Certificate) -> bool:
    """Whether the list speaks of this certificate: issuingDistributionPoint may limit it (RFC 5280 section 5.2.5)."""
    try:
        point = crl.extensions.get_extension_for_class(x509.IssuingDistributionPoint).value
    except x509.ExtensionNotFound:
        return True
    if point.indirect_crl or point.only_some_reasons or point.only_contains_attribute_certs:
        return False
    is_ca = _is_ca(certificate)
    if (point.only_contains_user_certs and is_ca) or (point.only_contains_ca_certs and not is_ca):
        return False
    return point.full_name is None or bool(_uris(point.full_name) & _distribution_uris(certificate))


def _distribution_uris(certificate: x509.Certificate) -> set[str]:
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except x509.ExtensionNotFound:
        return set()
    return {uri for point in points if point.full_name for uri in _uris(point.full_name)}


def _uris(names: list[x509.GeneralName]) -> set[str]:
    return {name.value for name in names if isinstance(name, x509.UniformResourceIdentifier)}


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _may_sign_crl(issuer: x509.Certificate) -> bool:
    try:
        return issuer.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
    except x509.ExtensionNotFound:
        return True


def _request(
    certificate: x509.Certificate, issuer: x509.Certificate, algorithm: hashes.HashAlgorithm
) -> ocsp.OCSPRequest:
    return ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, algorithm).build()


def _speaks_of(single: ocsp.OCSPSingleResponse, certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    expected = _request(certificate, issuer, single.hash_algorithm)
    return (single.serial_number, single.issuer_name_hash, single.issuer_key_hash) == (
        expected.serial_number,
        expected.issuer_name_hash,
        expected.issuer_key_hash,
    )


def _responder(response: ocsp.OCSPResponse, issuer: x509.Certificate, now: datetime) -> x509.Certificate | None:
    """Give the certificate that the response names: the issuer's own, or one that the issuer delegated to."""
    if _is_named(response, issuer):
        return issuer
    delegates = (one for one in response.certificates if _is_named(response, one))
    return next((one for one in delegates if _is_delegate(one, issuer, now)), None)


def _is_named(response: ocsp.OCSPResponse, certificate: x509.Certificate) -> bool:
    if response.responder_name is not None:
        return response.responder_name == certificate.subject
    key_id = x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest  # RFC 6960: SHA-1 of the key
    return response.responder_key_hash == key_id


def _is_delegate(certificate: x509.Certificate, issuer: x509.Certificate, now: datetime) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (InvalidSignature, x509.ExtensionNotFound, TypeError, *UNREADABLE):
        return False
    in_time = certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
    return ExtendedKeyUsageOID.OCSP_SIGNING in usages and in_time


def _is_signed_by(response: ocsp.OCSPResponse, signer: x509.Certificate) -> bool:
    key, algorithm = signer.public_key(), response.signature_hash_algorithm
    if not isinstance(algorithm, _STRONG):
        return False
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(response.signature, response.tbs_response_bytes, padding.PKCS1v15(), algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(response.signature, response.tbs_response_bytes, ec.ECDSA(algorithm))
        else:
            return False
    except InvalidSignature:
        return False
    return True
