"""Whether a signer's certificate is to be believed at a time: crypto-profile 5.

The library checks the path; because organisation certificates carry no subject alternative name its rules for the leaf
are off, and the leaf's rules stand here. The answer is a finding, not an error: what it leads to is the channel's profile.
"""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache, partial
from itertools import pairwise
from typing import Final, Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from gateway import limits
from gateway.crypto.certificate_facts import UNREADABLE

_CRITICAL_KNOWN: Final = {
    ExtensionOID.KEY_USAGE,
    ExtensionOID.BASIC_CONSTRAINTS,
    ExtensionOID.EXTENDED_KEY_USAGE,
    ExtensionOID.CERTIFICATE_POLICIES,
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    ExtensionOID.SUBJECT_KEY_IDENTIFIER,
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
    ExtensionOID.CRL_DISTRIBUTION_POINTS,
}
_CURVES: Final = (ec.SECP256R1, ec.SECP384R1)
_ORGANISATION_IDENTIFIER: Final = re.compile(r"NTRNO-(\d{9})", re.ASCII)
_ORGANISATION_NUMBER: Final = re.compile(r"(\d{9})", re.ASCII)


class SignerTrust(StrEnum):
    """What is known of a signer's certificate, gravest first."""

    UNTRUSTED = "untrusted"  # it breaks a rule: weak key, CA certificate, unknown critical extension
    UNKNOWN = "unknown"  # no path to a configured root; self-signed among them
    REVOKED = "revoked"
    WRONG_USAGE = "wrong-usage"
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    REVOCATION_UNKNOWN = "revocation-unknown"
    TRUSTED = "trusted"


class RevocationStatus(StrEnum):
    """What an issuer says of its certificate."""

    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


class Revocation(Protocol):
    """Knows what issuers have revoked. Asked only for certificates on a path that ends in a configured root (S56)."""

    def status(self, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime) -> RevocationStatus:
        """Tell the state of one certificate at a time."""
        ...


@dataclass(frozen=True, slots=True)
class TrustPolicy:
    """Whom a channel believes.

    ``intermediates`` help to find a path and are not believed by themselves: .NET senders enclose the leaf alone (fiks.md 7.2).
    ``purpose`` is the one extended key usage that a leaf must have, and mark as critical, and that no issuer may exclude.
    ``pins`` are SHA-256 fingerprints, hexadecimal, of certificates that are believed without a path, while they are valid.
    ``policies`` names the certificate policies of which a leaf must have one; empty asks for none. Without ``revocation``
    the state of every certificate is unknown.
    """

    roots: tuple[x509.Certificate, ...] = ()
    revocation: Revocation | None = None
    pins: frozenset[str] = frozenset()
    policies: frozenset[str] = frozenset()
    intermediates: tuple[x509.Certificate, ...] = ()
    purpose: x509.ObjectIdentifier | None = None

    def judge(self, leaf: x509.Certificate, enclosed: Sequence[x509.Certificate], at: datetime) -> SignerTrust:
        """Judge a signer's certificate at a time, with the certificates that came along."""
        findings = _findings_of_leaf(leaf, at, self.policies, self.purpose)
        if leaf.fingerprint(hashes.SHA256()).hex() not in self.pins:
            findings.append(self._judge_path(leaf, enclosed, at))
        return _gravest(findings)

    def _judge_path(self, leaf: x509.Certificate, enclosed: Sequence[x509.Certificate], at: datetime) -> SignerTrust:
        # Looked for on a day on which the leaf was valid, so that the answer can be kept; whether each certificate on the
        # path is valid at the very time is asked here. The second try is for issuers that went out before the leaf.
        begin, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
        day = min(max(at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0), begin), end)
        others = (*enclosed, *self.intermediates)
        path_on = partial(_path, self.roots, leaf, others, self.purpose)
        path = path_on(day) or path_on(begin)
        if path is None:
            return SignerTrust.UNKNOWN
        findings = {self._judge_revocation(path, at)}
        if any(at > one.not_valid_after_utc for one in path):
            findings.add(SignerTrust.EXPIRED)
        if any(at < one.not_valid_before_utc for one in path):
            findings.add(SignerTrust.NOT_YET_VALID)
        return _gravest(findings)

    def _judge_revocation(self, path: Sequence[x509.Certificate], at: datetime) -> SignerTrust:
        """Ask for the leaf and every intermediate."""
        if self.revocation is None:
            return SignerTrust.REVOCATION_UNKNOWN
        states = {self.revocation.status(one, issuer, at) for one, issuer in pairwise(path)}
        if RevocationStatus.REVOKED in states:
            return SignerTrust.REVOKED
        return SignerTrust.REVOCATION_UNKNOWN if RevocationStatus.UNKNOWN in states else SignerTrust.TRUSTED


