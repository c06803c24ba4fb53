"""Digipost's signed requests and answers, and documents sealed for their reader (digipost.md 2 and 6).

A signature is RSASSA-PKCS1-v1_5 with SHA-256 over a text made of the request or answer. The two texts differ where one
would not expect it: a request's path is percent-decoded and its query stands at the end, an answer's path is as it was
on the wire and the query is left out.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final, NoReturn
from urllib.parse import unquote

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import padding as block_padding
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from gateway import limits
from gateway.crypto import oids
from gateway.crypto.ber import NULL, OCTET_STRING, SEQUENCE, context, integer, set_of, tlv
from gateway.crypto.certificate_facts import UNREADABLE, CertificateFacts, facts_of
from gateway.crypto.certificates import SignerTrust, TrustPolicy, organisation_number
from gateway.crypto.key_transport import Digest
from gateway.crypto.keys import SigningKey
from gateway.crypto.published import key_fingerprint
from gateway.crypto.signature_scheme import Kind, Scheme, check_signature
from gateway.errors import CertificateError, SignatureError, StructureError
from gateway.spi import SignedAnswer

DATE: Final = "date"
HASH: Final = "x-content-sha256"
SIGNATURE: Final = "x-digipost-signature"
_SIGNED: Final = ("content-md5", DATE, HASH, "x-digipost-userid")
_SKEW: Final = timedelta(minutes=5)
_SCHEME: Final = Scheme(Kind.RSA, Digest.SHA256)
_BELIEVED: Final = frozenset({SignerTrust.TRUSTED, SignerTrust.REVOCATION_UNKNOWN})
_AES_BITS: Final = 128
_RSA_ALGORITHM: Final = tlv(SEQUENCE, oids.RSA_ENCRYPTION, tlv(NULL))


def request_text(method: str, target: str, headers: Mapping[str, str]) -> str:
    """What is signed of a request; ``target`` is path and query as on the wire (digipost.md 2.1). Raises StructureError."""
    path, _, query = target.partition("?")
    decoded = unquote(path)
    if not decoded.isprintable():  # a line end in it would make another request's text
        message = "digipost: a path that cannot be signed"
        raise StructureError(message)
    return "".join(f"{line}\n" for line in (method.upper(), decoded.lower(), *_lines(headers), query.lower()))


def response_text(status: int, target: str, headers: Mapping[str, str]) -> str:
    """What is signed of an answer; ``target`` is the request's (digipost.md 2.3)."""
    path = target.partition("?")[0]
    return "".join(f"{line}\n" for line in (str(status), path.lower(), *_lines(headers)))


def content_hash(body: bytes) -> str:
    """The value of ``X-Content-SHA256``."""
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


class DigipostSigner:
    """Signs as the broker and believes some certificates of Digipost (``spi.Signer``).

    ``key`` is asked for at each signature, so that it can be renewed without a stop. ``trust`` may have pins or roots;
    with roots the certificate must name ``organisation`` as well.
    """

    def __init__(self, key: Callable[[], SigningKey], trust: TrustPolicy, organisation: str | None = None) -> None:
        self._key = key
        self._trust = trust
        self._organisation = organisation

    def sign(self, method: str, target: str, headers: Mapping[str, str]) -> str:
        """See ``spi.Signer``."""
        signature = self._key().sign(request_text(method, target, headers).encode())
        return base64.b64encode(signature).decode()

    def fingerprint(self, certificate: str, at: datetime) -> str:
        """See ``spi.Signer``. Pins alone decide where there are any."""
        facts = _certificate(certificate)
        found = facts.sha256.hex()
        if self._trust.pins and found not in self._trust.pins:
            _untrusted("not the certificate that is pinned")
        if self._trust.judge(facts.certificate, [], at) not in _BELIEVED:
            _untrusted("not to be believed")
        if not self._trust.pins and organisation_number(facts.certificate) != self._organisation:
            _untrusted("another organisation's certificate")
        return found

    def check_fresh(self, answer: SignedAnswer, at: datetime) -> None:
        """See ``spi.Signer``. A body needs its hash, also where no length was told: the official client is laxer there."""
        headers = _lower(answer.headers)
        # 1. The time: within five minutes of ours, so that an old answer is not played again.
        if abs(_date(headers) - at) > _SKEW:
            _refuse("an answer of another time")
        # 2. The body as it came, packed or not.
        told = headers.get(HASH)
        if told is None:
            if answer.body:
                _refuse("a body without its hash")
            return
        if not hmac.compare_digest(told.encode(), content_hash(answer.body).encode()):
            _refuse("a body that is not what its hash says")

    def check(self, certificate: str, answer: SignedAnswer, at: datetime) -> None:
        """See ``spi.Signer``."""
        self.check_fresh(answer, at)
        # 3. The signature.
        told = _lower(answer.headers).get(SIGNATURE)
        if told is None:
            _refuse("no signature")
        try:
            signature = base64.b64decode(told, validate=True)
        except (binascii.Error, ValueError):
            _refuse("a signature that is not base64")
        text = response_text(answer.status, answer.target, answer.headers)
        check_signature(_certificate(certificate).public_key, _SCHEME, signature, text.encode())

    def key_fingerprint(self, public_key: str) -> str:
        """See ``spi.Signer``."""
        return key_fingerprint(_public_key(public_key))

    def seal_to_key(self, public_key: str, key_id: str, content: bytes) -> bytes:
        """See ``spi.Signer``."""
        return seal_to_key(public_key, key_id, content)

    def seal_to_certificate(self, certificate: str, content: bytes) -> bytes:
        """See ``spi.Signer``."""
        return seal_to_certificate(certificate, content)


