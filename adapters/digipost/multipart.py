"""A letter's body: the message and its documents as one multipart stream whose length and hash are known beforehand.

The hash of the whole body stands in a header, so every document is read twice: once to hash it, once to send it. Nothing
is ever held but a piece.
"""

import base64
import hashlib
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.spi import DocumentError, Stream

XML: Final = "application/vnd.digipost-v8+xml"
_MESSAGE_HEAD: Final = (
    f'Content-Disposition: attachment; filename="message"\r\nContent-Type: {XML}; charset=UTF-8\r\n\r\n'
)


@dataclass(frozen=True, slots=True)
class File:
    """A document's bytes under its uuid. ``content`` gives exactly ``size_bytes``, each time the same."""

    uuid: str
    file_type: str
    size_bytes: int
    content: Callable[[], Stream] = field(repr=False)

    @property
    def head(self) -> str:
        """Its part's headers; the type is that of the clear document, sealed or not (digipost.md 6)."""
        disposition = f'Content-Disposition: attachment; filename="{self.uuid}"'
        return f"{disposition}\r\nContent-Type: application/{self.file_type}\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Hashes:
    """SHA-256 as Base64: of the body, and of each file by its uuid."""

    body: str
    files: Mapping[str, str]


class Multipart:
    """The body. It can be streamed several times."""

    def __init__(self, message: bytes, files: Sequence[File]) -> None:
        self._message = message
        self._files = files
        self._boundary = f"budstikke-{secrets.token_hex(16)}"

    @property
    def media_type(self) -> str:
        """With the boundary."""
        return f"multipart/vnd.digipost-v8+xml; boundary={self._boundary}"

    @property
    def size_bytes(self) -> int:
        """Of the whole body."""
        heads = sum(len(self._line(one.head)) + one.size_bytes for one in self._files)
        return len(self._first()) + heads + len(self._line("", last=True))

    async def stream(self) -> AsyncIterator[bytes]:
        """Its bytes. Raises DocumentError when a document has not the size that it should."""
        async for piece, _ in self._pieces():
            yield piece

    async def hashes(self) -> Hashes:
        """Reads every document once. Raises DocumentError."""
        whole, files = hashlib.sha256(), {one.uuid: hashlib.sha256() for one in self._files}
        async for piece, uuid in self._pieces():
            whole.update(piece)
            if uuid is not None:
                files[uuid].update(piece)
        told = {uuid: base64.b64encode(one.digest()).decode() for uuid, one in files.items()}
        return Hashes(base64.b64encode(whole.digest()).decode(), told)

    async def _pieces(self) -> AsyncIterator[tuple[bytes, str | None]]:
        """Each piece, and whose content it is."""
        yield self._first(), None
        for one in self._files:
            yield self._line(one.head), None
            size = 0
            async for piece in one.content():
                size += len(piece)
                yield piece, one.uuid
            if size != one.size_bytes:
                message = "digipost: a document is not as long as it should be"
                raise DocumentError(message)
        yield self._line("", last=True), None

    def _first(self) -> bytes:
        return f"--{self._boundary}\r\n{_MESSAGE_HEAD}".encode() + self._message

    def _line(self, head: str, *, last: bool = False) -> bytes:
        return f"\r\n--{self._boundary}{'--' if last else ''}\r\n{head}".encode()
