"""A throw-away public key infrastructure: root, intermediate, organisations, receive keys, revocation.

Built like the Norwegian one (organisation certificates carry ``organizationIdentifier`` NTRNO-<orgnr> and
``serialNumber`` <orgnr>, and no subject alternative name), with a switch for every way in which a certificate is wrong.
"""

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from gateway.config import THROW_AWAY

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
LIFE = timedelta(days=365)
TIME_STAMPING = (ExtendedKeyUsageOID.TIME_STAMPING,)
SIGNING_USAGE = ("digital_signature", "content_commitment")
SEALING_USAGE = ("key_encipherment",)
CA_USAGE = ("key_cert_sign", "crl_sign")
_USAGES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Make:
    """How to make one certificate. The defaults make a sound one."""

    usage: Sequence[str] = SIGNING_USAGE
    extended_usage: Sequence[x509.ObjectIdentifier] = ()
    extended_usage_critical: bool = False
    not_before: datetime | None = None  # default: yesterday
    not_after: datetime | None = None  # default: in a year
    key_bits: int = 2048
    elliptic: bool = False
    is_ca: bool = False
    signed_with: hashes.HashAlgorithm = field(default_factory=hashes.SHA256)
    crl_url: str | None = None
    ocsp_url: str | None = None
    names: Sequence[str] = ()  # subject alternative names: DNS names and addresses
    unknown_critical_extension: bool = False


SOUND = Make()


@dataclass(frozen=True, slots=True)
class Credential:
    """A private key, its certificate, and the certificates above it without the root."""

    key: PrivateKey = field(repr=False)
    certificate: x509.Certificate
    issuers: tuple[x509.Certificate, ...] = ()

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """The own certificate first."""
        return (self.certificate, *self.issuers)

    @property
    def rsa_key(self) -> rsa.RSAPrivateKey:
        """The key, where it is RSA: as it is unless another kind was asked for."""
        assert isinstance(self.key, rsa.RSAPrivateKey)
        return self.key

    @property
    def key_pem(self) -> bytes:
        """The key as unencrypted PKCS#8."""
        plain = serialization.NoEncryption()
        return self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)

    @property
    def chain_pem(self) -> bytes:
        """The chain as PEM, own certificate first."""
        return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in self.chain)

    def write_pem(self, path: Path) -> Path:
        """Write key and chain to one file that only its owner may read."""
        return _write_private(path, self.key_pem + self.chain_pem)

    def write_pkcs12(self, path: Path, password: bytes) -> Path:
        """Write the same as PKCS#12."""
        sealed = serialization.BestAvailableEncryption(password)
        return _write_private(
            path, pkcs12.serialize_key_and_certificates(b"key", self.key, self.certificate, self.issuers, sealed)
        )

    def issue(self, subject: x509.Name, make: Make = SOUND) -> "Credential":
        """Issue a certificate below this one."""
        key = new_key(make)
        certificate = _certificate(subject, key, make, self)
        above = () if self.certificate.issuer == self.certificate.subject else self.chain
        return Credential(key, certificate, above)

    def crl(
        self,
        revoked: Sequence[x509.Certificate] = (),
        *,
        number: int = 1,
        this_update: datetime | None = None,
        next_update: datetime | None = None,
    ) -> bytes:
        """Sign a revocation list as DER; by default valid from an hour ago for a day."""
        begin = this_update or _now() - timedelta(hours=1)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(begin)
            .next_update(next_update or begin + timedelta(days=1))
            .add_extension(x509.CRLNumber(number), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )
        for one in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(one.serial_number).revocation_date(begin)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    def ocsp(
        self,
        subject: x509.Certificate,
        issuer: x509.Certificate,
        status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
        *,
        this_update: datetime | None = None,
        next_update: datetime | None = None,
    ) -> bytes:
        """Answer for one certificate as DER, signed by this key, with this certificate enclosed."""
        begin = this_update or _now() - timedelta(hours=1)
        gone = begin if status is ocsp.OCSPCertStatus.REVOKED else None
        builder = ocsp.OCSPResponseBuilder().add_response(
            subject,
            issuer,
            hashes.SHA1(),  # noqa: S303  RFC 6960's usual certificate id
            status,
            begin,
            next_update or begin + timedelta(hours=12),
            gone,
            None,
        )
        signed = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, self.certificate).certificates(
            [self.certificate]
        )
        return signed.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


