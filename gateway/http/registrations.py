"""POST /registrations: a case system registers what came on paper, by telephone or in person."""

from collections.abc import AsyncIterator
from typing import Final

import orjson
from aiohttp import web

from gateway import limits
from gateway.domain.registration import CameBy, Registration, Reporter
from gateway.errors import MalformedRequestError, TooLargeError, UnknownResourceError
from gateway.http import wire
from gateway.http.body import Body
from gateway.http.caps import CaseSystemCaps
from gateway.http.multipart import MultipartReader, boundary_of
from gateway.http.outgoing import idempotency_key
from gateway.http.server import route_of
from gateway.pipeline.environment import Environment
from gateway.pipeline.hand_over import NO_SUCH, CaseSystemClient
from gateway.pipeline.register import Order, Registered, register
from gateway.pipeline.unseal import REPORT_PDF
from gateway.spi import Part, Stream

_FACTS: Final = "registrering"


class RegistrationApi:
    """One route."""

    def __init__(self, env: Environment, caps: CaseSystemCaps) -> None:
        self._env = env
        self._uploads = caps.uploads

    async def post(self, request: web.Request, client: CaseSystemClient) -> web.StreamResponse:
        """201 with its id once it is stored, and which others it may be the same as. Again gets the same message."""
        wire.Query(request)
        order = Order(client.id, idempotency_key(request))
        boundary = boundary_of(request.headers.get("Content-Type", ""))
        intake = self._env.settings.intake
        body = Body(request, bytes_max=intake.body_bytes_max, idle_s=intake.idle_s_max)
        body.require_fitting()
        with self._uploads.charge(client.id, body):
            done = await self._register(client, order, MultipartReader(body, boundary).parts())
        told = {"id": done.message_id, "state": done.state.value, "mayBeSameAs": list(done.may_be_same_as)}
        location = f"{route_of(request).rpartition('/')[0]}/messages/{done.message_id}"
        return web.Response(
            status=201, body=orjson.dumps(told), headers={"Location": location}, content_type="application/json"
        )

    async def _register(self, client: CaseSystemClient, order: Order, parts: AsyncIterator[Part]) -> Registered:
        part = await anext(parts, None)
        if part is None or part.name != _FACTS:
            detail = f"the first part is {_FACTS}, as JSON; {REPORT_PDF}, the scanned letter, may follow"
            raise MalformedRequestError(detail)
        sent = wire.parse(await _small(part.stream), wire.Registration)
        if sent.office not in client.tenants:
            raise UnknownResourceError(NO_SUCH)
        scan = await anext(parts, None)
        if scan is not None and scan.name != REPORT_PDF:
            raise MalformedRequestError(_NO_OTHER)
        return await register(self._env, _told(sent), None if scan is None else _last(scan, parts), order)


_NO_OTHER: Final = f"the only other part is {REPORT_PDF}, once"


async def _small(stream: Stream) -> bytes:
    raw = bytearray()
    async for chunk in stream:
        raw += chunk
        if len(raw) > limits.REQUEST_JSON_BYTES_MAX:
            message = "the registration is too large"
            raise TooLargeError(message)
    return bytes(raw)


async def _last(part: Part, parts: AsyncIterator[Part]) -> Stream:
    """The part's bytes; the body must end with it, and is read to its end."""
    async for chunk in part.stream:
        yield chunk
    if await anext(parts, None) is not None:
        raise MalformedRequestError(_NO_OTHER)


def _told(sent: wire.Registration) -> Registration:
    return Registration(
        tenant=sent.office,
        reporter=Reporter(sent.reporter),
        came_by=CameBy(sent.came_by),
        person=sent.registered_by,
        came_at=sent.came_at,
        reporter_known=sent.reporter_known,
        reference=sent.reference,
        bekymringsmelding_id=sent.bekymringsmelding_id,
        melding_id=sent.melding_id,
        reason=sent.reason or "",
    )
