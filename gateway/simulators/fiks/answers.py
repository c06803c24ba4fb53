"""Refusals in the shape of KS's REST services (fiks.md 1.1)."""

import time
import uuid
from http import HTTPStatus
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.errors import (
    ConflictError,
    ContentError,
    ForbiddenError,
    MalformedRequestError,
    PartnerUnavailableError,
    RequestError,
    ThrottledError,
    TooLargeError,
    UnauthenticatedError,
    UnknownResourceError,
)

_STATUSES: Final[dict[type[Exception], HTTPStatus]] = {
    MalformedRequestError: HTTPStatus.BAD_REQUEST,
    UnauthenticatedError: HTTPStatus.UNAUTHORIZED,
    ForbiddenError: HTTPStatus.FORBIDDEN,
    UnknownResourceError: HTTPStatus.NOT_FOUND,
    ConflictError: HTTPStatus.CONFLICT,
    ThrottledError: HTTPStatus.TOO_MANY_REQUESTS,
    TooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    PartnerUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
}


@web.middleware
async def refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every refusal of a handler, and of the router, with KS's error body."""
    try:
        return await handler(request)
    except (RequestError, ContentError, PartnerUnavailableError) as error:
        status = next((found for kind, found in _STATUSES.items() if isinstance(error, kind)), HTTPStatus.BAD_REQUEST)
        return refusal(request, status, str(error))
    except web.HTTPException as error:
        if error.status < HTTPStatus.BAD_REQUEST:
            raise
        return refusal(request, HTTPStatus(error.status), error.reason)


def refusal(request: web.Request, status: HTTPStatus, text: str) -> web.Response:
    """One refusal. ``errorId`` is what an operator quotes to KS."""
    body = {
        "timestamp": time.time_ns() // 1_000_000,
        "status": status.value,
        "error": status.phrase,
        "errorId": str(uuid.uuid4()),
        "path": request.path,
        "message": text,
    }
    return web.json_response(body, status=status.value)
