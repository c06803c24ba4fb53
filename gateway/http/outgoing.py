"""The case system's way out: hand in a message to be sent, take it back while it is still here."""

import re
from typing import Final

import orjson
from aiohttp import web
from pydantic import Field

from gateway import limits
from gateway.domain.identifiers import is_uuid
from gateway.errors import MalformedRequestError, UnknownResourceError
from gateway.http import wire
from gateway.http.body import Body
from gateway.http.caps import CaseSystemCaps
from gateway.http.multipart import MultipartReader, boundary_of
from gateway.http.server import route_of
from gateway.pipeline.environment import Environment
from gateway.pipeline.hand_over import NO_SUCH, CaseSystemClient
from gateway.pipeline.submit import submit
from gateway.pipeline.withdraw import withdraw

_KEY: Final = re.compile(rf"[!-~]{{1,{limits.IDEMPOTENCY_KEY_CHARS_MAX}}}")


class Withdrawal(wire.Wire):
    """POST /messages/{id}/withdraw. ``reason`` is kept sealed; the journal has a commitment."""

    reason: str = Field(min_length=1, max_length=1000)


def idempotency_key(request: web.Request) -> str:
    """The request's key, which is needed. Raises MalformedRequestError."""
    keys = request.headers.getall("Idempotency-Key", [])
    if len(keys) != 1 or _KEY.fullmatch(keys[0]) is None:
        message = f"Send one Idempotency-Key of 1 to {limits.IDEMPOTENCY_KEY_CHARS_MAX} visible ASCII characters."
        raise MalformedRequestError(message)
    return keys[0]


class OutgoingApi:
    """One method per route."""

    def __init__(self, env: Environment, caps: CaseSystemCaps) -> None:
        self._env = env
        self._uploads = caps.uploads

    async def submit(self, request: web.Request, client: CaseSystemClient) -> web.StreamResponse:
        """POST /messages: 202 with its id once it is stored. The same request again gets the same answer."""
        wire.Query(request)
        key = idempotency_key(request)
        boundary = boundary_of(request.headers.get("Content-Type", ""))
        intake = self._env.settings.intake
        body = Body(request, bytes_max=intake.body_bytes_max, idle_s=intake.idle_s_max)
        body.require_fitting()
        with self._uploads.charge(client.id, body):
            message_id = await submit(self._env, client, key, MultipartReader(body, boundary).parts())
        return web.Response(
            status=202,
            body=orjson.dumps({"id": message_id}),
            headers={"Location": f"{route_of(request)}/{message_id}"},
            content_type="application/json",
        )

    async def withdraw(self, request: web.Request, client: CaseSystemClient) -> web.StreamResponse:
        """POST /messages/{id}/withdraw: it is not sent."""
        wire.Query(request)
        message_id = request.match_info["id"]
        if not is_uuid(message_id):
            raise UnknownResourceError(NO_SUCH)
        order = await wire.read_json(request, Withdrawal)
        await withdraw(self._env, client, message_id, order.reason)
        return web.Response(status=204)
