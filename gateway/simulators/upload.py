"""The body of an upload to KS's producer API (fiks.md 10 step 6), octet by octet.

Made here and not by a library, so that a second try has the very same bytes and a test can cut it where it likes.
"""

from collections.abc import AsyncIterator
from typing import Final

from gateway.simulators.sample import PDF_NAME
from gateway.simulators.seal import Sealed

PRINT_PART: Final = "bekymringsmelding"
CONTAINER_PART: Final = "asice"
CONTAINER_NAME: Final = "asice.zip"
_PIECE_BYTES: Final = 64 * 1024


def content_type(klient_id: str) -> str:
    """The header that goes with ``multipart`` of the same report."""
    return f"multipart/form-data; boundary={_boundary(klient_id)}"


def multipart(sealed: Sealed, klient_id: str) -> bytes:
    """The print part, then the container. KS's client leaves their type to its library; ours is octet-stream."""
    out = bytearray()
    for name, filename, content in (
        (PRINT_PART, PDF_NAME, sealed.print_part),
        (CONTAINER_PART, CONTAINER_NAME, sealed.container),
    ):
        out += f"--{_boundary(klient_id)}\r\n".encode()
        out += f'Content-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'.encode()
        out += b"Content-Type: application/octet-stream\r\n\r\n" + content + b"\r\n"
    return bytes(out + f"--{_boundary(klient_id)}--\r\n".encode())


async def pieces(body: bytes, *, cut: bool) -> AsyncIterator[bytes]:
    """The body as it is sent; cut, it breaks off in the middle."""
    end = len(body) // 2 if cut else len(body)
    for start in range(0, end, _PIECE_BYTES):
        yield body[start : min(start + _PIECE_BYTES, end)]
    if cut:
        message = "cut on purpose"
        raise ConnectionAbortedError(message)


def _boundary(klient_id: str) -> str:
    """Fixed for a report."""
    return f"budstikke-{klient_id}"
