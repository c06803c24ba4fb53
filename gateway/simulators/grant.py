"""The JWT-bearer grant that is changed for an access token (RFC 7523, as Maskinporten has it; fiks.md 2.1).

Signed either with an organisation certificate, which then stands in ``x5c``, or with a key registered under a ``kid``.
"""

import binascii
import json
import uuid
from base64 import b64decode, b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NoReturn

from gateway import limits
from gateway.crypto.certificate_facts import CertificateFacts, facts_of, facts_of_der
from gateway.crypto.jose import SigningJwk
from gateway.crypto.key_transport import Digest
from gateway.crypto.keys import SigningKey
from gateway.crypto.signature_scheme import Kind, Scheme, check_signature
from gateway.errors import StructureError

GRANT_TYPE: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
GRANT_S_MAX: Final = 120
"""``exp - iat`` at most; KS's clients use exactly this."""

ALGORITHMS: Final = {"RS256": Digest.SHA256, "RS384": Digest.SHA384, "RS512": Digest.SHA512}
GrantKey = SigningKey | SigningJwk


def make_grant(
    key: GrantKey, *, audience: str, client_id: str, scope: str, at: datetime, resource: str | None = None
) -> str:
    """A grant with a new ``jti``: one grant buys one token, so every try makes its own."""
    issued = int(at.timestamp())
    claims = {
        "aud": audience,
        "iss": client_id,
        "scope": scope,
        "iat": issued,
        "exp": issued + GRANT_S_MAX,
        "jti": str(uuid.uuid4()),
    }
    return sign_claims(key, claims if resource is None else claims | {"resource": resource})


def sign_claims(key: GrantKey, claims: Mapping[str, object]) -> str:
    """Sign any claims as a grant, right ones or wrong ones."""
    if isinstance(key, SigningJwk):
        return key.sign(claims)
    certificate = b64encode(facts_of(key.chain[0]).der).decode()
    signed = f"{_segment({'alg': 'RS256', 'x5c': [certificate]})}.{_segment(claims)}"
    return f"{signed}.{_encoded(key.sign(signed.encode()))}"


@dataclass(frozen=True, slots=True)
class ReadGrant:
    """A grant as received: nothing in it is believed before ``check`` or the registered key has held."""

    text: str
    algorithm: str
    certificate: CertificateFacts | None
    claims: dict[str, Any]

    def check(self) -> None:
        """Hold the signature against the enclosed certificate. Raises SignatureError; StructureError without one."""
        if self.certificate is None:
            _refuse("no certificate enclosed")
        signed, _, signature = self.text.rpartition(".")
        scheme = Scheme(Kind.RSA, ALGORITHMS[self.algorithm])
        check_signature(self.certificate.public_key, scheme, _decoded(signature), signed.encode())


def read_grant(text: str) -> ReadGrant:
    """Take a grant apart. Raises StructureError."""
    segments = text.split(".")
    if len(text) > 4 * limits.TOKEN_BYTES_MAX or len(segments) != 3:  # noqa: PLR2004  header, claims, signature
        _refuse("not a compact JWS within bounds")
    header, claims = _object(segments[0]), _object(segments[1])
    algorithm, enclosed = header.get("alg"), header.get("x5c")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        _refuse("an algorithm that is not taken")
    if enclosed is None:
        if not isinstance(header.get("kid"), str):
            _refuse("neither x5c nor kid")
        return ReadGrant(text, algorithm, None, claims)
    if not isinstance(enclosed, list) or not enclosed or not isinstance(enclosed[0], str):
        _refuse("x5c is not a list of certificates")
    try:
        der = b64decode(enclosed[0], validate=True)
    except (binascii.Error, ValueError):
        _refuse("x5c is not standard base64")
    return ReadGrant(text, algorithm, facts_of_der(der), claims)


def _segment(value: Mapping[str, object]) -> str:
    return _encoded(json.dumps(dict(value), separators=(",", ":")).encode())


def _encoded(octets: bytes) -> str:
    return urlsafe_b64encode(octets).rstrip(b"=").decode()


def _decoded(segment: str) -> bytes:
    try:
        return urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except (binascii.Error, ValueError):
        _refuse("not base64url")


def _object(segment: str) -> dict[str, Any]:
    try:
        value = json.loads(_decoded(segment))
    except (ValueError, RecursionError):
        _refuse("not JSON")
    if not isinstance(value, dict):
        _refuse("not a JSON object")
    return value


def _refuse(why: str) -> NoReturn:
    message = f"grant: {why}"
    raise StructureError(message)
