"""The grant that Maskinporten changes for an access token: a JWT of ours, good for one token (fiks.md 2.1; RFC 7523).

It is signed through the ``SigningKey`` port, so that the key may lie in a token; RS256 is the one algorithm.
"""

import json
import uuid
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from cryptography.hazmat.primitives.serialization import Encoding

from gateway.crypto.keys import SigningKey
from gateway.errors import ConfigError

GRANT_TYPE: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
GRANT_S: Final = 120
"""``exp - iat``: the most that Maskinporten takes, and what KS's own clients use."""

Enclosed = Literal["leaf", "full"]
"""The key's own certificate, or its chain without the root."""


@dataclass(frozen=True, slots=True)
class GrantRequest:
    """What is asked for. It is the key of the token cache too: whatever changes the token stands in it.

    ``audience`` is the issuer's name, not the address of its endpoint. ``scope``: one or more, with a space between.
    ``consumer_org``: the organisation that we act for by delegation; ``on_behalf_of`` is the older way to say so, and
    both together are refused. Raises ConfigError.
    """

    audience: str
    client_id: str
    scope: str
    consumer_org: str | None = None
    on_behalf_of: str | None = None

    def __post_init__(self) -> None:
        """Refuse what Maskinporten would."""
        if self.consumer_org is not None and self.on_behalf_of is not None:
            message = "consumer_org and on_behalf_of exclude each other"
            raise ConfigError(message)

    def claims(self, at: datetime, number: str) -> dict[str, str | int]:
        """Exactly the claims that are allowed; any other gives 400."""
        issued = int(at.timestamp())
        claims: dict[str, str | int] = {
            "aud": self.audience,
            "iss": self.client_id,
            "scope": self.scope,
            "iat": issued,
            "exp": issued + GRANT_S,
            "jti": number,
        }
        if self.consumer_org is not None:
            claims["consumer_org"] = self.consumer_org
        if self.on_behalf_of is not None:
            claims["iss_onbehalfof"] = self.on_behalf_of
        return claims


@dataclass(frozen=True, slots=True)
class GrantSigner:
    """The client's key, and how Maskinporten knows it.

    ``kid``: the key is registered there. ``enclosed``: the certificates in ``x5c``, the key's own first; None leaves them
    out, which needs a ``kid``. Raises ConfigError.
    """

    key: SigningKey
    kid: str | None = None
    enclosed: Enclosed | None = "leaf"

    def __post_init__(self) -> None:
        """One of the two must be there."""
        if self.kid is None and self.enclosed is None:
            message = "a grant needs a kid or a certificate"
            raise ConfigError(message)

    def grant(self, request: GrantRequest, at: datetime) -> str:
        """A grant with a ``jti`` of its own: no try uses another's. Blocks. Raises KeyUnavailableError."""
        signed = f"{_segment(self._header())}.{_segment(request.claims(at, str(uuid.uuid4())))}"
        return f"{signed}.{_encoded(self.key.sign(signed.encode()))}"

    def _header(self) -> dict[str, str | list[str]]:
        header: dict[str, str | list[str]] = {"alg": "RS256"}
        if self.kid is not None:
            header["kid"] = self.kid
        if self.enclosed is not None:
            chain = self.key.chain if self.enclosed == "full" else self.key.chain[:1]
            header["x5c"] = [b64encode(one.public_bytes(Encoding.DER)).decode() for one in chain]  # not base64url
        return header


def _segment(value: Mapping[str, object]) -> str:
    return _encoded(json.dumps(value, separators=(",", ":")).encode())


def _encoded(octets: bytes) -> str:
    return urlsafe_b64encode(octets).rstrip(b"=").decode()
