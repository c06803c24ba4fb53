"""One document out to a case system: streamed, one range allowed, as an attachment that runs nothing (S35, S42)."""

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Final

from aiohttp import web

from gateway import limits
from gateway.errors import MalformedRequestError
from gateway.http.header_values import attachment, media_type
from gateway.pipeline.hand_over import DocumentBytes

_RANGE: Final = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})")


async def serve(request: web.Request, document: DocumentBytes, charge: Callable[[int], None]) -> web.StreamResponse:
    """Send the document or the range of it that was asked for, and close it.

    ``charge`` is told the octets before the first of them leaves: a client that cuts the line, or asks again before
    we have noticed that all is sent, has had them all the same. Raises MalformedRequestError (416) for a range
    outside the document. A client that takes nothing for a minute is cut.
    """
    with closing(document.reader):
        start, stop = _asked(request.headers.get("Range"), document.size)
        charge(stop - start)
        response = _begun(document, start, stop)
        await response.prepare(request)
        pieces = document.pieces(start, stop)
        while piece := await asyncio.to_thread(_next, pieces):
            await _write(request, response, piece)
    await response.write_eof()
    return response


def _begun(document: DocumentBytes, start: int, stop: int) -> web.StreamResponse:
    headers = {
        "Content-Type": media_type(document.media_type),
        "Content-Disposition": attachment(document.name),
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Accept-Ranges": "bytes",
    }
    whole = (start, stop) == (0, document.size)
    if not whole:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{document.size}"
    response = web.StreamResponse(status=200 if whole else 206, headers=headers)
    response.content_length = stop - start
    return response


def _next(pieces: Iterator[bytes]) -> bytes:
    return next(pieces, b"")


async def _write(request: web.Request, response: web.StreamResponse, piece: bytes) -> None:
    try:
        async with asyncio.timeout(limits.STALL_S_MAX):
            await response.write(piece)
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
        message = "the reader took nothing"
        raise ConnectionError(message) from None


def _asked(header: str | None, size: int) -> tuple[int, int]:
    """Start and end (exclusive) of what to send. What is not one plain range is ignored (RFC 9110, 14.2)."""
    found = _RANGE.fullmatch(header or "")
    if found is None or found[0] == "bytes=-":
        return 0, size
    if not found[1]:
        start, stop = max(0, size - int(found[2])), size
    else:
        start, stop = int(found[1]), min(int(found[2]) + 1 if found[2] else size, size)
        if found[2] and int(found[2]) < start:
            return 0, size
    if start >= stop:
        message = "The range asked for is outside the document."
        raise MalformedRequestError(message, code="range-not-satisfiable")
    return start, stop
