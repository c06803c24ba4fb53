"""A partner's server on loopback with a switch for every way in which partners fail.

Subclass it, give ``routes`` and let each handler do what the real partner does when all is well; the faults are laid over
it. What was really taken is counted here, so that a contract can hold the adapter's word against it.
"""

import asyncio
from collections.abc import Iterable
from enum import StrEnum
from types import TracebackType
from typing import Final, Self

from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.limits import MIB

MARKER: Final = "Kari Markør Nordmann 01810112345"
"""Stands for personal data: a partner may put it in any answer, and it must not be told on."""

RETRY_AFTER_S: Final = 7
_HUGE_BYTES: Final = 64 * MIB
_CHUNK: Final = MARKER.encode() * 1500


class Fault(StrEnum):
    """What goes wrong. Until ``CLOSED_AFTER`` nothing is taken; from there on it is, and the answer is missing."""

    NONE = "none"
    CLIENT_ERROR = "client error"  # 422
    SERVER_ERROR = "server error"  # 503
    THROTTLED = "throttled"  # 429 with Retry-After
    REDIRECT = "redirect"  # 307 to the same path again
    CLOSED_BEFORE = "closed before the first byte"
    CLOSED_AFTER = "closed after the last byte"
    SILENT = "silent"
    HUGE = "huge answer"
    MALFORMED = "malformed answer"


_STATUS: Final = {Fault.CLIENT_ERROR: 422, Fault.SERVER_ERROR: 503, Fault.THROTTLED: 429, Fault.REDIRECT: 307}


class FakePartner:
    """The server. ``taken``: what it has, by key; ``requests``: how often it was called; use as a context manager."""

    def __init__(self) -> None:
        self.fault = Fault.NONE
        self.taken: dict[str, list[bytes]] = {}
        self.requests = 0
        self.acknowledged = 0
        self.answered_bytes = 0
        self.url = ""
        self._runner: web.AppRunner | None = None

    def routes(self) -> Iterable[web.RouteDef]:
        """The partner's interface as it works on a good day."""
        raise NotImplementedError

    def take(self, key: str, content: bytes) -> None:
        """The partner has it now, once more."""
        self.taken.setdefault(key, []).append(content)

    async def __aenter__(self) -> Self:
        """Listen on a free port."""
        app = web.Application(middlewares=[self._with_fault], client_max_size=256 * MIB)
        app.add_routes(self.routes())
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Listen no more: from now on connections are refused."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @web.middleware
    async def _with_fault(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.requests += 1
        match self.fault:
            case Fault.NONE:
                return await handler(request)
            case Fault.CLIENT_ERROR | Fault.SERVER_ERROR | Fault.THROTTLED | Fault.REDIRECT:
                await request.read()
                headers = {"Retry-After": str(RETRY_AFTER_S)} if self.fault is Fault.THROTTLED else {}
                headers |= {"Location": request.path} if self.fault is Fault.REDIRECT else {}
                return web.Response(status=_STATUS[self.fault], text=MARKER, headers=headers)
            case Fault.CLOSED_BEFORE:
                return self._cut(request)
            case _:
                answer = await handler(request)
                return await self._spoilt(request, answer)

    async def _spoilt(self, request: web.Request, answer: web.StreamResponse) -> web.StreamResponse:
        """It was taken; now the answer goes wrong."""
        match self.fault:
            case Fault.SILENT:
                await asyncio.Event().wait()
            case Fault.HUGE:
                return await self._huge(request, answer.status)
            case Fault.MALFORMED:
                return web.Response(status=answer.status, body=b'{"id": ["' + MARKER.encode(), content_type=_JSON)
            case _:
                pass
        return self._cut(request)

    async def _huge(self, request: web.Request, status: int) -> web.StreamResponse:
        response = web.StreamResponse(status=status, headers={"Content-Type": _JSON})
        await response.prepare(request)
        while self.answered_bytes < _HUGE_BYTES:
            await response.write(_CHUNK)
            self.answered_bytes += len(_CHUNK)
        return response

    def _cut(self, request: web.Request) -> web.StreamResponse:
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=500)  # nobody is there to read it


_JSON: Final = "application/json"
