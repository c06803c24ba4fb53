"""Writing a ZIP as a stream (PKWARE APPNOTE 6.3), as containers need it; no entry is ever held.

``zipfile`` is not used: on an output that cannot be rewound it stores entries with a data descriptor, and Java's
ZipInputStream refuses those ("only DEFLATED entries can have EXT descriptor"). Here an entry whose content is known
beforehand is stored with its size in front; all others are deflated, those that do not shrink at level 0.
"""

import struct
import zlib
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

from gateway import limits
from gateway.errors import TooLargeError

LOCAL_HEADER: Final = struct.Struct("<4s5H3I2H")
CENTRAL_HEADER: Final = struct.Struct("<4s6H3I5H2I")
END_RECORD: Final = struct.Struct("<4s4H2IH")
LOCAL_SIGNATURE: Final = b"PK\x03\x04"
CENTRAL_SIGNATURE: Final = b"PK\x01\x02"
END_SIGNATURE: Final = b"PK\x05\x06"
DESCRIPTOR_SIGNATURE: Final = b"PK\x07\x08"
STORED: Final = 0
DEFLATED: Final = 8
FLAG_DESCRIPTOR: Final = 0x0008
FLAG_UTF8: Final = 0x0800
_VERSION: Final = 20


class ZipWriter:
    """Writes entries one after the other to ``sink``. Raises TooLargeError where ZIP64 would be needed."""

    def __init__(self, sink: Callable[[bytes], object], at: datetime) -> None:
        self._sink = sink
        self._time = at.hour << 11 | at.minute << 5 | at.second // 2
        self._date = (at.year - 1980) << 9 | at.month << 5 | at.day
        self._offset = 0
        self._central: list[bytes] = []

    def store(self, name: str, content: bytes) -> None:
        """Write an entry that is known whole, uncompressed."""
        crc, size = zlib.crc32(content), len(content)
        begin = self._offset
        self._local(name, STORED, 0, crc, size)
        self._put(content)
        self._note(name, STORED, 0, (crc, size, size), begin)

    def deflate(self, name: str, chunks: Iterable[bytes], level: int) -> None:
        """Write an entry as it comes; level 0 wraps without compressing."""
        begin = self._offset
        self._local(name, DEFLATED, FLAG_DESCRIPTOR, 0, 0)
        start = self._offset
        deflater = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
        crc = size = 0
        for chunk in chunks:
            crc = zlib.crc32(chunk, crc)
            size += len(chunk)
            if size > limits.ZIP_INFLATED_BYTES_MAX:
                msg = "a document is larger than a container may hold"
                raise TooLargeError(msg)
            self._put(deflater.compress(chunk))
        self._put(deflater.flush())
        sizes = (crc, self._offset - start, size)
        self._put(DESCRIPTOR_SIGNATURE + struct.pack("<3I", *sizes))
        self._note(name, DEFLATED, FLAG_DESCRIPTOR, sizes, begin)

    def close(self, comment: bytes = b"") -> None:
        """Write the central directory and the end record."""
        start, count = self._offset, len(self._central)
        for header in self._central:
            self._put(header)
        size = self._offset - start
        self._put(END_RECORD.pack(END_SIGNATURE, 0, 0, count, count, size, start, len(comment)) + comment)

    def _local(self, name: str, method: int, flags: int, crc: int, size: int) -> None:
        encoded = name.encode()
        header = LOCAL_HEADER.pack(
            LOCAL_SIGNATURE, _VERSION, flags | FLAG_UTF8, method, self._time, self._date, crc, size, size,
            len(encoded), 0,
        )  # fmt: skip
        self._put(header + encoded)

    def _note(self, name: str, method: int, flags: int, sizes: tuple[int, int, int], begin: int) -> None:
        encoded = name.encode()
        header = CENTRAL_HEADER.pack(
            CENTRAL_SIGNATURE, _VERSION, _VERSION, flags | FLAG_UTF8, method, self._time, self._date, *sizes,
            len(encoded), 0, 0, 0, 0, 0, begin,
        )  # fmt: skip
        self._central.append(header + encoded)

    def _put(self, data: bytes) -> None:
        if data:
            self._offset += len(data)
            if self._offset > limits.ZIP_INFLATED_BYTES_MAX:
                msg = "a container of this size would need ZIP64"
                raise TooLargeError(msg)
            self._sink(data)
