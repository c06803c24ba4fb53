"""One function that makes an application out of routes: every listener is built by it.

Order of what wraps a handler, outermost first: access line and request id; errors to problem documents; screening of
host, expectation and content coding. Security headers are put on in ``on_response_prepare``, so
that no answer of the application lacks them.
"""

import time
import uuid
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.errors import GatewayError, MalformedRequestError, UnknownResourceError, UnsupportedMediaError
from gateway.http.connection import SECURITY_HEADERS
from gateway.http.problems import PROBLEM_JSON, Problem
from gateway.spi import Clock

METHODS: Final = frozenset({"GET", "POST", "PUT", "DELETE"})
"""What any listener answers; everything else, TRACE and HEAD too, is refused."""

_BEGUN: Final = web.RequestKey("begun", bool)
_ID: Final = web.RequestKey("id", str)
_CACHEABLE: Final = "max-age=3600"


@dataclass(frozen=True, slots=True)
class HttpRoute:
    """One method on one path template. ``cacheable`` is for public catalogues alone."""

    method: str
    path: str
    handler: Handler
    cacheable: bool = False


@dataclass(frozen=True, slots=True)
class Listener:
    """What an application needs beside its routes.

    ``hosts`` are the names it answers to, lower case, without port; empty: any (behind a proxy that checks).
    ``error_media_type`` is ``application/json`` on KS's producer API, ``application/problem+json`` elsewhere.
    """

    clock: Clock
    log: structlog.stdlib.BoundLogger
    hosts: frozenset[str] = frozenset()
    error_media_type: str = PROBLEM_JSON


def application(routes: Iterable[HttpRoute], listener: Listener) -> web.Application:
    """The application of one listener."""
    app = web.Application(middlewares=[_observe(listener), _problems(listener), _screen(listener)])
    by_path: dict[str, list[HttpRoute]] = defaultdict(list)
    for route in routes:
        by_path[route.path].append(route)
    cacheable = set()
    for path, group in by_path.items():
        resource = app.router.add_resource(path)
        for route in group:
            resource.add_route(route.method, route.handler, expect_handler=_later)
            if route.cacheable:
                cacheable.add((route.method, resource.canonical))
        resource.add_route("*", _other_method, expect_handler=_later)
    app.router.add_route("*", "/{unknown:.*}", _unknown, expect_handler=_later)
    app.on_response_prepare.append(_headers(frozenset(cacheable)))
    return app


def route_of(request: web.Request) -> str:
    """The template of the path: for logs, metrics and answers, in place of the path itself."""
    resource = request.match_info.route.resource
    canonical = resource.canonical if resource is not None else ""
    return "unmatched" if canonical in {"", "/{unknown}"} else canonical


async def _later(_: web.Request) -> None:
    """Send no 100 here: ``body.Body`` sends it when the first byte of a body that we want is read (S38)."""


async def _unknown(_: web.Request) -> web.StreamResponse:
    message = "There is nothing at this address. See the description of the interface."
    raise UnknownResourceError(message)


async def _other_method(_: web.Request) -> web.StreamResponse:
    message = "This address does not take that method."
    raise MalformedRequestError(message, code="method-not-allowed")


def _observe(listener: Listener) -> Middleware:
    @web.middleware
    async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[_ID] = str(uuid.uuid4())
        begin = time.perf_counter()
        status = 0  # stays when the client went away
        try:
            response = await handler(request)
            status = response.status
            return response
        finally:
            listener.log.info(
                "http.request",
                request_id=request[_ID],
                method=request.method if request.method in METHODS else "other",
                route=route_of(request),
                status=status,
                duration_ms=round((time.perf_counter() - begin) * 1000, 1),
            )

    return observe


def _problems(listener: Listener) -> Middleware:
    @web.middleware
    async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except Exception as error:
            problem = Problem.of(error)
            if problem.code == GatewayError.code:
                listener.log.exception("http.failed", error_id=problem.error_id)  # the log drops its text
            if request.get(_BEGUN):  # cut the answer under way, so that nobody takes it for whole
                reason = "the answer had begun"
                raise ConnectionError(reason) from error
            answer = problem.response(
                media_type=listener.error_media_type, route=route_of(request), now=listener.clock.now()
            )
            if not request.content.is_eof():  # its body is not wanted: no next request on this connection
                answer.force_close()
            return answer

    return problems


def _screen(listener: Listener) -> Middleware:
    @web.middleware
    async def screen(request: web.Request, handler: Handler) -> web.StreamResponse:
        if listener.hosts and _host(request) not in listener.hosts:
            message = "This server does not answer to the name in the Host header."
            raise MalformedRequestError(message, code="unknown-host")
        if request.headers.get("Expect", "100-continue").lower() != "100-continue":
            message = "The only expectation that can be met is 100-continue."
            raise MalformedRequestError(message, code="expectation-failed")
        if "Content-Encoding" in request.headers:
            message = "Send the body as it is, without Content-Encoding."
            raise UnsupportedMediaError(message)
        return await handler(request)

    return screen


def _host(request: web.Request) -> str:
    """The name in the one Host header, without port; empty when there is none or more than one."""
    names = request.headers.getall("Host", [])
    if len(names) != 1:
        return ""
    name, colon, port = names[0].rpartition(":")
    return (name if colon and port.isdigit() else names[0]).lower()


def _headers(cacheable: frozenset[tuple[str, str]]) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    async def prepare(request: web.Request, response: web.StreamResponse) -> None:
        request[_BEGUN] = True
        response.headers.update(SECURITY_HEADERS)
        response.headers["X-Request-Id"] = request[_ID]
        response.headers.popall("Server", None)
        if (request.method, route_of(request)) in cacheable and response.status == HTTPStatus.OK:
            response.headers["Cache-Control"] = _CACHEABLE

    return prepare