@lru_cache(maxsize=1024)
def _path(
    roots: tuple[x509.Certificate, ...],
    leaf: x509.Certificate,
    enclosed: tuple[x509.Certificate, ...],
    purpose: x509.ObjectIdentifier | None,
    at: datetime,
) -> tuple[x509.Certificate, ...] | None:
    """Give leaf, intermediates and root, or None. The rules for issuers are those of the web's PKI."""
    if not roots:
        return None
    ca_policy, leaf_policy = ExtensionPolicy.webpki_defaults_ca(), ExtensionPolicy.permit_all()
    if purpose is not None:  # the default wants issuers of TLS clients
        ca_policy = ca_policy.may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _allowing(purpose))
    builder = PolicyBuilder().store(Store(list(roots))).time(at)
    verifier = builder.extension_policies(ca_policy=ca_policy, ee_policy=leaf_policy).build_client_verifier()
    try:
        return tuple(verifier.verify(leaf, list(enclosed)).chain)
    except (VerificationError, *UNREADABLE):
        return None


def _allowing(
    purpose: x509.ObjectIdentifier,
) -> Callable[[Policy, x509.Certificate, x509.ExtendedKeyUsage | None], None]:
    def check(_: Policy, __: x509.Certificate, usages: x509.ExtendedKeyUsage | None) -> None:
        if usages and purpose not in usages and ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE not in usages:
            msg = "the issuer is for other purposes"
            raise ValueError(msg)  # for the library, which goes on looking for a path

    return check


def organisation_number(certificate: x509.Certificate) -> str | None:
    """Read a Norwegian organisation number: organizationIdentifier NTRNO-<number>, or else serialNumber."""
    for oid, form in (
        (NameOID.ORGANIZATION_IDENTIFIER, _ORGANISATION_IDENTIFIER),
        (NameOID.SERIAL_NUMBER, _ORGANISATION_NUMBER),
    ):
        values = certificate.subject.get_attributes_for_oid(oid)
        if len(values) == 1 and (found := form.fullmatch(str(values[0].value))):
            return found.group(1)
    return None


def _gravest(findings: Collection[SignerTrust]) -> SignerTrust:
    return next((trust for trust in SignerTrust if trust in findings), SignerTrust.TRUSTED)


def _findings_of_leaf(
    leaf: x509.Certificate, at: datetime, policies: frozenset[str], purpose: x509.ObjectIdentifier | None
) -> list[SignerTrust]:
    """Look at what the library is told not to look at: section 5 rule 2."""
    findings = []
    if at > leaf.not_valid_after_utc:
        findings.append(SignerTrust.EXPIRED)
    if at < leaf.not_valid_before_utc:
        findings.append(SignerTrust.NOT_YET_VALID)
    try:
        extensions = {one.oid: one for one in leaf.extensions}
        key = leaf.public_key()
    except UNREADABLE:
        return [SignerTrust.UNTRUSTED]
    # Self-made certificates often call themselves a CA: they are unknown or pinned, which says enough.
    is_ca = leaf.issuer != leaf.subject and _is_ca(extensions)
    if is_ca or not _is_strong(key) or _breaks_rules(extensions, policies):
        findings.append(SignerTrust.UNTRUSTED)
    if not _may_sign(extensions) or (purpose and not _is_only_for(purpose, extensions)):
        findings.append(SignerTrust.WRONG_USAGE)
    return findings


def _is_strong(key: object) -> bool:
    if isinstance(key, rsa.RSAPublicKey):
        return key.key_size >= limits.RSA_BITS_MIN
    return isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, _CURVES)


_Extensions = dict[x509.ObjectIdentifier, x509.Extension[x509.ExtensionType]]


def _is_ca(extensions: _Extensions) -> bool:
    constraints = extensions.get(ExtensionOID.BASIC_CONSTRAINTS)
    return constraints is not None and isinstance(constraints.value, x509.BasicConstraints) and constraints.value.ca


def _breaks_rules(extensions: _Extensions, policies: frozenset[str]) -> bool:
    if any(one.critical and one.oid not in _CRITICAL_KNOWN for one in extensions.values()):
        return True
    named = extensions.get(ExtensionOID.CERTIFICATE_POLICIES)
    found = set(named.value) if named and isinstance(named.value, x509.CertificatePolicies) else set()
    return bool(policies) and not any(policy.policy_identifier.dotted_string in policies for policy in found)


def _may_sign(extensions: _Extensions) -> bool:
    """No KeyUsage forbids nothing (RFC 5280 section 4.2.1.3)."""
    usage = extensions.get(ExtensionOID.KEY_USAGE)
    if usage is None or not isinstance(usage.value, x509.KeyUsage):
        return True
    return usage.value.digital_signature or usage.value.content_commitment


def _is_only_for(purpose: x509.ObjectIdentifier, extensions: _Extensions) -> bool:
    usages = extensions.get(ExtensionOID.EXTENDED_KEY_USAGE)
    if usages is None or not isinstance(usages.value, x509.ExtendedKeyUsage):
        return False
    return usages.critical and list(usages.value) == [purpose]
