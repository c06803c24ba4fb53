"""Serving a simulator's routes on this machine for as long as a block lasts."""

import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.typedefs import Middleware

from gateway import limits


@asynccontextmanager
async def serving(
    routes: Iterable[web.RouteDef],
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    body_bytes_max: int = limits.MIB,
    tls: ssl.SSLContext | None = None,
    middlewares: Iterable[Middleware] = (),
) -> AsyncIterator[str]:
    """Answer on ``host``; yields the base address. Port 0 takes a free one."""
    application = web.Application(client_max_size=body_bytes_max, middlewares=middlewares)
    application.add_routes(routes)
    runner = web.AppRunner(application, access_log=None)  # an access log would hold ids of messages
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, ssl_context=tls).start()
        yield f"{'https' if tls else 'http'}://{host}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
