"""Access tokens as JWS compact serialisation: strict header, closed list of algorithms, one key by its ``kid``.

Reading goes in this order, and nothing later runs when something earlier failed (requirement S06):

1. size, alphabet and three non-empty segments: JSON serialisation and detached payloads end here;
2. header: an object without repeated members, only known members, an algorithm of ours, a ``kid``, a known ``typ``;
3. the key: of the issuer's set, of the family and use that the algorithm demands;
4. the signature; only then are claims handed out (requirement S15).
"""

import binascii
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from jwcrypto.common import JWException  # type: ignore[import-untyped]  # ships no types
from jwcrypto.jwk import JWK  # type: ignore[import-untyped]  # ships no types
from jwcrypto.jws import JWS  # type: ignore[import-untyped]  # ships no types

from gateway import limits
from gateway.errors import SignatureError, StructureError

_FAMILIES: Final = {"RS256": "RSA", "RS384": "RSA", "RS512": "RSA", "PS256": "RSA", "ES256": "EC"}
ALGORITHMS: Final = tuple(_FAMILIES)
"""What an access token may be signed with (schools.md 4; Maskinporten signs RS256)."""

_MEMBERS: Final = frozenset({"alg", "kid", "typ", "x5t", "x5t#S256"})
_TYPES: Final = frozenset({"jwt", "at+jwt", "application/at+jwt"})
_COMPACT: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_KID_CHARS_MAX: Final = 200
_KEYS_MAX: Final = 50


@dataclass(frozen=True, slots=True)
class TokenHeader:
    """The two header members that choose the key."""

    algorithm: str
    kid: str


def read_header(token: str) -> TokenHeader:
    """Steps 1 and 2. Raises StructureError; no key is used."""
    if len(token) > limits.TOKEN_BYTES_MAX or _COMPACT.fullmatch(token) is None:
        message = "the token is not a JWS in compact serialisation within bounds"
        raise StructureError(message)
    header = _json_object(_decoded(token.split(".", maxsplit=1)[0]))
    if not header.keys() <= _MEMBERS:
        message = "the token's header has a member that is not allowed"
        raise StructureError(message)
    algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
    if not isinstance(algorithm, str) or algorithm not in _FAMILIES:
        message = "the token's algorithm is not allowed"
        raise StructureError(message)
    if not isinstance(kid, str) or not 0 < len(kid) <= _KID_CHARS_MAX:
        message = "the token names no key"
        raise StructureError(message)
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        message = "the token's type is not allowed"
        raise StructureError(message)
    return TokenHeader(algorithm, kid)


def claimed_issuer(token: str) -> str | None:
    """The issuer a token of right form names, not yet believed: it only chooses whose keys to try."""
    read_header(token)
    issuer = _json_object(_decoded(token.split(".")[1])).get("iss")
    return issuer if isinstance(issuer, str) else None


@dataclass(frozen=True, slots=True)
class KeySet:
    """An issuer's public signature keys by ``kid``; others in its document are passed over."""

    _keys: Mapping[str, JWK] = field(repr=False)

    @classmethod
    def parse(cls, document: bytes) -> "KeySet":
        """Read a JWKS document. Raises StructureError when it is none or holds no usable key."""
        if len(document) > limits.JWKS_BYTES_MAX:
            message = "the key set is too large"
            raise StructureError(message)
        entries = _json_object(document).get("keys")
        if not isinstance(entries, list) or len(entries) > _KEYS_MAX:
            message = "the key set has no list of keys within bounds"
            raise StructureError(message)
        keys = {entry["kid"]: key for entry in entries if (key := _usable(entry)) is not None}
        if not keys:
            message = "the key set holds no usable key"
            raise StructureError(message)
        return cls(keys)

    def __contains__(self, kid: str) -> bool:
        return kid in self._keys

    def verified_claims(self, token: str) -> dict[str, Any]:
        """Steps 1 to 4. Raises StructureError or SignatureError."""
        header = read_header(token)
        key = self._keys.get(header.kid)
        if key is None or not _fits(key, header.algorithm):
            message = "no key of the issuer fits the token"
            raise SignatureError(message)
        jws = JWS()
        jws.allowed_algs = [header.algorithm]
        try:
            jws.deserialize(token)
            jws.verify(key)
        except (JWException, ValueError) as error:
            message = "the token's signature does not hold"
            raise SignatureError(message) from error
        return _json_object(jws.payload)


class SigningJwk:
    """A private signature key with its public set: for a simulated issuer, and for tokens of our own."""

    def __init__(self, key: JWK, algorithm: str) -> None:
        self._key = key
        self._algorithm = algorithm

    @classmethod
    def generate(cls, kid: str, algorithm: str = "RS256") -> "SigningJwk":
        """A new key: RSA-2048, or P-256 for ES256."""
        shape = {"kty": "EC", "crv": "P-256"} if algorithm == "ES256" else {"kty": "RSA", "size": limits.RSA_BITS_MIN}
        return cls(JWK.generate(kid=kid, use="sig", alg=algorithm, **shape), algorithm)

    def jwks(self) -> bytes:
        """The public half as a JWKS document."""
        return json.dumps({"keys": [self._key.export_public(as_dict=True)]}).encode()

    def sign(self, claims: Mapping[str, object]) -> str:
        """A compact token over the claims."""
        jws = JWS(json.dumps(dict(claims)).encode())
        header = {"alg": self._algorithm, "kid": self._key.get("kid"), "typ": "JWT"}
        jws.add_signature(self._key, None, json.dumps(header))
        return str(jws.serialize(compact=True))


def _usable(entry: object) -> JWK | None:
    """A public RSA or P-256 key for signatures, with a ``kid``; anything else is not ours to use."""
    if not isinstance(entry, dict) or not isinstance(entry.get("kid"), str) or entry.get("use", "sig") != "sig":
        return None
    public = {name: entry[name] for name in ("kty", "n", "e", "crv", "x", "y", "kid", "use", "alg") if name in entry}
    try:
        key = JWK(**public)
        strong = key.get("kty") == "EC" or key.get_op_key("verify").key_size >= limits.RSA_BITS_MIN
    except (JWException, ValueError, TypeError, AttributeError, LookupError):  # one bad key spoils no other
        return None
    return key if strong else None


def _fits(key: JWK, algorithm: str) -> bool:
    """One key has one family, and one algorithm where it says so (requirement S14)."""
    if key.get("kty") != _FAMILIES[algorithm] or key.get("alg", algorithm) != algorithm:
        return False
    return algorithm != "ES256" or key.get("crv") == "P-256"


def _decoded(segment: str) -> bytes:
    """Base64url without padding, and only its one canonical spelling."""
    try:
        octets = urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except (binascii.Error, ValueError) as error:
        message = "the token is not base64url"
        raise StructureError(message) from error
    if urlsafe_b64encode(octets).rstrip(b"=") != segment.encode():
        message = "the token is not canonical base64url"
        raise StructureError(message)
    return octets


def _json_object(octets: bytes) -> dict[str, Any]:
    """A JSON object with each member once. Raises StructureError."""
    try:
        value = json.loads(octets.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and too many digits are ValueErrors
        message = "not JSON"
        raise StructureError(message) from error
    if not isinstance(value, dict):
        message = "not a JSON object"
        raise StructureError(message)
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        message = "a member is repeated"
        raise StructureError(message)
    return members


def _no_constant(_: str) -> Any:
    message = "NaN and Infinity are not JSON"
    raise StructureError(message)
