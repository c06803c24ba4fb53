"""Private keys: what envelopes and signatures ask of them, and the software back-end that reads them from files.

Keys in a token are ``gateway.crypto.pkcs11``.

A file holds one key with its certificates, as PKCS#12 or PEM. Files readable by anyone but their owner are refused, as
are RSA keys under 2048 bits and keys that do not fit their certificate.
"""

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from typing_extensions import override

from gateway import limits
from gateway.crypto.at_rest import LocalKeyEncryptionKey
from gateway.crypto.certificate_facts import UNREADABLE
from gateway.crypto.key_transport import Digest, KeyTransport
from gateway.errors import ConfigError, DecryptionError

HASHES: dict[Digest, type[hashes.HashAlgorithm]] = {
    Digest.SHA1: hashes.SHA1,
    Digest.SHA256: hashes.SHA256,
    Digest.SHA384: hashes.SHA384,
    Digest.SHA512: hashes.SHA512,
}


class DecryptionKey(Protocol):
    """A private key that opens what was sealed to its certificate."""

    @property
    def certificate(self) -> x509.Certificate:
        """The certificate that senders seal to."""
        ...

    def decrypt(self, transport: KeyTransport, encrypted: bytes) -> bytes:
        """Give the content key. Raises DecryptionError; PKCS#1 v1.5 may give random octets instead.

        Raises KeyUnavailableError when the key is in a token that is away: that says nothing of what is to be opened.
        """
        ...


class SigningKey(Protocol):
    """A private key that signs, with the certificates that others need to check it."""

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """The certificate of the key first, then its issuers, without the root."""
        ...

    def sign(self, data: bytes) -> bytes:
        """Sign with RSASSA-PKCS1-v1_5 and SHA-256. Raises KeyUnavailableError."""
        ...


class KeyRing(Protocol):
    """The keys of one account: several that open, during a change of keys, and one that signs."""

    def decryption_keys(self) -> Sequence[DecryptionKey]:
        """Every key that may still receive something."""
        ...

    def signing_key(self) -> SigningKey:
        """The key that signs now. Raises ConfigError when there is none."""
        ...


@dataclass(frozen=True, slots=True)
class KeyFile:
    """Where a private key lies; ``password`` opens it when it is encrypted."""

    path: Path
    password: bytes | None = None

    @override
    def __repr__(self) -> str:  # the password stays out of logs and tracebacks
        return f"KeyFile({self.path})"


class SoftwareKey:
    """An RSA key in memory with its chain; both a decryption key and a signing key, by what it is used for."""

    def __init__(self, key: rsa.RSAPrivateKey, chain: tuple[x509.Certificate, ...]) -> None:
        if key.key_size < limits.RSA_BITS_MIN:
            msg = f"an RSA key of {key.key_size} bits; {limits.RSA_BITS_MIN} is the least"
            raise ConfigError(msg)
        self._key = key
        self.chain = chain

    @property
    def certificate(self) -> x509.Certificate:
        """The key's own certificate."""
        return self.chain[0]

    def decrypt(self, transport: KeyTransport, encrypted: bytes) -> bytes:
        """Give the content key. Raises DecryptionError."""
        try:
            return self._key.decrypt(encrypted, rsa_padding(transport))
        except ValueError:
            msg = "the content key does not open"
            raise DecryptionError(msg) from None

    def sign(self, data: bytes) -> bytes:
        """Sign with RSASSA-PKCS1-v1_5 and SHA-256."""
        return self._key.sign(data, padding.PKCS1v15(), hashes.SHA256())


class FixedKeyRing:
    """A key ring that never changes, of keys of any kind; other keys make a new ring."""

    def __init__(self, receive: Sequence[DecryptionKey], signing: SigningKey | None = None) -> None:
        self._receive = tuple(receive)
        self._signing = signing

    def decryption_keys(self) -> Sequence[DecryptionKey]:
        """Every key that may still receive something."""
        return self._receive

    def signing_key(self) -> SigningKey:
        """The key that signs. Raises ConfigError."""
        if self._signing is None:
            msg = "no signing key is configured"
            raise ConfigError(msg)
        return self._signing


def read_key(file: KeyFile) -> SoftwareKey:
    """Read a PKCS#12 or PEM file. Raises ConfigError."""
    content = read_private(file.path)
    try:
        found = _parsed(content, file.password)
    except (TypeError, *UNREADABLE):  # TypeError: a password given for a plain key, or missing for an encrypted one
        msg = f"{file.path}: not a readable PKCS#12 or PEM file with that password"
        raise ConfigError(msg) from None
    key, certificates = found
    if not isinstance(key, rsa.RSAPrivateKey):
        msg = f"{file.path}: no RSA key"
        raise ConfigError(msg)
    leaf = next((one for one in certificates if one.public_key() == key.public_key()), None)
    if leaf is None:
        msg = f"{file.path}: no certificate fits the key"
        raise ConfigError(msg)
    try:
        return SoftwareKey(key, chain_of(leaf, certificates))
    except ConfigError as refused:
        msg = f"{file.path}: {refused}"
        raise ConfigError(msg) from None


def read_key_encryption_key(path: Path) -> LocalKeyEncryptionKey:
    """Read a key-encryption key: a private file of exactly 32 random octets. Raises ConfigError."""
    return LocalKeyEncryptionKey(read_private(path))


def read_private(path: Path) -> bytes:
    """A file that its owner alone may use, and whose owner is this user or root. Raises ConfigError."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                mode = status.st_mode & 0o777
                msg = f"{path}: others than its owner may use this key file (mode {mode:o}, want 600)"
                raise ConfigError(msg)
            if status.st_uid not in {0, os.geteuid()}:
                msg = f"{path}: this key file belongs to another user"
                raise ConfigError(msg)
            return file.read(limits.KEY_FILE_BYTES_MAX)
    except OSError as fault:
        msg = f"{path}: {fault.strerror}"
        raise ConfigError(msg) from None


def rsa_padding(transport: KeyTransport) -> padding.AsymmetricPadding:
    """The library's padding for a key transport."""
    if transport.digest is None or transport.mask_digest is None:
        return padding.PKCS1v15()
    mask = padding.MGF1(HASHES[transport.mask_digest]())
    return padding.OAEP(mask, HASHES[transport.digest](), None)


def _parsed(content: bytes, password: bytes | None) -> tuple[object, list[x509.Certificate]]:
    if b"-----BEGIN " in content:
        key: object = serialization.load_pem_private_key(content, password)
        return key, x509.load_pem_x509_certificates(content)
    bundle = pkcs12.load_pkcs12(content, password)
    found = [one.certificate for one in (bundle.cert, *bundle.additional_certs) if one]
    return bundle.key, found


def chain_of(leaf: x509.Certificate, certificates: Sequence[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    """Order what the file holds from the leaf upwards; strangers and the root are left out."""
    chain = [leaf]
    while (issuer := _issuer_of(chain[-1], certificates)) and issuer not in chain and issuer.issuer != issuer.subject:
        chain.append(issuer)
    return tuple(chain)


def _issuer_of(one: x509.Certificate, among: Sequence[x509.Certificate]) -> x509.Certificate | None:
    return next((other for other in among if other.subject == one.issuer and other != one), None)
