"""The copy of OpenSSL inside the cryptography library, which is not the one that Python's ``ssl`` is linked to."""

from cryptography.hazmat.backends.openssl.backend import backend


def library_version() -> str:
    """Its own text, such as ``OpenSSL 3.5.1 1 Jul 2025``."""
    return backend.openssl_version_text()
