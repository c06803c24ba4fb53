"""Requests that are signed and answers whose signature is checked, in a partner's own form. The key stays where it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Believed:
    """Whose certificate a partner's answers are checked with.

    ``pins``: SHA-256 (DER, hex) of the certificates that alone are believed. Without pins: those that go back to
    ``roots`` (paths as configured) and name ``organisation_number``. Neither: nobody is believed.
    """

    pins: frozenset[str] = frozenset()
    roots: tuple[Path, ...] = ()
    organisation_number: str | None = None


@dataclass(frozen=True, slots=True)
class SignedAnswer:
    """An answer as it came. ``target``: what was asked for, as on the wire. ``body``: before anything is unpacked."""

    target: str
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class Signer(Protocol):
    """One key of ours and one partner's certificates. Everything here blocks."""

    def sign(self, method: str, target: str, headers: Mapping[str, str]) -> str:
        """The signature's header value, for a request that is otherwise final.

        Raises KeyUnavailableError; StructureError for a target that cannot be signed.
        """
        ...

    def fingerprint(self, certificate: str, at: datetime) -> str:
        """SHA-256 (hex) of a certificate (PEM) that is believed at that time. Raises CertificateError."""
        ...

    def check_fresh(self, answer: SignedAnswer, at: datetime) -> None:
        """Its time is ours, and its body what its header says. Raises SignatureError."""
        ...

    def check(self, certificate: str, answer: SignedAnswer, at: datetime) -> None:
        """All of ``check_fresh``, and the signature. Raises SignatureError, CertificateError."""
        ...

    def key_fingerprint(self, public_key: str) -> str:
        """SHA-256 (hex) of the SubjectPublicKeyInfo of a person's public key (PEM). Raises CertificateError."""
        ...

    def seal_to_key(self, public_key: str, key_id: str, content: bytes) -> bytes:
        """Sealed for a person's public key (PEM). Raises CertificateError."""
        ...

    def seal_to_certificate(self, certificate: str, content: bytes) -> bytes:
        """Sealed for whoever prints (PEM). Raises CertificateError."""
        ...
