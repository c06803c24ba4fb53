"""An access-token issuer in the manner of Maskinporten (fiks.md 2.1 and 2.2), with fault switches.

It believes nobody without proof: every claim of a grant is checked, and a grant buys one token once.
"""

import json
import uuid
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, NoReturn

from aiohttp import web

from gateway.crypto.jose import KeySet, SigningJwk
from gateway.errors import StructureError, TrustError
from gateway.simulators.grant import GRANT_S_MAX, GRANT_TYPE, ReadGrant, read_grant
from gateway.simulators.serving import serving

TOKEN_LIFE_S: Final = 120
SKEW_S: Final = 10
_CLAIMS: Final = frozenset(
    {"aud", "iss", "scope", "iat", "exp", "jti", "resource", "consumer_org", "iss_onbehalfof", "pid"}
)
DELEGATION_SOURCE: Final = "https://tt02.altinn.no/"


class IssuerFault(StrEnum):
    """What can be wrong with an issuer."""

    UNAVAILABLE = "unavailable"  # 503 to every grant
    EXPIRED_TOKENS = "expired-tokens"  # tokens that ran out an hour ago
    WRONG_SCOPE = "wrong-scope"  # tokens for something else


@dataclass(frozen=True, slots=True)
class RegisteredClient:
    """Who may ask, and what proves it: certificates by SHA-256, or keys under a ``kid``. ``acts_for``: delegations."""

    client_id: str
    organisation_number: str
    scopes: frozenset[str]
    certificates: frozenset[bytes] = frozenset()
    keys: KeySet | None = None
    acts_for: frozenset[str] = frozenset()


class _GrantError(Exception):
    """The answer to a grant that is refused; stays inside this module."""

    def __init__(self, error: str, code: str, text: str) -> None:
        super().__init__(text)
        self.error, self.code, self.text = error, code, text


