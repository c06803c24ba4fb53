"""PUT, GET and DELETE /webhook of the case-system API."""

import orjson
from aiohttp import web
from pydantic import Field

from gateway.http import wire
from gateway.http.caps import CaseSystemCaps
from gateway.pipeline import webhooks
from gateway.pipeline.environment import Environment
from gateway.pipeline.hand_over import CaseSystemClient


class WebhookOrder(wire.Wire):
    """PUT /webhook."""

    url: str = Field(min_length=8, max_length=webhooks.URL_CHARS_MAX)
    secret: str = Field(min_length=1, max_length=120, repr=False)


class WebhookApi:
    """One method per route."""

    def __init__(self, env: Environment, caps: CaseSystemCaps) -> None:
        self._env = env
        self._orders = caps.orders

    async def put(self, request: web.Request, client: CaseSystemClient) -> web.StreamResponse:
        """Set where to ring, once the address has answered a challenge signed with the client's own secret."""
        self._orders.take(client.id)
        order = await wire.read_json(request, WebhookOrder)
        await webhooks.put(self._env, client, order.url, order.secret)
        return _json({"url": order.url})

    async def show(self, request: web.Request, client: CaseSystemClient) -> web.StreamResponse:
        """Where we ring; never the secret."""
        wire.Query(request)
        return _json({"url": await webhooks.show(self._env, client)})

    async def remove(self, request: web.Request, client: CaseSystemClient) -> web.StreamResponse:
        """Ring no more."""
        wire.Query(request)
        await webhooks.remove(self._env, client)
        return web.Response(status=204)


def _json(body: object) -> web.Response:
    return web.Response(body=orjson.dumps(body), content_type="application/json")
