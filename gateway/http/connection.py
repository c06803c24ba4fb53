"""What aiohttp leaves open on a connection: slow heads, too many connections, and answers to what is not HTTP.

aiohttp has no time-out for a request's head, answers malformed HTTP outside the application with the request line in
the text, and shows tracebacks in debug mode (requirements S39, S40, S41). All three are settled here.
"""

import asyncio
import ssl
from types import TracebackType
from typing import Any, Final, Self

from aiohttp import http_parser, web
from aiohttp.web_protocol import RequestHandler

from gateway import limits
from gateway.errors import ConfigError

KEEPALIVE_S: Final = 75.0
_LINGER_S: Final = 5.0
_TLS_HANDSHAKE_S: Final = 10.0
_TLS_SHUTDOWN_S: Final = 5.0
_BACKLOG: Final = 512
_MALFORMED: Final = '{"type":"urn:budstikke:problem:malformed","title":"Bad Request","status":400,"code":"malformed"}'
_FAILED: Final = (
    '{"type":"urn:budstikke:problem:internal","title":"Internal Server Error","status":500,"code":"internal"}'
)
_BAD_REQUEST: Final = 400
_SERVER_ERROR: Final = 500

SECURITY_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Strict-Transport-Security": "max-age=31536000",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""On every answer, whatever its status (security.md 7)."""


class _FixedAnswer(web.Response):
    """An answer given outside the application: fixed text, our headers, no ``Server``; the connection ends."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(status=status, text=text, content_type="application/problem+json", headers=SECURITY_HEADERS)
        self.force_close()

    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        self.headers.popall("Server", None)


class Connection(RequestHandler):
    """One connection: its request heads must be complete in time, and what is malformed gets a fixed text."""

    __slots__ = ("_head_timer",)

    def __init__(self, manager: web.Server, *, loop: asyncio.AbstractEventLoop, **settings: Any) -> None:
        super().__init__(manager, loop=loop, **settings)
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Refuse above the bound; the first head's time begins now."""
        super().connection_made(transport)
        assert self._manager is not None  # noqa: S101  set by the line above
        if len(self._manager.connections) > limits.CONNECTIONS_MAX:
            self.force_close()
            return
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """The first byte between two requests begins the next head's time."""
        super().data_received(data)
        if self._head_timer is None and not self._messages and not self._request_in_progress:
            self._expect_head()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Drop the timer with the connection."""
        self.head_complete()
        super().connection_lost(exc)

    def head_complete(self) -> None:
        """A request begins."""
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _expect_head(self) -> None:
        self._head_timer = self._loop.call_later(limits.HEAD_S_MAX, self._head_late)

    def _head_late(self) -> None:
        self._head_timer = None
        if not self._request_in_progress and not self._messages and self.transport is not None:
            self.transport.abort()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = _SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer without echo, cause or version, whatever mode the process runs in."""
        del exc, message
        if request.writer.output_size > 0:
            reason = "the answer had begun"
            raise ConnectionError(reason)
        if status >= _SERVER_ERROR:
            return _FixedAnswer(_SERVER_ERROR, _FAILED)
        return _FixedAnswer(_BAD_REQUEST, _MALFORMED)


class EdgeServer(web.Server):
    """Makes our connections, and lets only requests for a path through to the application."""

    def __init__(self, inner: web.Server, **settings: Any) -> None:
        super().__init__(self._screened, request_factory=self._begin)
        self._inner = inner
        self._settings = settings

    def __call__(self) -> RequestHandler:
        """A connection of ours."""
        return Connection(self, loop=self._loop, **self._settings)

    def _begin(self, message: Any, payload: Any, protocol: RequestHandler, writer: Any, task: Any) -> web.BaseRequest:
        if isinstance(protocol, Connection):
            protocol.head_complete()
        return self._inner.request_factory(message, payload, protocol, writer, task)

    async def _screened(self, request: web.BaseRequest) -> web.StreamResponse:
        """CONNECT, ``*`` and whole addresses never meet the router, which would answer an Expect of theirs (S37, S38)."""
        if request.raw_path.startswith("/") and request.path.startswith("/"):
            return await self._inner.request_handler(request)
        return _FixedAnswer(_BAD_REQUEST, _MALFORMED)


class _Runner(web.AppRunner):
    """Puts our server where aiohttp's would be."""

    async def _make_server(self) -> web.Server:
        return EdgeServer(await super()._make_server(), **self._kwargs)


class Listening:
    """An open listener. Use as an async context manager; ``port`` is the one given by the system for port 0.

    ``shared``: other processes of ours listen on the same port, and the system deals out connections.
    """

    def __init__(
        self, app: web.Application, host: str, port: int, tls: ssl.SSLContext | None, *, shared: bool = False
    ) -> None:
        self._host, self.port, self._tls, self._shared = host, port, tls, shared
        self._runner = _Runner(
            app,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=KEEPALIVE_S,
            lingering_time=_LINGER_S,
            shutdown_timeout=limits.SHUTDOWN_S,
        )
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        """Bind and listen. Raises ConfigError when aiohttp's C parser is missing, OSError when the port is taken."""
        require_c_parser()
        await self._runner.setup()
        server = self._runner.server
        assert server is not None  # noqa: S101  made by setup
        self._server = await asyncio.get_running_loop().create_server(
            server,
            self._host,
            self.port,
            ssl=self._tls,
            backlog=_BACKLOG,
            reuse_port=self._shared,
            ssl_handshake_timeout=_TLS_HANDSHAKE_S if self._tls else None,
            ssl_shutdown_timeout=_TLS_SHUTDOWN_S if self._tls else None,
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening, let requests in work end within bounds, then cut."""
        if self._server is not None:
            self._server.close()
        await self._runner.cleanup()


def require_c_parser() -> None:
    """Raises ConfigError unless aiohttp parses with its C parser: the Python one had most smuggling faults (S37)."""
    if http_parser.HttpRequestParser.__module__ != "aiohttp._http_parser":
        message = "aiohttp's C parser is missing or switched off (AIOHTTP_NO_EXTENSIONS)"
        raise ConfigError(message)
