"""A request body as a bounded stream: bytes, idle time and rate are counted here, and 100-continue is sent here.

Nothing is read, and no ``100 Continue`` sent, before a handler asks for the first bytes: by then the caller is
authenticated, has the right, and is admitted (requirement S38).
"""

import asyncio
from typing import Final

from aiohttp import ClientError, HttpVersion11, web
from aiohttp.http import HttpProcessingError

from gateway import limits
from gateway.errors import MalformedRequestError, TooLargeError

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Body:
    """The bytes of one request, at most ``bytes_max`` of them, never idle for longer than ``idle_s`` seconds."""

    def __init__(self, request: web.Request, *, bytes_max: int, idle_s: float) -> None:
        self._request = request
        self._bytes_max = bytes_max
        self._idle_s = idle_s
        self._begun = False
        self._waited_s = 0.0
        self.read_bytes = 0
        self.announced = request.content_length or 0

    def require_fitting(self) -> None:
        """Judge the announced length. Raises TooLargeError before a byte is read."""
        if self.announced > self._bytes_max:
            raise self._too_large()

    async def read(self) -> bytes:
        """Some bytes; empty at the end.

        Raises TooLargeError above the bound and MalformedRequestError when the body is cut off or too slow.
        """
        if not self._begun:
            await self._begin()
        clock = asyncio.get_running_loop().time
        waiting_since = clock()
        try:
            async with asyncio.timeout(self._idle_s):
                chunk = await self._request.content.readany()
        except TimeoutError:
            raise _too_slow() from None
        except (OSError, ClientError, HttpProcessingError, web.RequestPayloadError) as error:
            raise _cut() from error
        except RuntimeError as error:  # aiohttp's word for reading after the connection went
            raise _cut() from error
        self._waited_s += clock() - waiting_since
        self.read_bytes += len(chunk)
        if self.read_bytes > self._bytes_max:
            raise self._too_large()
        if chunk and self._waited_s > self._idle_s and self.read_bytes < self._waited_s * limits.BODY_RATE_MIN:
            raise _too_slow()
        return chunk

    async def read_all(self) -> bytes:
        """The whole body, for small ones. Raises as ``read``."""
        self.require_fitting()
        whole = bytearray()
        while chunk := await self.read():
            whole += chunk
        return bytes(whole)

    async def _begin(self) -> None:
        self._begun = True
        if "Expect" in self._request.headers and self._request.version >= HttpVersion11:
            try:
                await self._request.writer.write(_CONTINUE)
            except OSError as error:
                raise _cut() from error
            self._request.writer.output_size = 0  # the answer itself has not begun

    def _too_large(self) -> TooLargeError:
        message = f"the body is larger than {self._bytes_max} bytes"
        return TooLargeError(message)


def _too_slow() -> MalformedRequestError:
    message = "The body came too slowly. Send it again without pauses."
    return MalformedRequestError(message, code="too-slow")


def _cut() -> MalformedRequestError:
    message = "The body ended before it was whole. Send it again."
    return MalformedRequestError(message)
