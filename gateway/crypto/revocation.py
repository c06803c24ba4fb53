"""What issuers have revoked, by CRL (RFC 5280 section 5) and OCSP (RFC 6960): crypto-profile 5 rule 3.

Asked only along a path that ends in a configured root, and only at the addresses configured for that issuer: what a
certificate says of itself makes us fetch nothing (S56). This module opens no socket; ``fetch`` does. What cannot be known
is said to be unknown, and never an error.
"""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from gateway import limits
from gateway.crypto.certificates import RevocationStatus
from gateway.crypto.revocation_answers import Answer, check_crl, crl_status, ocsp_answer, ocsp_request
from gateway.errors import GatewayError

Fetch = Callable[[str, bytes | None], bytes]
"""Blocking. GET when there is no body, else POST as application/ocsp-request; raises OSError or GatewayError. It bounds
time and size, follows no redirect, and refuses addresses that policy forbids."""


@dataclass(frozen=True, slots=True)
class RevocationSource:
    """Where one issuer tells what it revoked, from configuration."""

    issuer: x509.Certificate
    crl_url: str | None = None
    ocsp_url: str | None = None


@dataclass(slots=True)
class _State:
    """One issuer's. ``lock`` guards the rest, and lets one thread fetch while the others wait for the result."""

    source: RevocationSource
    lock: threading.Lock = field(default_factory=threading.Lock)
    crl: x509.CertificateRevocationList | None = None
    crl_asked: datetime | None = None
    answers: dict[int, Answer] = field(default_factory=dict)
    ocsp_failed: datetime | None = None


class RevocationCache:
    """Knows by asking, and remembers. Blocks while it fetches: call it from a thread."""

    def __init__(self, sources: Iterable[RevocationSource], fetch: Fetch, now: Callable[[], datetime]) -> None:
        self._fetch = fetch
        self._now = now
        self._states = {_fingerprint(source.issuer): _State(source) for source in sources}

    def status(self, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime) -> RevocationStatus:
        """Tell whether a certificate was revoked at a time. The CRL is asked first, OCSP when it does not know."""
        state = self._states.get(_fingerprint(issuer))
        if state is None:
            return RevocationStatus.UNKNOWN
        with state.lock:
            status = RevocationStatus.UNKNOWN
            crl = self._fresh_crl(state)
            if crl is not None:  # a list of nobody is falsy
                status = crl_status(crl, certificate, at)
            if status is RevocationStatus.UNKNOWN and state.source.ocsp_url:
                status = self._ask(state, state.source.ocsp_url, certificate, at)
            return status

    def refresh(self) -> None:
        """Fetch every CRL again, for a background task; those that cannot be fetched stay as they are."""
        for state in self._states.values():
            with state.lock:
                self._load_crl(state)

    def _fresh_crl(self, state: _State) -> x509.CertificateRevocationList | None:
        """Give a list that is valid now, fetched if need be."""
        wait = limits.REVOCATION_KEEP_S if _is_current(state.crl, self._now()) else limits.REVOCATION_RETRY_S
        if state.crl_asked is None or self._now() - state.crl_asked > timedelta(seconds=wait):
            self._load_crl(state)
        return state.crl if _is_current(state.crl, self._now()) else None

    def _load_crl(self, state: _State) -> None:
        state.crl_asked = self._now()
        if state.source.crl_url is None:
            return
        content = self._fetched(state.source.crl_url, None)
        crl = check_crl(content, state.source.issuer) if content else None
        # An older list than the one we have would hide what was revoked since.
        if crl is not None and (state.crl is None or crl.last_update_utc >= state.crl.last_update_utc):
            state.crl = crl

    def _ask(self, state: _State, url: str, certificate: x509.Certificate, at: datetime) -> RevocationStatus:
        now = self._now()
        answer = state.answers.get(certificate.serial_number)
        if answer is None or not answer.is_current(now):
            if state.ocsp_failed and now - state.ocsp_failed < timedelta(seconds=limits.REVOCATION_RETRY_S):
                return RevocationStatus.UNKNOWN
            issuer = state.source.issuer
            content = self._fetched(url, ocsp_request(certificate, issuer))
            answer = ocsp_answer(content, certificate, issuer, now) if content else None
            if answer is None:
                state.ocsp_failed = now
                return RevocationStatus.UNKNOWN
            if len(state.answers) >= limits.REVOCATION_ANSWERS_MAX:
                state.answers.pop(next(iter(state.answers)))
            state.answers[certificate.serial_number] = answer
        return answer.status(at)

    def _fetched(self, url: str, body: bytes | None) -> bytes | None:
        try:
            content = self._fetch(url, body)
        except (OSError, GatewayError):
            return None
        return content if len(content) <= limits.REVOCATION_BYTES_MAX else None


def _is_current(crl: x509.CertificateRevocationList | None, now: datetime) -> bool:
    if crl is None or crl.next_update_utc is None:
        return False
    return crl.last_update_utc <= now + timedelta(seconds=limits.REVOCATION_SKEW_S) and now < crl.next_update_utc


def _fingerprint(certificate: x509.Certificate) -> bytes:
    return certificate.fingerprint(hashes.SHA256())
