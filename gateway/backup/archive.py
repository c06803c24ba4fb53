"""The inside of a backup: members one after the other, as tar has them (POSIX ustar; GNU's numbers above 8 GiB).

Any tar can read it once it is decrypted. Read here, a member must be a plain file under one of our own names.
"""

import hashlib
import re
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final, NoReturn

from gateway.errors import StoreError, StructureError
from gateway.limits import BACKUP_MEMBER_BYTES_MAX, CHUNK_BYTES

DATABASE: Final = "database"
DIGESTS: Final = "payloads.sha256"
MANIFEST: Final = "manifest"
PAYLOADS: Final = "payloads/"

_BLOCK: Final = 512
_END: Final = bytes(2 * _BLOCK)
_NAMES: Final = re.compile(
    rf"{DATABASE}|{re.escape(DIGESTS)}|{MANIFEST}|{PAYLOADS}[0-9]{{4}}-[0-9]{{2}}/[0-9a-f]{{2}}/[0-9a-f]{{32}}"
)


class ArchiveWriter:
    """Writes members to ``sink`` as they come, in constant memory."""

    def __init__(self, sink: Callable[[bytes], object]) -> None:
        self._sink = sink

    def add(self, name: str, source: BinaryIO, size: int) -> str:
        """Append a member of so many octets; returns its SHA-256 in hexadecimal. Raises StoreError when it is shorter."""
        header = tarfile.TarInfo(name)
        header.size = size
        header.mode = 0o600
        self._sink(header.tobuf(tarfile.GNU_FORMAT))
        digest, rest = hashlib.sha256(), size
        while rest:
            piece = source.read(min(rest, CHUNK_BYTES))
            if not piece:
                message = "a file became shorter while it was copied"
                raise StoreError(message)
            digest.update(piece)
            self._sink(piece)
            rest -= len(piece)
        self._sink(bytes(-size % _BLOCK))
        return digest.hexdigest()

    def close(self) -> None:
        """Write the end."""
        self._sink(_END)


@dataclass(frozen=True, slots=True)
class Member:
    """One member; its content must be read before the next one is asked for."""

    name: str
    size: int
    content: Iterator[bytes]


class ArchiveReader:
    """Reads members from decrypted pieces. Raises StructureError for whatever ``ArchiveWriter`` would not write."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._held = b""

    def members(self) -> Iterator[Member]:
        """Every member, to the last octet of the pieces: who seals sees that the end is its own."""
        while (block := self._exactly(_BLOCK)) != bytes(_BLOCK):
            name, size = _header(block)
            yield Member(name, size, self._content(size))
        if self._exactly(_BLOCK) != bytes(_BLOCK) or self._held or any(self._pieces):
            _refuse("something stands behind its end")

    def _content(self, size: int) -> Iterator[bytes]:
        rest = size
        while rest:
            piece = self._some(rest)
            rest -= len(piece)
            yield piece
        self._exactly(-size % _BLOCK)

    def _some(self, most: int) -> bytes:
        """At least one octet."""
        while not self._held:
            found = next(self._pieces, None)
            if found is None:
                _refuse("it is cut")
            self._held = found
        taken, self._held = self._held[:most], self._held[most:]
        return taken

    def _exactly(self, count: int) -> bytes:
        taken = bytearray()
        while len(taken) < count:
            taken += self._some(count - len(taken))
        return bytes(taken)


def _header(block: bytes) -> tuple[str, int]:
    try:
        found = tarfile.TarInfo.frombuf(block, "ascii", "strict")
    except (tarfile.TarError, ValueError):
        _refuse("a member without a header")
    if not found.isreg() or not _NAMES.fullmatch(found.name) or not 0 <= found.size <= BACKUP_MEMBER_BYTES_MAX:
        _refuse("a member that no backup has")
    return found.name, found.size


def _refuse(why: str) -> NoReturn:
    message = f"backup: {why}"
    raise StructureError(message)
