"""Time stamps of RFC 3161: asking for one over given octets, and believing the answer.

Who reads a response goes these steps; each failure is an error of its own.

1. It is small, built as section 2.4.2 says, and its status is granted.
2. The token is signed data over a TSTInfo, signed by one enclosed certificate, which the signed attributes name.
3. The TSTInfo is over our octets, answers our question (nonce), and is under the policy asked for.
4. At the time it tells, the certificate was valid, for stamping alone, on a path to a configured root.

Revocation is not asked: a response is kept as it came, with its certificates, so that it can be judged anew later.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, NoReturn

from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway import limits
from gateway.crypto import oids
from gateway.crypto.ber import (
    BIT_STRING,
    INTEGER,
    OBJECT_IDENTIFIER,
    OCTET_STRING,
    SEQUENCE,
    Element,
    Fields,
    context,
    integer,
    object_identifier,
    parse,
    tlv,
)
from gateway.crypto.certificates import SignerTrust, TrustPolicy
from gateway.crypto.key_transport import Digest
from gateway.crypto.profiles import STRICT_CONTAINER
from gateway.crypto.signature_scheme import read_digest
from gateway.crypto.signed_data import verify_enclosed
from gateway.crypto.trust import Certificate
from gateway.errors import (
    CertificateError,
    PartnerRefusedError,
    PartnerUnavailableError,
    SenderError,
    SignatureError,
    StructureError,
)

_BOOLEAN: Final = 0x01
_GENERALIZED_TIME: Final = 0x18
_TRUE: Final = tlv(_BOOLEAN, b"\xff")
_VERSION: Final = 1
_NONCE_BITS: Final = 64
_GRANTED: Final = (0, 1)  # as asked, or with modifications, which step 3 looks at
_FAILURES: Final = {  # PKIFailureInfo, RFC 3161 section 2.4.2
    0: "badAlg",
    2: "badRequest",
    5: "badDataFormat",
    14: "timeNotAvailable",
    15: "unacceptedPolicy",
    16: "unacceptedExtension",
    17: "addInfoNotAvailable",
    25: "systemFailure",
}
_PASSING: Final = frozenset({"timeNotAvailable", "systemFailure"})
_FAILURE_OCTETS: Final = 4
_TIME: Final = re.compile(rb"(\d{14})(?:\.(\d{1,9}))?Z")
_ACCURACY_S_MAX: Final = 24 * 3600
_THOUSANDTHS_MAX: Final = 999
_OID_OCTETS_MAX: Final = 64
_BELIEVED: Final = (SignerTrust.TRUSTED, SignerTrust.REVOCATION_UNKNOWN)


@dataclass(frozen=True, slots=True)
class TimeStampRequest:
    """A question. Without ``nonce`` nobody is asked: a response that was kept is read again."""

    imprint: bytes  # SHA-256
    policy: str | None = None
    nonce: int | None = None

    @classmethod
    def over(cls, data: bytes, policy: str | None = None) -> "TimeStampRequest":
        """Ask about these octets, under this policy, as numbers with dots, or under any."""
        return cls(hashlib.sha256(data).digest(), policy, secrets.randbits(_NONCE_BITS))

    def encoded(self) -> bytes:
        """The TimeStampReq of section 2.4.1, as DER; certificates are asked for."""
        return tlv(
            SEQUENCE,
            integer(_VERSION),
            tlv(SEQUENCE, oids.SHA256_ALGORITHM, tlv(OCTET_STRING, self.imprint)),
            object_identifier(self.policy) if self.policy else b"",
            integer(self.nonce) if self.nonce is not None else b"",
            _TRUE,
        )


@dataclass(frozen=True, slots=True)
class TimeStamp:
    """A time that an authority vouches for, in UTC. ``response`` is what it sent, for keeping and for other verifiers."""

    time: datetime
    accuracy: timedelta | None
    serial: int
    policy: str
    authority: str  # its certificate's subject, RFC 4514
    response: bytes = field(repr=False)


def read_time_stamp(response: bytes, request: TimeStampRequest, roots: tuple[Certificate, ...]) -> TimeStamp:
    """Believe a response, or raise.

    PartnerRefusedError or, where asking again may help, PartnerUnavailableError: no stamp was granted. StructureError:
    it is no response. SignatureError: it is not over these octets, not an answer to this question, or not signed.
    SenderError: another policy. CertificateError: the authority is not to be believed at that time.
    """
    if len(response) > limits.TIME_STAMP_BYTES_MAX:
        _refuse("too large")
    token = _token(response)  # 1.
    content, signature = verify_enclosed(token, oids.TST_INFO, STRICT_CONTAINER)  # 2.
    signer = signature.signer
    stamp = _read_info(parse(content).fields(), request, signer.subject, response)  # 3.
    # 4.
    trust = TrustPolicy(roots, purpose=ExtendedKeyUsageOID.TIME_STAMPING)
    found = trust.judge(signer.certificate, [one.certificate for one in signature.enclosed], stamp.time)
    if found not in _BELIEVED:
        msg = f"time stamp: the authority's certificate is {found.value}"
        raise CertificateError(msg)
    return stamp


def _token(response: bytes) -> bytes:
    """What a granted response holds."""
    fields = parse(response).fields()
    status = fields.take(SEQUENCE).fields()
    code = _small(status.take(INTEGER))
    token = fields.maybe(SEQUENCE)
    fields.end()
    if code not in _GRANTED:
        status.maybe(SEQUENCE)  # words, of which we keep none
        _ungranted(code, _failures(status.maybe(BIT_STRING)))
    if token is None:
        _refuse("granted, and not there")
    return token.encoded


def _failures(bits: Element | None) -> list[str]:
    octets = bits.content[1 : 1 + _FAILURE_OCTETS] if bits else b""
    return [name for bit, name in _FAILURES.items() if _is_set(octets, bit)]


def _is_set(octets: bytes, bit: int) -> bool:
    """The first bit is the highest of the first octet."""
    return bit // 8 < len(octets) and bool(octets[bit // 8] & 0x80 >> bit % 8)


def _ungranted(code: int, failures: list[str]) -> NoReturn:
    msg = f"time stamp: not granted, status {code} {' '.join(failures)}".rstrip()
    raise PartnerUnavailableError(msg) if _PASSING.intersection(failures) else PartnerRefusedError(msg)


def _read_info(fields: Fields, request: TimeStampRequest, authority: str, response: bytes) -> TimeStamp:
    """Compare a TSTInfo with what was asked, and tell what it says."""
    if fields.take(INTEGER).integer() != _VERSION:
        _refuse("another version")
    policy = _dotted(fields.take(OBJECT_IDENTIFIER))
    _check_imprint(fields.take(SEQUENCE).fields(), request.imprint)
    serial = fields.take(INTEGER)
    if len(serial.content) > limits.TIME_STAMP_SERIAL_BYTES_MAX:
        _refuse("a serial number that is too long")
    time = _time(fields.take(_GENERALIZED_TIME))
    accuracy = fields.maybe(SEQUENCE)
    fields.maybe(_BOOLEAN)  # whether its stamps can be ordered
    nonce = fields.maybe(INTEGER)
    fields.maybe(context(0))  # its name; the certificate says who it is
    _check_extensions(fields.maybe(context(1)))
    fields.end()
    if request.nonce is not None and (nonce is None or nonce.integer() != request.nonce):
        msg = "time stamp: an answer to another question"
        raise SignatureError(msg)
    if request.policy is not None and policy != request.policy:
        msg = "time stamp: under another policy"
        raise SenderError(msg)
    return TimeStamp(time, _accuracy(accuracy), serial.integer(), policy, authority, response)


def _check_imprint(fields: Fields, imprint: bytes) -> None:
    digest = read_digest(fields.take(SEQUENCE))
    if digest is not Digest.SHA256 or fields.take(OCTET_STRING).content != imprint:
        msg = "time stamp: over other octets"
        raise SignatureError(msg)


def _check_extensions(extensions: Element | None) -> None:
    """We know none; one that must be understood makes the stamp mean something else."""
    for extension in extensions.children() if extensions else ():
        fields = extension.fields()
        fields.take(OBJECT_IDENTIFIER)
        critical = fields.maybe(_BOOLEAN)
        if critical is not None and critical.content != b"\0":
            _refuse("an extension that we do not know and must")


def _time(value: Element) -> datetime:
    """GeneralizedTime in UTC, with a fraction; what lies below a microsecond is cut."""
    match = _TIME.fullmatch(value.content)
    try:
        whole = datetime.strptime(match[1].decode(), "%Y%m%d%H%M%S").replace(tzinfo=UTC) if match else None
    except ValueError:
        whole = None
    if match is None or whole is None:
        _refuse("a time that is none")
    return whole.replace(microsecond=int((match[2] or b"")[:6].ljust(6, b"0")))


def _accuracy(value: Element | None) -> timedelta | None:
    if value is None:
        return None
    fields = value.fields()
    seconds = _small(fields.maybe(INTEGER), _ACCURACY_S_MAX)
    milliseconds = _small(fields.maybe(context(0, constructed=False)), _THOUSANDTHS_MAX)
    microseconds = _small(fields.maybe(context(1, constructed=False)), _THOUSANDTHS_MAX)
    fields.end()
    return timedelta(seconds=seconds, milliseconds=milliseconds, microseconds=microseconds)


def _small(value: Element | None, most: int = 0xFF) -> int:
    """An INTEGER, or one with another tag, from zero to ``most``; zero if it is not there."""
    if value is None:
        return 0
    number = int.from_bytes(value.content, "big", signed=True)
    if not value.content or not 0 <= number <= most:
        _refuse("a number out of its bounds")
    return number


def _dotted(oid: Element) -> str:
    """An OBJECT IDENTIFIER as numbers with dots."""
    arcs, arc = [], 0
    if not 0 < len(oid.content) <= _OID_OCTETS_MAX or oid.content[-1] & 0x80:
        _refuse("a policy that is none")
    for octet in oid.content:
        arc = arc << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(arc)
            arc = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - first * 40, *arcs[1:])))


def _refuse(why: str) -> NoReturn:
    msg = f"time stamp: {why}"
    raise StructureError(msg)
