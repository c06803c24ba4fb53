"""Whether a request is its broker's, and the signature of every answer (digipost.md 2).

Written apart from what the gateway signs with, so that the two hold each other to the page.
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Final, NoReturn
from urllib.parse import unquote_to_bytes

from gateway.crypto.certificate_facts import CertificateFacts
from gateway.crypto.key_transport import Digest
from gateway.crypto.keys import SigningKey
from gateway.crypto.signature_scheme import Kind, Scheme, check_signature
from gateway.errors import SignatureError
from gateway.simulators.digipost.answers import RefusalError

SKEW: Final = timedelta(minutes=5)
_RS256: Final = Scheme(Kind.RSA, Digest.SHA256)
_BAD: Final = 400
_FORBIDDEN: Final = 403


@dataclass(frozen=True, slots=True)
class Broker:
    """An account that may call. ``senders``: on whose behalf; itself is always one."""

    number: int
    certificate: CertificateFacts
    senders: frozenset[int] = frozenset()
    idporten: bool = True
    printing: bool = True

    def may_send_for(self, sender: int) -> bool:
        """Itself, and whoever granted it."""
        return sender == self.number or sender in self.senders


@dataclass(frozen=True, slots=True)
class Call:
    """A request as it came; ``target`` as on the wire, header names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


def require_signed(call: Call, brokers: Mapping[int, Broker], now: datetime) -> Broker:
    """Whose request it is. Raises RefusalError, with the expected text when the signature is wrong (2.4)."""
    number = call.headers.get("x-digipost-userid", "")
    broker = brokers.get(int(number)) if number.isascii() and number.isdecimal() else None
    if broker is None:
        _refuse(_FORBIDDEN, "UNKNOWN_USER_ID", "no broker has that id")
    try:
        sent = parsedate_to_datetime(call.headers["date"])
    except KeyError:
        _refuse(_BAD, "MISSING_DATE_HEADER", "Date is missing")
    except (ValueError, OverflowError):
        _refuse(_BAD, "INVALID_DATE_HEADER", "Date is no date")
    if sent.tzinfo is None or abs(sent - now) > SKEW:
        _refuse(_BAD, "DATE_HEADER_OUTSIDE_ACCEPTED_INTERVAL", "Date is more than five minutes from our clock")
    if call.body:
        if "x-content-sha256" not in call.headers:
            _refuse(_BAD, "MISSING_SHA256", "X-Content-SHA256 is missing")
        if call.headers["x-content-sha256"] != digest(call.body):
            _refuse(_BAD, "INVALID_SHA256", "X-Content-SHA256 is another body's")
    _require_signature(call, broker)
    return broker


def _require_signature(call: Call, broker: Broker) -> None:
    try:
        signature = base64.b64decode(call.headers["x-digipost-signature"], validate=True)
    except KeyError:
        _refuse(_FORBIDDEN, "MISSING_SIGNATURE", "X-Digipost-Signature is missing")
    except (binascii.Error, ValueError):
        _refuse(_FORBIDDEN, "INVALID_SIGNATURE", "X-Digipost-Signature is not Base64")
    decoded, as_sent = _expected(call)
    for expected in {decoded, as_sent}:  # the Java client signs the one, the .NET client the other
        try:
            check_signature(broker.certificate.public_key, _RS256, signature, expected)
        except SignatureError:
            continue
        return
    shown = decoded.decode("utf-8", "replace")
    _refuse(_FORBIDDEN, "INVALID_SIGNATURE", f"expected ===START==={shown}===SLUTT===")


def _expected(call: Call) -> tuple[bytes, bytes]:
    """What should have been signed: with the path decoded, and with the path as it came."""
    path, _, query = call.target.partition("?")
    rest = b""
    for name in ("content-md5", "date", "x-content-sha256", "x-digipost-userid"):
        if name in call.headers:
            rest += f"{name}: {call.headers[name]}\n".encode()
    rest += query.lower().encode() + b"\n"
    first = call.method.upper().encode() + b"\n"
    plain = unquote_to_bytes(path).decode("utf-8", "replace").lower().encode()
    return first + plain + b"\n" + rest, first + path.lower().encode() + b"\n" + rest


def signed_headers(key: SigningKey, status: int, target: str, body: bytes, at: datetime) -> dict[str, str]:
    """Date, hash and signature of an answer. Names are capitalised alike: the Java client sorts them as they are written."""
    headers = {"Date": format_datetime(at, usegmt=True)}
    if body:
        headers["X-Content-SHA256"] = digest(body)
    said = [
        str(status),
        target.partition("?")[0].lower(),
        *(f"{name.lower()}: {headers[name]}" for name in headers),
        "",
    ]
    headers["X-Digipost-Signature"] = base64.b64encode(key.sign("\n".join(said).encode())).decode()
    return headers


def digest(body: bytes) -> str:
    """Base64 of SHA-256."""
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


def _refuse(status: int, code: str, why: str) -> NoReturn:
    raise RefusalError(status, code, why, "CLIENT_TECHNICAL") from None
