"""Who calls: Maskinporten tokens and integration passwords, over REST and at the broker's door (fiks.md 3 and 4.1)."""

import hmac
import secrets
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from aiohttp import web

from gateway.crypto.jose import KeySet
from gateway.errors import ForbiddenError, StructureError, TrustError, UnauthenticatedError
from gateway.simulators.fiks.register import Integration, Register
from gateway.simulators.issuer import TokenIssuer

SCOPE: Final = "ks:fiks"
QUEUE: Final = "fiksio.konto."
_REFUSED: Final = "token, integration or password does not hold"


class Access:
    """Decides about each call and each login. ``operator`` logs in at the broker as the platform itself."""

    def __init__(
        self, register: Register, issuer: TokenIssuer, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.operator = f"fiks-{uuid.uuid4()}"
        self.operator_password = secrets.token_urlsafe(32)
        self._register = register
        self._issuer = issuer
        self._now = now

    def caller(self, request: web.Request) -> Integration:
        """Whose call it is, by the three headers. Raises UnauthenticatedError; which of them was wrong is not told."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer":
            raise UnauthenticatedError(_REFUSED)
        password = request.headers.get("IntegrasjonPassord", "").strip()
        return self._known(request.headers.get("IntegrasjonId", ""), password, token)

    def caller_for(self, request: web.Request, konto_id: str) -> Integration:
        """Whose call it is, if that one has rights to the account. Raises UnauthenticatedError, ForbiddenError."""
        caller = self.caller(request)
        if konto_id not in caller.kontoer:
            message = "the integration has no right to the account"
            raise ForbiddenError(message)
        return caller

    def may_log_in(self, user: str, password: str) -> bool:
        """Whether the broker opens: the password is the integration's, one space, and a token that still lives."""
        if user == self.operator:
            return hmac.compare_digest(password, self.operator_password)
        own, _, token = password.partition(" ")
        try:
            self._known(user, own, token)
        except UnauthenticatedError:
            return False
        return True

    def may_use(self, user: str, kind: str, name: str, permission: str) -> bool:
        """Whether a user may do something at the broker: integrations read the queues of their accounts, no more."""
        if user == self.operator:
            return True
        integration = self._register.find_integration(user)
        if integration is None or (kind, permission) != ("queue", "read") or not name.startswith(QUEUE):
            return False
        return name.removeprefix(QUEUE) in integration.kontoer

    def _known(self, integrasjon_id: str, password: str, token: str) -> Integration:
        integration = self._register.find_integration(integrasjon_id.lower())
        if integration is None or not integration.has_password(password):
            raise UnauthenticatedError(_REFUSED)
        try:
            claims = _key_set(self._issuer.jwks()).verified_claims(token)
        except (StructureError, TrustError):
            raise UnauthenticatedError(_REFUSED) from None
        if not self._fits(claims, integration):
            raise UnauthenticatedError(_REFUSED)
        return integration

    def _fits(self, claims: dict[str, Any], integration: Integration) -> bool:
        organisation = claims.get("consumer", {}).get("ID", "").rpartition(":")[2]
        return (
            claims.get("iss") == self._issuer.name
            and SCOPE in str(claims.get("scope", "")).split(" ")
            and claims.get("exp", 0) > self._now().timestamp()
            and organisation == integration.organisasjonsnummer
        )


class BrokerDoor:
    """What the broker asks by rabbitmq_auth_backend_http: words in a form, ``allow`` or ``deny`` back."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def routes(self) -> list[web.RouteDef]:
        """To be served where the broker's settings say."""
        return [
            web.post("/auth/user", self._user),
            web.post("/auth/vhost", self._vhost),
            web.post("/auth/resource", self._resource),
            web.post("/auth/topic", self._topic),
        ]

    async def _user(self, request: web.Request) -> web.Response:
        form = await _form(request)
        return _answer(allowed=self._access.may_log_in(form.get("username", ""), form.get("password", "")))

    async def _vhost(self, request: web.Request) -> web.Response:
        return _answer(allowed=(await _form(request)).get("vhost") == "/")

    async def _resource(self, request: web.Request) -> web.Response:
        form = await _form(request)
        asked = (form.get(name, "") for name in ("username", "resource", "name", "permission"))
        return _answer(allowed=self._access.may_use(*asked))

    async def _topic(self, request: web.Request) -> web.Response:
        return _answer(allowed=(await _form(request)).get("username") == self._access.operator)


@lru_cache(maxsize=4)
def _key_set(document: bytes) -> KeySet:
    return KeySet.parse(document)


async def _form(request: web.Request) -> dict[str, str]:
    return {name: value for name, value in (await request.post()).items() if isinstance(value, str)}


def _answer(*, allowed: bool) -> web.Response:
    answer = web.Response(text="allow" if allowed else "deny")
    answer.force_close()  # the broker outlives us in tests, and would ask the next one over this connection
    return answer
