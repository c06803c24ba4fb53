"""CMS SignedData (RFC 5652 section 5): writing it detached as CAdES (crypto-profile 3.2), and verifying it.

Verification follows steps 7-11 of crypto-profile 3.3. It says who signed; whether that certificate is believed is asked
of ``trust``.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NoReturn

from gateway import limits
from gateway.crypto import oids
from gateway.crypto.ber import (
    CONSTRUCTED,
    INTEGER,
    OBJECT_IDENTIFIER,
    OCTET_STRING,
    SEQUENCE,
    SET,
    Element,
    context,
    integer,
    parse,
    set_of,
    tlv,
)
from gateway.crypto.certificate_facts import SUBJECT_KEY_ID, CertificateFacts, facts_of, facts_of_der, find_named
from gateway.crypto.key_transport import Digest
from gateway.crypto.keys import SigningKey
from gateway.crypto.profiles import ContainerProfile
from gateway.crypto.signature_scheme import check_signature, read_digest, read_scheme
from gateway.errors import SenderError, SignatureError, StructureError

_UTC_TIME: Final = 0x17
_GENERALIZED_TIME: Final = 0x18
_UTC_TIME_UNTIL_YEAR: Final = 2050  # RFC 5652 section 11.3


def sign_detached(content: bytes, key: SigningKey, at: datetime) -> bytes:
    """Sign content, given whole, as of ``at``. DER; SHA-256 with RSA; the key's chain is enclosed."""
    signer = facts_of(key.chain[0])
    attributes = [
        _attribute(oids.CONTENT_TYPE, oids.DATA),
        _attribute(oids.SIGNING_TIME, _time(at)),
        _attribute(oids.MESSAGE_DIGEST, tlv(OCTET_STRING, hashlib.sha256(content).digest())),
        # The hash's algorithm is left out: SHA-256 is the default, and DER leaves defaults out.
        _attribute(
            oids.SIGNING_CERTIFICATE_V2,
            tlv(SEQUENCE, tlv(SEQUENCE, tlv(SEQUENCE, tlv(OCTET_STRING, signer.sha256)))),
        ),
    ]
    signer_info = tlv(
        SEQUENCE,
        integer(1),
        signer.issuer_and_serial,
        oids.SHA256_ALGORITHM,
        set_of(attributes, context(0)),
        oids.SHA256_WITH_RSA_ALGORITHM,
        tlv(OCTET_STRING, key.sign(set_of(attributes))),
    )
    signed_data = tlv(
        SEQUENCE,
        integer(1),
        set_of([oids.SHA256_ALGORITHM]),
        tlv(SEQUENCE, oids.DATA),
        set_of((facts_of(one).der for one in key.chain), context(0)),
        set_of([signer_info]),
    )
    return tlv(SEQUENCE, oids.SIGNED_DATA, tlv(context(0), signed_data))


@dataclass(frozen=True, slots=True)
class VerifiedSignature:
    """Who signed, and the other certificates that came along, in no order."""

    signer: CertificateFacts
    enclosed: tuple[CertificateFacts, ...]
    used_sha1: bool


def verify_detached(encoded: bytes, content: bytes, profile: ContainerProfile) -> VerifiedSignature:
    """Verify every signature of a detached SignedData over ``content``.

    Raises StructureError, SignatureError, and SenderError when several certificates signed.
    """
    # 7. SignedData, detached, at least one signer; each must hold, all by one certificate.
    parsed = _parsed(encoded)
    if parsed.content_type != oids.DATA or parsed.content is not None:
        _refuse("content enclosed, or not of type data")
    return _verified(parsed, content, profile)


def verify_enclosed(encoded: bytes, content_type: bytes, profile: ContainerProfile) -> tuple[bytes, VerifiedSignature]:
    """Verify every signature of a SignedData that encloses content of a type of its own, and give that content.

    Attributes must be there (RFC 5652 section 5.3) and name the signer's certificate (RFC 5816 section 2.2.1).
    Raises StructureError, SignatureError, and SenderError when several certificates signed.
    """
    parsed = _parsed(encoded)
    if parsed.content_type != content_type or parsed.content is None:
        _refuse("no content enclosed, or of another type")
    return parsed.content, _verified(parsed, parsed.content, profile)


@dataclass(frozen=True, slots=True)
class _Parsed:
    content_type: bytes
    content: bytes | None
    certificates: list[CertificateFacts]
    signer_infos: list[Element]


def _verified(parsed: _Parsed, content: bytes, profile: ContainerProfile) -> VerifiedSignature:
    if not parsed.signer_infos:
        _unsigned("nobody signed")
    verified = [_verify_signer(info, parsed, content, profile) for info in parsed.signer_infos]
    signer = verified[0][0]
    if any(other.der != signer.der for other, _ in verified):
        msg = "signed data: several certificates signed"
        raise SenderError(msg)
    enclosed = tuple(one for one in parsed.certificates if one.der != signer.der)
    return VerifiedSignature(signer, enclosed, any(digest is Digest.SHA1 for _, digest in verified))


