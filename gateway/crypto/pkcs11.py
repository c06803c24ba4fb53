"""Keys that never leave a token: opening, signing, and wrapping data keys, through PKCS#11.

Opening asks the token for OAEP and PKCS#1 v1.5 as a whole. Where a token cannot do OAEP with SHA-256 (SoftHSM 2.6.1 does
not), ``raw_rsa`` lets it do the bare RSA operation and takes the padding off here (``rsa_decoding``): then the padding
is a secret of this process, and its time a surface.
"""

import hashlib
import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from pkcs11 import MGF, Attribute, CertificateType, GCMParams, Mechanism, ObjectClass, Session
from typing_extensions import override

from gateway import limits
from gateway.crypto.at_rest import SECRET_BYTES, DataKey
from gateway.crypto.certificate_facts import UNREADABLE
from gateway.crypto.key_transport import OAEP_SHA256, Digest, KeyTransport
from gateway.crypto.keys import chain_of, rsa_padding
from gateway.crypto.pkcs11_token import NoCertificateError, Token, WantedKey, find, token_of
from gateway.crypto.pkcs11_uri import KeyReference
from gateway.crypto.rsa_decoding import take_off
from gateway.errors import ConfigError, DecryptionError, KeyUnavailableError

_OAEP: Final = {
    Digest.SHA1: (Mechanism.SHA_1, MGF.SHA1),
    Digest.SHA256: (Mechanism.SHA256, MGF.SHA256),
    Digest.SHA384: (Mechanism.SHA384, MGF.SHA384),
    Digest.SHA512: (Mechanism.SHA512, MGF.SHA512),
}
_WRAPPED_VERSION: Final = 2  # 1 is the key-encryption key in memory
_NONCE_BYTES: Final = 12
_TAG_BITS: Final = 128
PROBED_TRANSPORT: Final = OAEP_SHA256
"""How concern reports are sealed, so what a key that receives must be able to open."""
_PROBE: Final = b"budstikke asks whether this key works"


class TokenKey(ABC):
    """What every key in a token has: its token, and how it is found and proved there."""

    def __init__(self, reference: KeyReference, token: Token, kind: ObjectClass) -> None:
        self.token = token
        self.wanted = WantedKey(reference.object, kind, self._works)
        self._name = str(reference)

    @abstractmethod
    def _works(self, key: Any) -> bool:
        """Whether the key in the token does its work: tried once at start."""

    @override
    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._name})"


