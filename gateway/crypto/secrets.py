"""Passwords of API clients: random, shown once, kept as a salted digest.

A password is 256 random bits, so no slow key derivation is needed (decisions 4.7). Comparison is on bytes and takes
the same time for a wrong password as for a client that does not exist (requirement S10).
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Final

_PASSWORD_BYTES: Final = 32
_SALT_BYTES: Final = 16


def new_password() -> str:
    """256 random bits as URL-safe text of 43 characters."""
    return secrets.token_urlsafe(_PASSWORD_BYTES)


@dataclass(frozen=True, slots=True)
class PasswordDigest:
    """What is kept of a password: SHA-256 over salt and password."""

    salt: bytes
    digest: bytes

    @classmethod
    def of(cls, password: bytes) -> "PasswordDigest":
        """Digest under a fresh salt."""
        salt = secrets.token_bytes(_SALT_BYTES)
        return cls(salt, hashlib.sha256(salt + password).digest())

    def matches(self, password: bytes) -> bool:
        """Whether this is the password; constant time, any octets."""
        return hmac.compare_digest(hashlib.sha256(self.salt + password).digest(), self.digest)


_NOBODY: Final = PasswordDigest.of(secrets.token_bytes(_PASSWORD_BYTES))


def nobody_matches(password: bytes) -> bool:
    """Compare for a client that does not exist: False, after the same work as for one that does."""
    return _NOBODY.matches(password)


def same_secret(given: bytes, expected: bytes) -> bool:
    """Whether two secrets are equal, in constant time even when their lengths differ."""
    return hmac.compare_digest(hashlib.sha256(given).digest(), hashlib.sha256(expected).digest())
