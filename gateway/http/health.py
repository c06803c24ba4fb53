"""The operations listener: is the process alive, is it ready, what does it count.

A bearer token from the configuration is needed where one is configured, and always in production (requirement S76).
"""

from collections.abc import Awaitable, Callable, Mapping

import orjson
from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from gateway.crypto.secrets import same_secret
from gateway.errors import ConfigError, GatewayError, UnauthenticatedError
from gateway.http.facade import bearer_token
from gateway.http.server import HttpRoute

Checks = Mapping[str, Callable[[], Awaitable[bool]]]
"""What must be true to be ready, by name: the store answers, the disk has room, the workers run."""

_REFUSAL = "Send the operations token."


def operations_routes(
    checks: Checks, registry: CollectorRegistry, *, token: str | None, production: bool
) -> list[HttpRoute]:
    """The routes of the operations listener. Raises ConfigError for production without a token."""
    if production and not token:
        message = "operations_token: production needs one"
        raise ConfigError(message)

    def authenticate(request: web.Request) -> None:
        given = bearer_token(request).encode("utf-8", "surrogateescape")
        if token and not same_secret(given, token.encode()):
            raise UnauthenticatedError(_REFUSAL)

    async def live(request: web.Request) -> web.StreamResponse:
        authenticate(request)
        return _json({"live": True}, 200)

    async def ready(request: web.Request) -> web.StreamResponse:
        authenticate(request)
        results = {name: await _holds(check) for name, check in checks.items()}
        whole = all(results.values())
        return _json({"ready": whole, "checks": results}, 200 if whole else 503)

    async def metrics(request: web.Request) -> web.StreamResponse:
        authenticate(request)
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return [
        HttpRoute("GET", "/health/live", live),
        HttpRoute("GET", "/health/ready", ready),
        HttpRoute("GET", "/metrics", metrics),
    ]


async def _holds(check: Callable[[], Awaitable[bool]]) -> bool:
    try:
        return await check()
    except (GatewayError, OSError):
        return False


def _json(body: object, status: int) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json")