def seal_to_key(public_key: str, key_id: str, content: bytes) -> bytes:
    """A CMS envelope for a person's key: named by the text of its id, so of version 2 (digipost.md 6). Raises CertificateError."""
    return _envelope(2, tlv(context(0, constructed=False), key_id.encode()), _public_key(public_key), content)


def _public_key(pem: str) -> PublicKeyTypes:
    try:
        return load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        _untrusted("no public key")


def seal_to_certificate(certificate: str, content: bytes) -> bytes:
    """A CMS envelope for the printer: named by issuer and serial number, so of version 0. Raises CertificateError."""
    facts = _certificate(certificate)
    return _envelope(0, facts.issuer_and_serial, facts.public_key, content)


def _envelope(version: int, recipient: bytes, key: PublicKeyTypes, content: bytes) -> bytes:
    """EnvelopedData as Digipost reads it: AES-256-CBC, its key carried with RSAES-PKCS1-v1_5, all as DER."""
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < limits.RSA_BITS_MIN:
        _untrusted("no RSA key of sufficient size")
    content_key, vector = secrets.token_bytes(32), secrets.token_bytes(16)
    carried = key.encrypt(content_key, padding.PKCS1v15())
    info = tlv(SEQUENCE, integer(version), recipient, _RSA_ALGORITHM, tlv(OCTET_STRING, carried))
    padder, encryptor = block_padding.PKCS7(_AES_BITS).padder(), Cipher(AES(content_key), CBC(vector)).encryptor()
    sealed = encryptor.update(padder.update(content) + padder.finalize()) + encryptor.finalize()
    algorithm = tlv(SEQUENCE, oids.AES_256_CBC, tlv(OCTET_STRING, vector))
    encrypted = tlv(SEQUENCE, oids.DATA, algorithm, tlv(context(0, constructed=False), sealed))
    enveloped = tlv(SEQUENCE, integer(version), set_of([info]), encrypted)
    return tlv(SEQUENCE, oids.ENVELOPED_DATA, tlv(context(0), enveloped))


def _lines(headers: Mapping[str, str]) -> Iterator[str]:
    """The signed headers by name. Ours have one letter case, since the official client sorts them as they are written."""
    found = _lower(headers)
    return (f"{name}: {found[name]}" for name in _SIGNED if name in found)


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    """Names in lower case. A signed header that is there twice is refused: two readers might take two values."""
    found: dict[str, str] = {}
    for name, value in headers.items():
        if name.lower() in found and name.lower() in {*_SIGNED, SIGNATURE}:
            _refuse("a header twice")
        found[name.lower()] = value
    return found


def _date(headers: Mapping[str, str]) -> datetime:
    try:
        at = parsedate_to_datetime(headers.get(DATE, ""))
    except (ValueError, OverflowError):
        _refuse("no date")
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _certificate(pem: str) -> CertificateFacts:
    try:
        return facts_of(x509.load_pem_x509_certificate(pem.encode()))
    except (StructureError, *UNREADABLE):
        _untrusted("no readable certificate")


def _untrusted(why: str) -> NoReturn:
    message = f"digipost: {why}"
    raise CertificateError(message) from None


def _refuse(why: str) -> NoReturn:
    message = f"digipost: {why}"
    raise SignatureError(message) from None