class Pki:
    """A root, an intermediate below it, and what the intermediate issues."""

    def __init__(self, make: Make = SOUND) -> None:
        ca = replace(make, usage=CA_USAGE, is_ca=True)
        self.root = self_signed(_organisation_name("Prove Rot CA", None), ca)
        self.intermediate = self.root.issue(_organisation_name("Prove Mellom CA", None), ca)

    def organisation(self, number: str, name: str = "Prove kommune", make: Make = SOUND) -> Credential:
        """Issue an organisation certificate (virksomhetssertifikat) that signs."""
        return self.intermediate.issue(_organisation_name(name, number), make)

    def tls_server(self, names: Sequence[str] = ("127.0.0.1", "localhost")) -> Credential:
        """Issue a certificate of an HTTPS server on this machine."""
        make = Make(usage=("digital_signature",), extended_usage=(ExtendedKeyUsageOID.SERVER_AUTH,), names=tuple(names))
        return self.intermediate.issue(_organisation_name("localhost", None), make)

    def tls_client(self, name: str = "Prove klient") -> Credential:
        """Issue a certificate for mutual TLS."""
        make = Make(usage=("digital_signature",), extended_usage=(ExtendedKeyUsageOID.CLIENT_AUTH,))
        return self.intermediate.issue(_organisation_name(name, None), make)

    def ocsp_responder(self) -> Credential:
        """Issue a delegated responder of the intermediate."""
        make = Make(usage=("digital_signature",), extended_usage=(ExtendedKeyUsageOID.OCSP_SIGNING,))
        return self.intermediate.issue(_organisation_name("Prove OCSP", None), make)

    def time_stamp_authority(self, make: Make = SOUND) -> Credential:
        """Issue an authority of RFC 3161: it may stamp the time and nothing else, unless ``make`` says otherwise."""
        usage = make.extended_usage or TIME_STAMPING
        only = replace(make, usage=("digital_signature",), extended_usage=usage, extended_usage_critical=True)
        return self.intermediate.issue(_organisation_name("Prove tidsstempel", None), only)


def self_signed(subject: x509.Name, make: Make = SOUND) -> Credential:
    """Make a certificate that signs itself."""
    key = new_key(make)
    return Credential(key, _certificate(subject, key, make, None))


def receive_key(name: str = "Prove mottak", make: Make = SOUND) -> Credential:
    """Make a self-signed key pair that messages are sealed to, as a Fiks account has."""
    return self_signed(_organisation_name(name, None), replace(make, usage=SEALING_USAGE))


def new_key(make: Make = SOUND) -> PrivateKey:
    """Make a private key of the kind asked for."""
    if make.elliptic:
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(65537, make.key_bits)


def write_evidence_key(path: Path) -> Path:
    """An Ed25519 key for the heads of a log."""
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return _write_private(path, ed25519.Ed25519PrivateKey.generate().private_bytes(*form))


def certificate_pem(certificate: x509.Certificate) -> bytes:
    """Give a certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def _certificate(subject: x509.Name, key: PrivateKey, make: Make, issuer: Credential | None) -> x509.Certificate:
    signer = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(make.not_before or _now() - timedelta(days=1))
        .not_valid_after(make.not_after or _now() + LIFE)
        .add_extension(x509.BasicConstraints(ca=make.is_ca, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**{usage: usage in make.usage for usage in _USAGES}), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    for extension, critical in _optional_extensions(make):
        builder = builder.add_extension(extension, critical)
    return builder.sign(signer, make.signed_with)  # type: ignore[arg-type]  # SHA-1 is allowed here, to be refused elsewhere


def _optional_extensions(make: Make) -> list[tuple[x509.ExtensionType, bool]]:
    found: list[tuple[x509.ExtensionType, bool]] = []
    if make.extended_usage:
        found.append((x509.ExtendedKeyUsage(make.extended_usage), make.extended_usage_critical))
    if make.names:
        found.append((x509.SubjectAlternativeName([_general_name(name) for name in make.names]), False))
    if make.crl_url:
        where = [x509.UniformResourceIdentifier(make.crl_url)]
        found.append((x509.CRLDistributionPoints([x509.DistributionPoint(where, None, None, None)]), False))
    if make.ocsp_url:
        at = x509.UniformResourceIdentifier(make.ocsp_url)
        access = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, at)
        found.append((x509.AuthorityInformationAccess([access]), False))
    if make.unknown_critical_extension:
        found.append((x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\x00"), True))
    return found


def _organisation_name(name: str, number: str | None) -> x509.Name:
    attributes = [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "NO"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, name),
        x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, THROW_AWAY),
        x509.NameAttribute(NameOID.COMMON_NAME, name),
    ]
    if number:
        attributes.append(x509.NameAttribute(NameOID.SERIAL_NUMBER, number))
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, f"NTRNO-{number}"))
    return x509.Name(attributes)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _write_private(path: Path, content: bytes) -> Path:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    return path


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