class TokenDecryptionKey(TokenKey):
    """An RSA key in a token that opens what was sealed to its certificate (``keys.DecryptionKey``)."""

    def __init__(self, reference: KeyReference, token: Token, certificate: x509.Certificate, *, raw_rsa: bool) -> None:
        super().__init__(reference, token, ObjectClass.PRIVATE_KEY)
        self._certificate = certificate
        self._public = _public_key(certificate)
        self._raw_rsa = raw_rsa
        self._rejection = secrets.token_bytes(SECRET_BYTES)

    @property
    def certificate(self) -> x509.Certificate:
        """The certificate that senders seal to."""
        return self._certificate

    def decrypt(self, transport: KeyTransport, encrypted: bytes) -> bytes:
        """Give the content key. Raises DecryptionError, KeyUnavailableError when the token is away. Blocks."""
        size = -(-self._public.key_size // 8)
        if len(encrypted) != size or int.from_bytes(encrypted) >= self._public.public_numbers().n:
            msg = "the content key does not open"
            raise DecryptionError(msg)
        if not self._raw_rsa:
            return self.token.use(self.wanted, lambda key: _decrypted(key, transport, encrypted))
        try:
            block = self.token.use(self.wanted, lambda key: _raw(key, encrypted))
        except DecryptionError:  # below the modulus nothing is refused for what it is
            raise KeyUnavailableError(self._name) from None
        return take_off(transport, block.rjust(size, b"\0"), encrypted, self._rejection)

    @override
    def _works(self, key: Any) -> bool:
        sealed = self._public.encrypt(_PROBE, rsa_padding(PROBED_TRANSPORT))
        if not self._raw_rsa:
            return _decrypted(key, PROBED_TRANSPORT, sealed) == _PROBE
        try:
            block = _raw(key, sealed).rjust(len(sealed), b"\0")
            return take_off(PROBED_TRANSPORT, block, sealed, self._rejection) == _PROBE
        except DecryptionError:
            return False


class TokenSigningKey(TokenKey):
    """An RSA key in a token that signs (``keys.SigningKey``)."""

    def __init__(self, reference: KeyReference, token: Token, chain: tuple[x509.Certificate, ...]) -> None:
        super().__init__(reference, token, ObjectClass.PRIVATE_KEY)
        self._chain = chain
        self._public = _public_key(chain[0])

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """The certificate of the key first, then its issuers, without the root."""
        return self._chain

    def sign(self, data: bytes) -> bytes:
        """Sign with RSASSA-PKCS1-v1_5 and SHA-256. Raises KeyUnavailableError when the token is away. Blocks."""
        try:
            return self.token.use(self.wanted, lambda key: _signed(key, data))
        except DecryptionError:
            raise KeyUnavailableError(self._name) from None

    @override
    def _works(self, key: Any) -> bool:
        try:
            self._public.verify(_signed(key, _PROBE), _PROBE, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return False
        return True


class TokenKeyEncryptionKey(TokenKey):
    """An AES-256 key in a token that wraps data keys with AES-GCM (``at_rest.KeyEncryptionKey``).

    A blob is: version(1) = 02 | nonce(12) | AES-GCM(data key, associated data = context) | tag(16). Nonces are of chance,
    so one key is good for 2^32 messages (NIST SP 800-38D, 8.3).
    """

    def __init__(self, reference: KeyReference, token: Token, key_id: str) -> None:
        super().__init__(reference, token, ObjectClass.SECRET_KEY)
        self.key_id = key_id

    def wrap(self, key: DataKey, context: bytes) -> bytes:
        """Wrap a data key. Raises KeyUnavailableError when the token is away. Blocks."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        try:
            sealed = self.token.use(self.wanted, lambda kek: _sealed(kek, nonce, key._secret, context))  # noqa: SLF001  the one reader of the secret
        except DecryptionError:
            raise KeyUnavailableError(self._name) from None
        return bytes([_WRAPPED_VERSION]) + nonce + sealed

    def unwrap(self, blob: bytes, context: bytes) -> DataKey:
        """Give the data key back. Raises DecryptionError, KeyUnavailableError when the token is away. Blocks."""
        nonce, sealed = blob[1 : 1 + _NONCE_BYTES], blob[1 + _NONCE_BYTES :]
        if blob[:1] != bytes([_WRAPPED_VERSION]) or len(sealed) != SECRET_BYTES + _TAG_BITS // 8:
            msg = "the wrapped key does not open here"
            raise DecryptionError(msg)
        return DataKey(self.token.use(self.wanted, lambda kek: _unsealed(kek, nonce, sealed, context)))

    @override
    def _works(self, key: Any) -> bool:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _unsealed(key, nonce, _sealed(key, nonce, _PROBE, b""), b"") == _PROBE


def decryption_key(reference: KeyReference, certificates: Path | None, *, raw_rsa: bool) -> TokenDecryptionKey:
    """Open a key that receives; its certificate stands in a PEM file or in the token. Raises ConfigError."""
    with _told(reference):
        token = token_of(reference)
        key = TokenDecryptionKey(reference, token, _chain(reference, token, certificates)[0], raw_rsa=raw_rsa)
        _admit(key, "" if raw_rsa else "; if the token has no OAEP with SHA-256, see pkcs11.raw_rsa")
    return key


def signing_key(reference: KeyReference, certificates: Path | None) -> TokenSigningKey:
    """Open a key that signs; its certificates stand in a PEM file or in the token. Raises ConfigError."""
    with _told(reference):
        token = token_of(reference)
        key = TokenSigningKey(reference, token, _chain(reference, token, certificates))
        _admit(key)
    return key


def key_encryption_key(reference: KeyReference) -> TokenKeyEncryptionKey:
    """Open a key-encryption key. Its id is made of the object's own label and id. Raises ConfigError."""
    with _told(reference):
        token = token_of(reference)
        found = token.read(lambda session: _secret_key(session, reference))
        if found[Attribute.VALUE_LEN] != SECRET_BYTES:
            msg = "a key-encryption key is an AES key of 256 bits"
            raise ConfigError(msg)
        name = found[Attribute.LABEL].encode() + b"\0" + found[Attribute.ID]
        key = TokenKeyEncryptionKey(reference, token, "pkcs11:" + hashlib.sha256(name).hexdigest()[:16])
        _admit(key)
    return key


def missing_keys(keys: Iterable[TokenKey]) -> list[str]:
    """Those that do not work now, by the names of token and object; tries to make them work again. Blocks."""
    of_token: dict[Token, dict[WantedKey, None]] = {}
    for key in keys:
        of_token.setdefault(key.token, {})[key.wanted] = None
    return [name for token, wanted in of_token.items() for name in token.missing(list(wanted))]


def _admit(key: TokenKey, advice: str = "") -> None:
    try:
        key.token.admit(key.wanted)
    except ConfigError as fault:
        raise ConfigError(*(each + advice for each in fault.faults)) from None


@contextmanager
def _told(reference: KeyReference) -> Iterator[None]:
    """Faults name the reference, which holds no secret."""
    try:
        yield
    except ConfigError as fault:
        raise ConfigError(*(f"{reference}: {each}" for each in fault.faults)) from None


def _chain(reference: KeyReference, token: Token, certificates: Path | None) -> tuple[x509.Certificate, ...]:
    """The certificate that fits the key, and its issuers. Of several that fit, the one that lasts longest."""
    from_file = None if certificates is None else _read_pem(certificates)

    def look(session: Session) -> tuple[x509.Certificate, ...]:
        modulus = _modulus(session, reference)
        found = _certificates(session) if from_file is None else from_file
        fitting = [one for one in found if _is_of(one, modulus)]
        if not fitting:
            raise NoCertificateError
        return chain_of(max(fitting, key=lambda one: one.not_valid_after_utc), found)

    return token.read(look)


def _is_of(certificate: x509.Certificate, modulus: int) -> bool:
    public = certificate.public_key()
    return isinstance(public, rsa.RSAPublicKey) and public.public_numbers().n == modulus


def _public_key(certificate: x509.Certificate) -> rsa.RSAPublicKey:
    public = certificate.public_key()
    if not isinstance(public, rsa.RSAPublicKey) or public.key_size < limits.RSA_BITS_MIN:
        msg = f"no RSA key of at least {limits.RSA_BITS_MIN} bits"
        raise ConfigError(msg)
    return public


def _read_pem(path: Path) -> Sequence[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as fault:
        msg = f"{path}: {fault.strerror}"
        raise ConfigError(msg) from None
    except UNREADABLE:
        msg = f"{path}: no certificate in PEM"
        raise ConfigError(msg) from None


def _certificates(session: Session) -> list[x509.Certificate]:
    wanted = {Attribute.CLASS: ObjectClass.CERTIFICATE, Attribute.CERTIFICATE_TYPE: CertificateType.X_509}
    found = []
    for one in islice(session.get_objects(wanted), limits.TOKEN_CERTIFICATES_MAX):
        try:
            found.append(x509.load_der_x509_certificate(one[Attribute.VALUE]))
        except UNREADABLE:
            continue  # somebody else's
    return found


def _modulus(session: Session, reference: KeyReference) -> int:
    return int.from_bytes(find(session, reference.object, ObjectClass.PRIVATE_KEY)[Attribute.MODULUS])


def _secret_key(session: Session, reference: KeyReference) -> dict[Attribute, Any]:
    found = find(session, reference.object, ObjectClass.SECRET_KEY)
    return {name: found[name] for name in (Attribute.VALUE_LEN, Attribute.LABEL, Attribute.ID)}


def _decrypted(key: Any, transport: KeyTransport, encrypted: bytes) -> bytes:
    if transport.digest is None or transport.mask_digest is None:
        mechanism, parameters = Mechanism.RSA_PKCS, None
    else:
        mechanism = Mechanism.RSA_PKCS_OAEP
        parameters = (_OAEP[transport.digest][0], _OAEP[transport.mask_digest][1], None)
    plain: bytes = key.decrypt(encrypted, mechanism=mechanism, mechanism_param=parameters)
    return plain


def _raw(key: Any, encrypted: bytes) -> bytes:
    block: bytes = key.decrypt(encrypted, mechanism=Mechanism.RSA_X_509)
    return block


def _signed(key: Any, data: bytes) -> bytes:
    signature: bytes = key.sign(data, mechanism=Mechanism.SHA256_RSA_PKCS)
    return signature


def _sealed(key: Any, nonce: bytes, plain: bytes, context: bytes) -> bytes:
    parameters = GCMParams(nonce, context, _TAG_BITS)
    sealed: bytes = key.encrypt(plain, mechanism=Mechanism.AES_GCM, mechanism_param=parameters)
    return sealed


def _unsealed(key: Any, nonce: bytes, sealed: bytes, context: bytes) -> bytes:
    parameters = GCMParams(nonce, context, _TAG_BITS)
    plain: bytes = key.decrypt(sealed, mechanism=Mechanism.AES_GCM, mechanism_param=parameters)
    return plain
