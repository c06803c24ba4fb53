"""The partner listener: verifies who calls, admits, and hands a request of ours to a facade's handler.

A call carries a bearer token and the integration's id and password (fiks.md 3). Whatever is wrong of the three, the
answer is the same 401 after the same work: a password is compared even for an integration that does not exist.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Final

import orjson
from aiohttp import web

from gateway import config
from gateway.crypto.secrets import nobody_matches
from gateway.crypto.tokens import REFUSAL, TokenVerifier, VerifiedToken
from gateway.domain.identifiers import is_uuid
from gateway.errors import ForbiddenError, UnauthenticatedError
from gateway.http.admission import Admission
from gateway.http.body import Body
from gateway.http.clients import PRODUSENT, ClientDirectory, ClientRecord, FailedLogins
from gateway.http.multipart import MultipartReader, boundary_of
from gateway.http.rate import UploadQuota
from gateway.http.server import HttpRoute
from gateway.spi import Caller, Clock, Part, Route

_SECRET_HEADERS: Final = frozenset({"authorization", "integrasjonpassord", "cookie", "proxy-authorization"})


def bearer_token(request: web.Request) -> str:
    """The one bearer token of the Authorization header; empty when there is none."""
    values = request.headers.getall("Authorization", [])
    if len(values) != 1:
        return ""
    scheme, _, token = values[0].partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


class ProducerDoor:
    """Lets registered producers in."""

    def __init__(self, verifier: TokenVerifier, directory: ClientDirectory, clock: Clock) -> None:
        self._verifier = verifier
        self._directory = directory
        self._clock = clock
        self._failed = FailedLogins(clock)

    async def enter(self, request: web.Request) -> Caller:
        """Who calls.

        Raises UnauthenticatedError with one text for everything that is wrong with token, id or password;
        ForbiddenError when the token speaks for an organisation that is not the client's.
        """
        token = await self._token(request)
        client = await self._client(request)
        if token is None or client is None:
            await self._failed.slow(request.remote or "")
            raise UnauthenticatedError(REFUSAL)
        if not client.organisation_numbers & {token.consumer, token.supplier}:
            message = "The access token speaks for an organisation that this integration does not belong to. Get one for its own."
            raise ForbiddenError(message)
        return Caller(
            client_id=client.id,
            organisation_number=token.consumer,
            fiks_org_id=client.fiks_org_id,
            rights=client.rights,
        )

    async def _token(self, request: web.Request) -> VerifiedToken | None:
        try:
            token = await self._verifier.verify(bearer_token(request), self._clock.now())
        except UnauthenticatedError:
            return None
        return token if self._verifier.issuer(token.issuer).scope_produsent in token.scopes else None

    async def _client(self, request: web.Request) -> ClientRecord | None:
        """The active producer whose password was sent."""
        client_id = request.headers.get("IntegrasjonId", "").strip().lower()
        password = request.headers.get("IntegrasjonPassord", "").strip().encode("utf-8", "surrogateescape")
        client = await self._directory.find(client_id) if is_uuid(client_id) else None
        if client is None or client.kind != PRODUSENT or not client.active:
            nobody_matches(password)
            return None
        return client if client.verify_password(password) else None


@dataclass(frozen=True, slots=True)
class FacadeRequest:
    """A verified request, as ``spi.Request`` wants it. The caller's secrets are not among its headers."""

    caller: Caller
    path: Mapping[str, str]
    headers: Mapping[str, str]
    body: Body

    def parts(self) -> AsyncIterator[Part]:
        """The parts of the body, bounded while they stream."""
        return MultipartReader(self.body, boundary_of(self.headers.get("content-type", ""))).parts()


def partner_routes(
    routes: Iterable[Route], door: ProducerDoor, settings: config.Intake, quota: UploadQuota
) -> list[HttpRoute]:
    """A facade's routes behind the door. All share one admission."""
    admission = Admission(concurrent_max=settings.concurrent_max, per_client_max=settings.concurrent_per_client_max)
    return [_mounted(route, door, settings, admission, quota) for route in routes]


def _mounted(
    route: Route, door: ProducerDoor, settings: config.Intake, admission: Admission, quota: UploadQuota
) -> HttpRoute:
    async def handle(request: web.Request) -> web.StreamResponse:
        caller = await door.enter(request)
        if route.right is not None and route.right not in caller.rights:
            message = f"This integration lacks the right {route.right}. Ask the operator for it."
            raise ForbiddenError(message)
        body = Body(request, bytes_max=settings.body_bytes_max, idle_s=settings.idle_s_max)
        if route.upload:
            boundary_of(request.headers.get("Content-Type", ""))
            body.require_fitting()
        headers = {name.lower(): value for name, value in request.headers.items()}
        ours = FacadeRequest(
            caller=caller,
            path=dict(request.match_info),
            headers={name: value for name, value in headers.items() if name not in _SECRET_HEADERS},
            body=body,
        )
        paid = quota.charge(caller.client_id, body) if route.upload else nullcontext()
        with admission.admit(caller.client_id, concern=route.upload), paid:
            answer = await route.handler(ours)
        return web.Response(status=answer.status, body=orjson.dumps(answer.body), content_type="application/json")

    return HttpRoute(route.method, route.path, handle)