class TokenIssuer:
    """The issuer. ``name`` is its ``iss`` and the audience of grants; ``faults`` may be changed at any time."""

    def __init__(
        self, name: str, clients: Iterable[RegisteredClient], now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.name = name
        self.faults: set[IssuerFault] = set()
        self.token_life_s = TOKEN_LIFE_S
        self._clients = {client.client_id: client for client in clients}
        self._now = now
        self._keys = [SigningJwk.generate("simulert-1")]
        self._used: dict[str, float] = {}

    def rotate_key(self) -> None:
        """Sign with a new key from now on. The old one stays published, as tokens signed with it are still about."""
        self._keys.append(SigningJwk.generate(f"simulert-{len(self._keys) + 1}"))

    def register(self, client: RegisteredClient) -> None:
        """Let another client ask from now on; one of the same id is replaced."""
        self._clients[client.client_id] = client

    def jwks(self) -> bytes:
        """The public keys as a JWKS document."""
        keys = [key for signer in self._keys for key in json.loads(signer.jwks())["keys"]]
        return json.dumps({"keys": keys}).encode()

    def routes(self) -> list[web.RouteDef]:
        """Everything that the issuer answers."""
        return [
            web.post("/token", self._token),
            web.get("/jwks", self._jwks),
            web.get("/.well-known/oauth-authorization-server", self._metadata),
        ]

    @asynccontextmanager
    async def serve(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
        """Answer over HTTP; yields the base address."""
        async with serving(self.routes(), host=host, port=port) as base:
            yield base

    async def _token(self, request: web.Request) -> web.Response:
        if IssuerFault.UNAVAILABLE in self.faults:
            return _refusal(503, "temporarily_unavailable", "MP-500", "try again later")
        form = await request.post()
        assertion = form.get("assertion")
        try:
            if form.get("grant_type") != GRANT_TYPE:
                _refuse("unsupported_grant_type", "MP-100", "only the JWT-bearer grant is taken")
            if not isinstance(assertion, str):
                _refuse("invalid_request", "MP-100", "assertion is missing")
            return web.json_response(self.exchange(assertion))
        except _GrantError as refused:
            return _refusal(400, refused.error, refused.code, refused.text)

    async def _jwks(self, _: web.Request) -> web.Response:
        return web.Response(body=self.jwks(), content_type="application/json")

    async def _metadata(self, request: web.Request) -> web.Response:
        base = f"{request.scheme}://{request.host}"
        return web.json_response(
            {
                "issuer": self.name,
                "token_endpoint": f"{base}/token",
                "jwks_uri": f"{base}/jwks",
                "grant_types_supported": [GRANT_TYPE],
                "token_endpoint_auth_methods_supported": ["private_key_jwt"],
                "token_endpoint_auth_signing_alg_values_supported": ["RS256", "RS384", "RS512"],
            }
        )

    def exchange(self, assertion: str) -> dict[str, Any]:
        """Change a grant for a token."""
        try:
            grant = read_grant(assertion)
        except StructureError as fault:
            _refuse("invalid_grant", "MP-100", f"Invalid assertion: {fault}")
        now = self._now().timestamp()
        client = self._proven(grant, now)
        self._check_claims(grant.claims, now)
        scope = grant.claims.get("scope")
        if not isinstance(scope, str) or not scope or not set(scope.split(" ")) <= client.scopes:
            _refuse("invalid_scope", "MP-100", "the client has no right to the scope")
        consumer = grant.claims.get("consumer_org", grant.claims.get("iss_onbehalfof"))
        if consumer is not None and consumer not in client.acts_for:
            _refuse("invalid_grant", "MP-100", "no delegation from the organisation acted for")
        self._use(grant.claims["jti"], now)
        return self._answer(client, consumer, scope, grant.claims.get("resource"), int(now))

    def _proven(self, grant: ReadGrant, now: float) -> RegisteredClient:
        issuer = grant.claims.get("iss")
        client = self._clients.get(issuer) if isinstance(issuer, str) else None
        if client is None:
            _refuse("invalid_client", "MP-100", "unknown client")
        try:
            if grant.certificate is not None:
                if grant.certificate.sha256 not in client.certificates:
                    _refuse("invalid_client", "MP-120", "the certificate is not the client's")
                if grant.certificate.certificate.not_valid_after_utc.timestamp() < now:
                    _refuse("invalid_client", "MP-121", "the certificate has expired")
                grant.check()
            elif client.keys is None:
                _refuse("invalid_client", "MP-120", "the client has no registered key")
            else:
                client.keys.verified_claims(grant.text)
        except TrustError:
            _refuse("invalid_grant", "MP-100", "Invalid assertion: the signature does not hold")
        return client

    def _check_claims(self, claims: dict[str, Any], now: float) -> None:
        if not claims.keys() <= _CLAIMS or {"consumer_org", "iss_onbehalfof"} <= claims.keys():
            _refuse("invalid_grant", "MP-100", "Invalid assertion: a claim that is not allowed")
        if claims.get("aud") not in (self.name, [self.name]):
            _refuse("invalid_grant", "MP-110", "wrong aud")
        issued, expires, number = claims.get("iat"), claims.get("exp"), claims.get("jti")
        if type(issued) is not int or type(expires) is not int:
            _refuse("invalid_grant", "MP-100", "Invalid assertion: iat and exp are seconds")
        if abs(now - issued) > SKEW_S:
            _refuse("invalid_grant", "MP-100", "Invalid assertion: iat is not now")
        if not 0 < expires - issued <= GRANT_S_MAX or expires < now:
            _refuse("invalid_grant", "MP-100", "Invalid assertion: exp is not within 120 s of iat")
        if not isinstance(number, str) or not number or number in self._used:
            _refuse("invalid_grant", "MP-100", "Invalid assertion: jti is missing or used")

    def _use(self, number: str, now: float) -> None:
        """Remember a grant for as long as its ``iat`` could still pass."""
        self._used = {jti: at for jti, at in self._used.items() if at > now - GRANT_S_MAX}
        self._used[number] = now

    def _answer(
        self, client: RegisteredClient, consumer: str | None, scope: str, resource: Any, now: int
    ) -> dict[str, Any]:
        if IssuerFault.WRONG_SCOPE in self.faults:
            scope = "simulert:noe/annet"
        issued = now - 3600 if IssuerFault.EXPIRED_TOKENS in self.faults else now
        claims: dict[str, Any] = {
            "iss": self.name,
            "client_id": client.client_id,
            "client_amr": "private_key_jwt",
            "scope": scope,
            "token_type": "Bearer",
            "iat": issued,
            "exp": issued + self.token_life_s,
            "jti": str(uuid.uuid4()),
            "consumer": _organisation(consumer or client.organisation_number),
        }
        if consumer is not None:
            claims |= {"supplier": _organisation(client.organisation_number), "delegation_source": DELEGATION_SOURCE}
        if resource is not None:
            claims["aud"] = resource
        token = self._keys[-1].sign(claims)
        return {"access_token": token, "token_type": "Bearer", "expires_in": self.token_life_s, "scope": scope}


def _organisation(number: str) -> dict[str, str]:
    return {"authority": "iso6523-actorid-upis", "ID": f"0192:{number}"}


def _refuse(error: str, code: str, text: str) -> NoReturn:
    raise _GrantError(error, code, text)


def _refusal(status: int, error: str, code: str, text: str) -> web.Response:
    description = f"{code}: {text} (correlation_id: {uuid.uuid4()})"
    body = {"error": error, "error_description": description, "error_uri": "https://docs.digdir.no/"}
    return web.json_response(body, status=status)
