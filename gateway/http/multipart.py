"""A strict streaming reader of multipart/form-data (RFC 7578) in constant memory.

Ours and not aiohttp's: that one hands out nested readers, guesses at headers, decodes by them, and ends a cut body in
ValueError (requirement S30). Taken are parts in any order with any or no file name and content type; file names are
never looked at (S29). Refused are nested multiparts, coded parts, folded or repeated part headers, bare line feeds, a
missing end, too many parts and large part headers.
"""

import re
from collections.abc import AsyncIterator
from typing import Final, NoReturn

from gateway import limits
from gateway.errors import MalformedRequestError, UnsupportedMediaError
from gateway.http.body import Body
from gateway.spi import Part

_BOUNDARY: Final = re.compile(r"[A-Za-z0-9'()+_,./:=? -]{0,69}[A-Za-z0-9'()+_,./:=?-]")
_RFC9110_NAME: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER: Final = re.compile(rf';[ \t]*({_RFC9110_NAME})=("(?:[^"\\]|\\.)*"|{_RFC9110_NAME})[ \t]*')
_HEADER_NAME: Final = re.compile(_RFC9110_NAME)
_PLAIN_CODINGS: Final = frozenset({"binary", "8bit", "7bit", "identity"})
_CRLF: Final = b"\r\n"


def boundary_of(content_type: str) -> bytes:
    """The boundary of a ``multipart/form-data`` content type.

    Raises UnsupportedMediaError for another type, MalformedRequestError without a usable boundary.
    """
    kind, _, _ = content_type.partition(";")
    if kind.strip().lower() != "multipart/form-data":
        message = "Send the body as multipart/form-data."
        raise UnsupportedMediaError(message)
    boundary = _parameters(content_type[len(kind) :].rstrip()).get("boundary", "")
    if _BOUNDARY.fullmatch(boundary) is None:
        _refuse("The Content-Type has no usable boundary.")
    return boundary.encode("ascii")


class MultipartReader:
    """Reads the parts of one body, each to its end before the next."""

    def __init__(self, body: Body, boundary: bytes) -> None:
        self._body = body
        self._delimiter = _CRLF + b"--" + boundary
        self._buffer = bytearray(_CRLF)  # so that the first delimiter looks like every other
        self._in_part = False

    async def parts(self) -> AsyncIterator[Part]:
        """Every part in its order, then the end of the whole body is awaited.

        Raises MalformedRequestError or TooLargeError.
        """
        self._in_part = True
        await self._skip(bytes_max=limits.PART_HEADER_BYTES_MAX)  # what stands before the first part
        count = 0
        while not await self._at_close():
            count += 1
            if count > limits.PARTS_MAX:
                _refuse(f"The body has more than {limits.PARTS_MAX} parts.")
            name = _part_name(await self._headers())
            self._in_part = True
            yield Part(name, self._content())
            await self._skip()
        while await self._body.read():
            pass

    async def _content(self) -> AsyncIterator[bytes]:
        """The part's bytes up to the next delimiter, which is taken off the buffer."""
        keep = len(self._delimiter) - 1
        while self._in_part:
            at = self._buffer.find(self._delimiter)
            end = at if at >= 0 else max(0, len(self._buffer) - keep)
            chunk = bytes(self._buffer[:end])
            if at >= 0:
                del self._buffer[: end + len(self._delimiter)]
                self._in_part = False
            else:
                del self._buffer[:end]
            if chunk:
                yield chunk
            if at < 0:
                await self._fill()

    async def _skip(self, bytes_max: int | None = None) -> None:
        skipped = 0
        async for chunk in self._content():
            skipped += len(chunk)
            if bytes_max is not None and skipped > bytes_max:
                _refuse("The body does not begin with its boundary.")

    async def _at_close(self) -> bool:
        while len(self._buffer) < len(b"--"):
            await self._fill()
        return self._buffer.startswith(b"--")

    async def _headers(self) -> dict[str, str]:
        """The part's headers, names in lower case. The delimiter's own line ends first."""
        while (end := self._buffer.find(_CRLF + _CRLF, 0, limits.PART_HEADER_BYTES_MAX)) < 0:
            if len(self._buffer) >= limits.PART_HEADER_BYTES_MAX:
                _refuse(f"A part's headers are larger than {limits.PART_HEADER_BYTES_MAX} bytes.")
            await self._fill()
        padding, *lines = bytes(self._buffer[:end]).split(_CRLF)
        del self._buffer[: end + len(_CRLF + _CRLF)]
        if padding.strip(b" \t"):
            _refuse("A boundary is followed by other text.")
        headers: dict[str, str] = {}
        for line in lines:
            name, value = _header(line)
            if name in headers:
                _refuse("A part's header is repeated.")
            headers[name] = value
        return headers

    async def _fill(self) -> None:
        chunk = await self._body.read()
        if not chunk:
            _refuse("The body ended before its closing boundary. Send it again.")
        self._buffer += chunk


def _header(line: bytes) -> tuple[str, str]:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        _refuse("A part's header is not UTF-8.")
    name, colon, value = text.partition(":")
    if not colon or _HEADER_NAME.fullmatch(name) is None or not value.replace("\t", " ").isprintable():
        _refuse("A part's header is malformed.")
    return name.lower(), value.strip()


def _part_name(headers: dict[str, str]) -> str:
    """The part's name, once all that could change its bytes is refused."""
    if headers.get("content-type", "").lower().startswith("multipart/"):
        _refuse("A part may not be a multipart itself.")
    for coding in ("content-transfer-encoding", "content-encoding"):
        if headers.get(coding, "binary").lower() not in _PLAIN_CODINGS:
            _refuse("Send the bytes of each part as they are, without an encoding.")
    disposition = headers.get("content-disposition", "")
    kind, semicolon, rest = disposition.partition(";")
    name = _parameters(semicolon + rest).get("name", "")
    if kind.strip().lower() != "form-data" or not 0 < len(name) <= limits.PART_NAME_CHARS_MAX:
        _refuse('Each part needs the header Content-Disposition: form-data; name="...".')
    return name


def _parameters(text: str) -> dict[str, str]:
    """``;name=value`` pairs, each name once, quotes taken off."""
    values: dict[str, str] = {}
    at = 0
    while at < len(text):
        found = _PARAMETER.match(text, at)
        if found is None:
            _refuse("A header's parameters are malformed.")
        name, value = found[1].lower(), found[2]
        if name in values:
            _refuse("A header's parameter is repeated.")
        values[name] = re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
        at = found.end()
    return values


def _refuse(detail: str) -> NoReturn:
    raise MalformedRequestError(detail)
