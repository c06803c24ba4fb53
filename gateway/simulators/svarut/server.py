"""SvarUt's REST API, version 2, over HTTP: what a test or a program starts (fiks.md 11)."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.crypto.keys import DecryptionKey
from gateway.domain.identifiers import is_uuid
from gateway.errors import MalformedRequestError
from gateway.simulators.fault_desk import Faults
from gateway.simulators.fiks.access import Access
from gateway.simulators.fiks.answers import refusal, refusals
from gateway.simulators.fiks.register import Register
from gateway.simulators.issuer import TokenIssuer
from gateway.simulators.serving import serving
from gateway.simulators.svarut.faults import AT_ONCE, SvarUtFault
from gateway.simulators.svarut.message import DOCUMENT_BYTES_MAX, read_letter
from gateway.simulators.svarut.post import Post, Shipment

ISSUER: Final = "https://test.maskinporten.no/"
BASE: Final = "/api/v2"
RETRY_AFTER_S: Final = 7
_LOOK_S: Final = 0.02
_REFUSALS: Final = {
    SvarUtFault.THROTTLED: HTTPStatus.TOO_MANY_REQUESTS,
    SvarUtFault.SERVER_ERROR: HTTPStatus.INTERNAL_SERVER_ERROR,
    SvarUtFault.UNAUTHORISED: HTTPStatus.UNAUTHORIZED,
}
_AFTERWARDS: Final = (SvarUtFault.LOST_ANSWER, SvarUtFault.HANGING, SvarUtFault.GATEWAY_TIMEOUT)


class SvarUtServer:
    """The server. Integrations, people and faults may be changed while it runs."""

    def __init__(
        self,
        key: DecryptionKey,
        register: Register,
        issuer: TokenIssuer,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.faults = Faults(SvarUtFault)
        self.post = Post(now)
        self.requests: list[str] = []
        self._key = key
        self._issuer = issuer
        self._access = Access(register, issuer, now)
        self._now = now

    @asynccontextmanager
    async def serve(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
        """Answer over HTTP, tokens included; yields the base address."""
        routes = [*self._issuer.routes(), *self.routes()]
        async with serving(
            routes, host=host, port=port, body_bytes_max=2 * DOCUMENT_BYTES_MAX, middlewares=[refusals, self._spoilt]
        ) as base:
            yield base

    def routes(self) -> Iterable[web.RouteDef]:
        """Every call."""
        konto, letter = f"{BASE}/kontoer/{{konto}}/forsendelser", f"{BASE}/forsendelser/{{id}}"
        return [
            web.post(konto, self._send),
            web.post(f"{konto}/", self._send),  # as KS's page has it; the OpenAPI document has no stroke there
            web.get(konto, self._look_up),
            web.post(f"{konto}/status-sok", self._statuses),
            web.get(f"{letter}/hendelser", self._history),
            web.get(f"{letter}/metadata", self._metadata),
        ]

    @web.middleware
    async def _spoilt(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith(BASE):
            return await handler(request)
        self.requests.append(f"{request.method} {request.path_qs}")
        fault = self.faults.take(*AT_ONCE)
        return await handler(request) if fault is None else await _failed(request, fault)

    async def _send(self, request: web.Request) -> web.StreamResponse:
        konto_id = self._konto(request)
        if self.faults.take(SvarUtFault.TOO_LARGE):
            return refusal(request, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too large")
        told, documents = await read_letter(request, self._key)
        rejected = self.faults.take(SvarUtFault.REJECTED) is not None
        prints = self.faults.take(SvarUtFault.PRINTS) is not None
        shipment = self.post.take(konto_id, told, documents, rejected=rejected, prints=prints)
        match self.faults.take(*_AFTERWARDS):
            case None:
                return web.json_response({"id": shipment.id})
            case SvarUtFault.GATEWAY_TIMEOUT:
                return web.Response(status=HTTPStatus.GATEWAY_TIMEOUT, text="<html/>", content_type="text/html")
            case fault:
                return await _silent(request, at_once=fault is SvarUtFault.LOST_ANSWER)

    async def _look_up(self, request: web.Request) -> web.Response:
        konto_id, reference = self._konto(request), request.query.get("eksternRef", "")
        if not reference:
            message = "eksternRef is missing"
            raise MalformedRequestError(message)
        hidden = self.faults.take(SvarUtFault.NOT_INDEXED) is not None
        found = [] if hidden else self.post.by_reference(konto_id, reference)
        return web.json_response({"forsendelseIds": [one.id for one in found]})

    async def _statuses(self, request: web.Request) -> web.Response:
        """What there is of the letters that were asked about and are this account's."""
        konto_id = self._konto(request)
        try:
            asked = (await request.json())["forsendelseIds"]
        except (ValueError, KeyError, TypeError):
            asked = None
        if not isinstance(asked, list) or not all(isinstance(one, str) and is_uuid(one) for one in asked):
            message = "forsendelseIds does not hold ids"
            raise MalformedRequestError(message)
        own = [one for one in self.post.letters.values() if one.id in asked and one.konto_id == konto_id]
        unknown = self.faults.take(SvarUtFault.UNKNOWN_STATUS) is not None
        return web.json_response({"statuser": [self._status(one, unknown=unknown) for one in own]})

    def _status(self, shipment: Shipment, *, unknown: bool) -> dict[str, Any]:
        status, at = shipment.step(self._now())
        return {
            "id": shipment.id,
            "sisteStatusEndring": at.isoformat(),
            "status": "LEVERT_MED_DRONE" if unknown else status,
        }

    async def _history(self, request: web.Request) -> web.Response:
        events = [{"tidspunkt": at.isoformat(), "hendelse": status} for status, at in self._own(request).history]
        return web.json_response({"hendelser": events})

    async def _metadata(self, request: web.Request) -> web.Response:
        shipment = self._own(request)
        place = f"{request.scheme}://{request.host}/forsendelse/{shipment.id}"
        told = [one.metadata(f"{place}/{number}") for number, one in enumerate(shipment.documents, 1)]
        return web.json_response({"dokumenter": told})

    def _konto(self, request: web.Request) -> str:
        """The account of a call. Raises UnauthenticatedError, ForbiddenError."""
        konto_id = request.match_info["konto"].lower()
        self._access.caller_for(request, konto_id)
        return konto_id

    def _own(self, request: web.Request) -> Shipment:
        """A letter of the caller's. Raises UnauthenticatedError, ForbiddenError, UnknownResourceError."""
        self._access.caller(request)
        shipment = self.post.find(request.match_info["id"].lower())
        self._access.caller_for(request, shipment.konto_id)
        return shipment


async def _failed(request: web.Request, fault: SvarUtFault) -> web.StreamResponse:
    """What a fault makes of a request before anything was done."""
    if fault is SvarUtFault.CUT:
        return await _silent(request, at_once=True)
    if fault is SvarUtFault.GARBAGE:
        return web.Response(body=b'{"forsendelseIds": ["', content_type="application/json")
    if fault is SvarUtFault.DOWN:
        return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE, text="<html/>", content_type="text/html")
    answer = refusal(request, _REFUSALS[fault], fault.value)
    if fault is SvarUtFault.THROTTLED:
        answer.headers["Retry-After"] = str(RETRY_AFTER_S)
    return answer


async def _silent(request: web.Request, *, at_once: bool) -> web.StreamResponse:
    """No answer: the line is cut, or held until the caller hangs up."""
    line = request.transport
    if line is not None and at_once:
        line.abort()
    while line is not None and not line.is_closing():  # noqa: ASYNC110  there is no event for it
        await asyncio.sleep(_LOOK_S)
    return web.Response(status=HTTPStatus.INTERNAL_SERVER_ERROR)