def _parsed(encoded: bytes) -> _Parsed:
    outer = parse(encoded).fields()
    if outer.take(OBJECT_IDENTIFIER).encoded != oids.SIGNED_DATA:
        _refuse("another content type")
    explicit = outer.take(context(0)).fields()
    outer.end()
    fields = explicit.take(SEQUENCE).fields()
    explicit.end()
    fields.take(INTEGER)
    fields.take(SET)
    content = fields.take(SEQUENCE).fields()
    content_type = content.take(OBJECT_IDENTIFIER).encoded
    enclosed = content.maybe(context(0))
    certificates = fields.maybe(context(0))
    fields.maybe(context(1))
    signer_infos = fields.take(SET).children()
    fields.end()
    found = [one for one in certificates.children() if one.tag == SEQUENCE] if certificates else []
    # Each costs as much as a whole honest message.
    if len(found) > limits.CMS_CERTIFICATES_MAX or len(signer_infos) > limits.CMS_SIGNERS_MAX:
        _refuse("too many certificates or signers")
    if sum(len(one.encoded) for one in found) > limits.CMS_CERTIFICATES_BYTES_MAX:
        _refuse("too large certificates")
    readable = [facts for one in found if (facts := _readable(one))]
    return _Parsed(content_type, _enclosed(enclosed) if enclosed else None, readable, signer_infos)


def _enclosed(explicit: Element) -> bytes:
    fields = explicit.fields()
    octets = fields.take(OCTET_STRING, OCTET_STRING | CONSTRUCTED).octets()
    fields.end()
    return octets


def _readable(certificate: Element) -> CertificateFacts | None:
    """Skip a certificate that cannot be read: if it was the signer's, the signer is not found."""
    try:
        return facts_of_der(certificate.encoded)
    except StructureError:
        return None


def _verify_signer(
    info: Element, parsed: _Parsed, content: bytes, profile: ContainerProfile
) -> tuple[CertificateFacts, Digest]:
    fields = info.fields()
    fields.take(INTEGER)
    # 8. By identifier, never by position: the set is sorted by encoding.
    signer = find_named(fields.take(SEQUENCE, SUBJECT_KEY_ID), parsed.certificates)
    if signer is None:
        _unsigned("the signer's certificate is not enclosed")
    digest_algorithm = fields.take(SEQUENCE)
    attributes = fields.maybe(context(0))
    # 10. The hash: both algorithms must agree.
    scheme = read_scheme(fields.take(SEQUENCE), read_digest(digest_algorithm))
    if not profile.accepts(scheme.digest):
        _unsigned("a hash that this channel does not take")
    signature = fields.take(OCTET_STRING, OCTET_STRING | CONSTRUCTED).octets()
    fields.maybe(context(1))
    fields.end()
    # 9. Over the attributes exactly as sent, as the SET that they are, or else over the content.
    if attributes is None:
        if parsed.content_type != oids.DATA:
            _unsigned("attributes are missing")
        check_signature(signer.public_key, scheme, signature, content)
    else:
        _check_attributes(attributes, signer, scheme.digest, content, parsed.content_type)
        check_signature(signer.public_key, scheme, signature, bytes([SET]) + attributes.encoded[1:])
    return signer, scheme.digest


def _check_attributes(
    attributes: Element, signer: CertificateFacts, digest: Digest, content: bytes, content_type: bytes
) -> None:
    values = _read_attributes(attributes)
    named_type = values.get(oids.CONTENT_TYPE)
    if named_type is None or named_type.encoded != content_type:
        _unsigned("the attributes name another content type")
    message_digest = values.get(oids.MESSAGE_DIGEST)
    if message_digest is None or message_digest.octets() != hashlib.new(digest, content).digest():
        _unsigned("the digest is another")
    # 11. Absence is normal from KS and eFormidling, which sign data.
    version_2 = values.get(oids.SIGNING_CERTIFICATE_V2)
    if version_2 and not _names_signer(version_2, signer, Digest.SHA256):
        _unsigned("the attributes name another certificate")
    version_1 = values.get(oids.SIGNING_CERTIFICATE)
    if version_1 and not _names_signer(version_1, signer, Digest.SHA1):
        _unsigned("the attributes name another certificate")
    if content_type != oids.DATA and not (version_1 or version_2):
        _unsigned("the attributes do not name the certificate")


def _read_attributes(attributes: Element) -> dict[bytes, Element]:
    """Give each attribute's value by its type; each type may stand once, with one value."""
    values: dict[bytes, Element] = {}
    for attribute in attributes.children():
        fields = attribute.fields()
        oid = fields.take(OBJECT_IDENTIFIER).encoded
        members = fields.take(SET).fields()
        fields.end()
        if oid in values:
            _refuse("an attribute twice")
        values[oid] = members.take()
        members.end()
    return values


def _names_signer(value: Element, signer: CertificateFacts, default: Digest) -> bool:
    """Read SigningCertificate or SigningCertificateV2 (RFC 5035): its first entry is the signer's."""
    first = value.fields().take(SEQUENCE).fields().take(SEQUENCE).fields()
    algorithm = first.maybe(SEQUENCE) if default is Digest.SHA256 else None
    digest = read_digest(algorithm) if algorithm else default
    return first.take(OCTET_STRING).content == hashlib.new(digest, signer.der).digest()


def _attribute(oid: bytes, value: bytes) -> bytes:
    return tlv(SEQUENCE, oid, tlv(SET, value))


def _time(at: datetime) -> bytes:
    utc = at.astimezone(UTC)
    if utc.year < _UTC_TIME_UNTIL_YEAR:
        return tlv(_UTC_TIME, utc.strftime("%y%m%d%H%M%SZ").encode())
    return tlv(_GENERALIZED_TIME, utc.strftime("%Y%m%d%H%M%SZ").encode())


def _refuse(why: str) -> NoReturn:
    msg = f"signed data: {why}"
    raise StructureError(msg)


def _unsigned(why: str) -> NoReturn:
    msg = f"signed data: {why}"
    raise SignatureError(msg)
