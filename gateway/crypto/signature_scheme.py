"""Signature algorithms as CMS names them (RFC 5652, RFC 4056, RFC 5758), and checking one signature."""

from dataclasses import dataclass
from enum import Enum
from typing import NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from gateway.crypto import oids
from gateway.crypto.ber import INTEGER, OBJECT_IDENTIFIER, SEQUENCE, Element, context
from gateway.crypto.key_transport import Digest
from gateway.crypto.keys import HASHES
from gateway.errors import SignatureError, StructureError


class Kind(Enum):
    """The families of signatures that are read."""

    RSA = "RSASSA-PKCS1-v1_5"
    RSA_PSS = "RSASSA-PSS"
    ECDSA = "ECDSA"


@dataclass(frozen=True, slots=True)
class Scheme:
    """One way to sign; ``salt_bytes`` counts for PSS only."""

    kind: Kind
    digest: Digest
    salt_bytes: int = 0


def read_digest(algorithm: Element) -> Digest:
    """Read a digest's AlgorithmIdentifier. Raises SignatureError for one that we do not know."""
    digest = oids.DIGESTS.get(algorithm.fields().take(OBJECT_IDENTIFIER).encoded)
    if digest is None:
        _unknown()
    return digest


def read_scheme(algorithm: Element, digest: Digest) -> Scheme:
    """Read a signature's AlgorithmIdentifier beside the digest that was named with it.

    Raises SignatureError when it is unknown or the two do not agree, StructureError.
    """
    fields = algorithm.fields()
    oid = fields.take(OBJECT_IDENTIFIER).encoded
    if oid == oids.RSA_ENCRYPTION:  # BouncyCastle names the key only: the hash is the one named beside it
        return Scheme(Kind.RSA, digest)
    if oid == oids.RSASSA_PSS:
        scheme = _read_pss(fields.take(SEQUENCE))
    elif oid in oids.RSA_SIGNATURES:
        scheme = Scheme(Kind.RSA, oids.RSA_SIGNATURES[oid])
    elif oid in oids.ECDSA_SIGNATURES:
        scheme = Scheme(Kind.ECDSA, oids.ECDSA_SIGNATURES[oid])
    else:
        _unknown()
    if scheme.digest is not digest:
        msg = "signature: two different hashes are named"
        raise SignatureError(msg)
    return scheme


def check_signature(key: CertificatePublicKeyTypes, scheme: Scheme, signature: bytes, data: bytes) -> None:
    """Check one signature. Raises SignatureError when it does not fit."""
    algorithm = HASHES[scheme.digest]()
    try:
        if isinstance(key, rsa.RSAPublicKey) and scheme.kind is not Kind.ECDSA:
            pss = padding.PSS(padding.MGF1(algorithm), scheme.salt_bytes)
            key.verify(signature, data, padding.PKCS1v15() if scheme.kind is Kind.RSA else pss, algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey) and scheme.kind is Kind.ECDSA:
            key.verify(signature, data, ec.ECDSA(algorithm))
        else:
            _unknown()
    except InvalidSignature:
        msg = "signature: it does not fit"
        raise SignatureError(msg) from None


def _read_pss(parameters: Element) -> Scheme:
    """Read RSASSA-PSS-params: the mask's hash must be the hash, the salt at most as long as it."""
    fields = parameters.fields()
    hashed, masked, salt, trailer = (fields.maybe(context(number)) for number in range(4))
    fields.end()
    digest = read_digest(hashed.fields().take(SEQUENCE)) if hashed else Digest.SHA1
    mask_digest = Digest.SHA1
    if masked:
        mask = masked.fields().take(SEQUENCE).fields()
        if mask.take(OBJECT_IDENTIFIER).encoded != oids.MGF1:
            _unknown()
        mask_digest = read_digest(mask.take(SEQUENCE))
    salt_bytes = salt.fields().take(INTEGER).integer() if salt else 20
    if trailer and trailer.fields().take(INTEGER).integer() != 1:
        _unknown()
    if mask_digest is not digest or not 0 <= salt_bytes <= HASHES[digest]().digest_size:
        msg = "signature: parameters of PSS that nobody needs"
        raise StructureError(msg)
    return Scheme(Kind.RSA_PSS, digest, salt_bytes)


def _unknown() -> NoReturn:
    msg = "signature: an algorithm that we do not take"
    raise SignatureError(msg)
