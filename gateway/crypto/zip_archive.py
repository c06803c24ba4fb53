"""Reading a ZIP that nobody vouches for: step 1 of crypto-profile 3.3, and requirement S28.

One reader, so that no two can see different archives. The whole file must be accounted for: entries lie one behind the
other from octet 0, each local header says what the central directory says, the central directory follows the last entry,
and the end record with its comment ends the file. Sizes are counted while inflating; what headers say is only compared.
"""

import re
import stat
import struct
import unicodedata
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final, NoReturn

from gateway import limits
from gateway.crypto.zip_writer import (
    CENTRAL_HEADER,
    CENTRAL_SIGNATURE,
    DEFLATED,
    DESCRIPTOR_SIGNATURE,
    END_RECORD,
    END_SIGNATURE,
    FLAG_DESCRIPTOR,
    FLAG_UTF8,
    LOCAL_HEADER,
    LOCAL_SIGNATURE,
    STORED,
)
from gateway.errors import StructureError

_FLAGS_KNOWN: Final = FLAG_DESCRIPTOR | FLAG_UTF8 | 0x0006  # bits 1 and 2 tell the deflate level
_COMMENT_BYTES_MAX: Final = 0xFFFF
_ZIP64_SENTINEL: Final = 0xFFFFFFFF
# ZIP64 sizes and the Unicode path: a second set of sizes and a second name are second chances to lie, and nothing
# within our bounds needs them.
_EXTRAS_REFUSED: Final = {0x0001, 0x7075}
_UNIX: Final = 3
# Absolute, backslash, drive, dot segments, empty segments and folders, control and bidirectional characters.
_UNSAFE: Final = re.compile(
    r"^/|\\|^[A-Za-z]:|(^|/)\.{1,2}(/|$)|//|/$|^$|[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of the archive, as both headers agree on it."""

    name: str
    method: int
    flags: int
    crc: int
    compressed_bytes: int
    inflated_bytes: int
    header_offset: int
    raw_name: bytes


class ZipArchive:
    """A checked archive over a seekable file. ``entries`` stand in the order of the file.

    The constructor raises StructureError for every archive that is not plainly built, before anything is inflated.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = file.seek(0, 2)
        begin, entries = self._central_directory()
        self.entries = tuple(sorted(entries, key=lambda entry: entry.header_offset))
        _check_names(self.entries)
        _check_sizes(self.entries)
        self._data_offsets = self._check_layout(begin)

    def pieces(self, entry: Entry) -> Iterator[bytes]:
        """Inflate an entry in pieces of at most a chunk. Raises StructureError; the last piece may be the bad one.

        Never more comes out than the entry says, and what all entries say together was bounded before.
        """
        crc = inflated = 0
        for piece in self._inflate(entry) if entry.method == DEFLATED else self._sealed(entry):
            crc = zlib.crc32(piece, crc)
            inflated += len(piece)
            if inflated > entry.inflated_bytes:
                _refuse("an entry inflates to more than it says")
            yield piece
        if inflated != entry.inflated_bytes or crc != entry.crc:
            _refuse("an entry is not what its header says")

    def read(self, entry: Entry, size_max: int) -> bytes:
        """Inflate a small entry whole. Raises StructureError when it says to be larger than ``size_max``."""
        if entry.inflated_bytes > size_max:
            _refuse("an entry is larger than it may be")
        return b"".join(self.pieces(entry))

    def _inflate(self, entry: Entry) -> Iterator[bytes]:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            for sealed in self._sealed(entry):
                waiting = sealed
                while waiting and not inflater.eof:
                    if piece := inflater.decompress(waiting, limits.CHUNK_BYTES):
                        yield piece
                    waiting = inflater.unconsumed_tail
                if inflater.unused_data or (inflater.eof and waiting):
                    _refuse("octets behind the end of a deflated entry")
            while not inflater.eof and (piece := inflater.decompress(inflater.unconsumed_tail, limits.CHUNK_BYTES)):
                yield piece
        except zlib.error:
            _refuse("a deflated entry that does not inflate")
        if not inflater.eof:
            _refuse("a deflated entry without its end")

    def _sealed(self, entry: Entry) -> Iterator[bytes]:
        position = self._data_offsets[entry.name]
        end = position + entry.compressed_bytes
        while position < end:
            piece = self._at(position, min(limits.CHUNK_BYTES, end - position))
            position += len(piece)
            yield piece

    def _central_directory(self) -> tuple[int, list[Entry]]:
        end = self._end_record()
        record = END_RECORD.unpack(self._at(end, END_RECORD.size))
        _, disk, first_disk, count_here, count, size, begin, _ = record
        if disk or first_disk or count_here != count or begin + size != end:
            _refuse("an end record that does not fit the file")
        if not 1 <= count <= limits.ZIP_ENTRIES_MAX:
            _refuse("no entries, or too many")
        directory = self._at(begin, size)
        entries = []
        position = 0
        for _ in range(count):
            entry, position = _central_entry(directory, position)
            entries.append(entry)
        if position != size:
            _refuse("a central directory of another length")
        return begin, entries

    def _end_record(self) -> int:
        """Find the one end record whose comment reaches exactly to the end of the file."""
        begin = max(0, self._size - END_RECORD.size - _COMMENT_BYTES_MAX)
        tail = self._at(begin, self._size - begin)
        places = [
            found.start()
            for found in re.finditer(re.escape(END_SIGNATURE), tail)
            if found.start() + END_RECORD.size <= len(tail)
            and END_RECORD.unpack_from(tail, found.start())[-1] == len(tail) - found.start() - END_RECORD.size
        ]
        if len(places) != 1:
            _refuse("not exactly one end record, or something behind it")
        return begin + places[0]

    def _check_layout(self, directory: int) -> dict[str, int]:
        """Follow the entries from octet 0 to the directory, without a gap; give where each one's data begins."""
        data_offsets = {}
        following = [*(entry.header_offset for entry in self.entries[1:]), directory]
        if self.entries[0].header_offset != 0:
            _refuse("something before the first entry")
        for entry, after in zip(self.entries, following, strict=True):
            begin = self._check_local_header(entry, after)
            data_offsets[entry.name] = begin
            rest = after - begin - entry.compressed_bytes
            if rest != 0 and not (entry.flags & FLAG_DESCRIPTOR and rest in {12, 16}):
                _refuse("entries that overlap, or something between them")
            if entry.flags & FLAG_DESCRIPTOR:
                self._check_descriptor(entry, self._at(after - rest, rest))
        return data_offsets

    def _check_local_header(self, entry: Entry, after: int) -> int:
        offset = entry.header_offset
        if offset + LOCAL_HEADER.size > after:
            _refuse("entries that overlap")
        header = LOCAL_HEADER.unpack(self._at(offset, LOCAL_HEADER.size))
        signature, _, flags, method, _, _, *sizes, name_length, extra_length = header
        begin: int = offset + LOCAL_HEADER.size + name_length + extra_length
        if signature != LOCAL_SIGNATURE or begin > after:
            _refuse("no local header where the directory has one")
        names = self._at(offset + LOCAL_HEADER.size, name_length + extra_length)
        _check_extra(names[name_length:])
        expected = [entry.crc, entry.compressed_bytes, entry.inflated_bytes]
        unsaid = entry.flags & FLAG_DESCRIPTOR and not any(sizes)
        if (flags, method, names[:name_length]) != (entry.flags, entry.method, entry.raw_name):
            _refuse("a local header that contradicts the directory")
        if sizes != expected and not unsaid:
            _refuse("a local header with other sizes than the directory")
        return begin

    @staticmethod
    def _check_descriptor(entry: Entry, descriptor: bytes) -> None:
        expected = struct.pack("<3I", entry.crc, entry.compressed_bytes, entry.inflated_bytes)
        if descriptor not in (expected, DESCRIPTOR_SIGNATURE + expected):
            _refuse("a data descriptor that contradicts the directory")

    def _at(self, offset: int, length: int) -> bytes:
        self._file.seek(offset)
        data = self._file.read(length)
        if len(data) != length:
            _refuse("the file ends too early")
        return data


def _central_entry(directory: bytes, position: int) -> tuple[Entry, int]:
    try:
        fields = CENTRAL_HEADER.unpack_from(directory, position)
    except struct.error:
        _refuse("a central directory cut short")
    signature, made_by, _, flags, method, _, _, crc, compressed, inflated, *lengths, disk, _, external, offset = fields
    name_length, extra_length, comment_length = lengths
    begin = position + CENTRAL_HEADER.size
    after = begin + name_length + extra_length + comment_length
    if signature != CENTRAL_SIGNATURE or after > len(directory) or disk:
        _refuse("a central directory cut short, or over several disks")
    if method not in {STORED, DEFLATED} or flags & ~_FLAGS_KNOWN:
        _refuse("an encrypted or patched entry, or an unknown compression")
    if _ZIP64_SENTINEL in {compressed, inflated, offset} or (method == STORED and compressed != inflated):
        _refuse("sizes that cannot be")
    if made_by >> 8 == _UNIX and stat.S_IFMT(external >> 16) not in {0, stat.S_IFREG}:
        _refuse("a link, or another thing that is no file")
    raw_name = directory[begin : begin + name_length]
    _check_extra(directory[begin + name_length : begin + name_length + extra_length])
    return Entry(_name(raw_name, flags), method, flags, crc, compressed, inflated, offset, raw_name), after


def _check_extra(extra: bytes) -> None:
    position = 0
    while position < len(extra):
        if position + 4 > len(extra):
            _refuse("an extra field cut short")
        kind, length = struct.unpack_from("<HH", extra, position)
        if kind in _EXTRAS_REFUSED:
            _refuse("an extra field with other sizes or another name")
        position += 4 + length
    if position != len(extra):
        _refuse("an extra field cut short")


def _name(raw: bytes, flags: int) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        if flags & FLAG_UTF8:
            _refuse("a name that is not UTF-8")
        return raw.decode("cp437")


def _check_names(entries: tuple[Entry, ...]) -> None:
    for entry in entries:
        if len(entry.name) > limits.ZIP_NAME_CHARS_MAX or _UNSAFE.search(entry.name):
            _refuse("a name that may not be")
    folded = {unicodedata.normalize("NFC", unicodedata.normalize("NFC", entry.name).casefold()) for entry in entries}
    if len(folded) != len(entries):
        _refuse("two names that are one")


def _check_sizes(entries: tuple[Entry, ...]) -> None:
    inflated = sum(entry.inflated_bytes for entry in entries)
    compressed = sum(entry.compressed_bytes for entry in entries)
    pairs = [(entry.inflated_bytes, entry.compressed_bytes) for entry in entries]
    if inflated > limits.ZIP_INFLATED_BYTES_MAX:
        _refuse("more than may be inflated")
    if any(large > max(limits.ZIP_RATIO_FREE_BYTES, limits.ZIP_RATIO_MAX * small)
           for large, small in (*pairs, (inflated, compressed))):  # fmt: skip
        _refuse("compressed more than anything honest")


def _refuse(why: str) -> NoReturn:
    msg = f"zip: {why}"
    raise StructureError(msg) from None
