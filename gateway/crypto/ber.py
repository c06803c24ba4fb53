"""BER and DER: writing the few values we emit, and reading what is small enough to hold.

``Element`` is one value in memory, as sent: its octets are never re-encoded. Lengths may be definite or, on constructed
values, indefinite. Large values are read by ``ber_stream``. Tags above 30 do not occur in what we read and are refused.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Final, NoReturn

from gateway import limits
from gateway.errors import StructureError

INTEGER: Final = 0x02
BIT_STRING: Final = 0x03
OCTET_STRING: Final = 0x04
NULL: Final = 0x05
OBJECT_IDENTIFIER: Final = 0x06
SEQUENCE: Final = 0x30
SET: Final = 0x31
CONSTRUCTED: Final = 0x20
END_OF_CONTENTS: Final = b"\0\0"
_SHORT_LENGTH_MAX: Final = 0x7F
_INDEFINITE: Final = 0x80
_HIGH_TAG: Final = 0x1F


def context(number: int, *, constructed: bool = True) -> int:
    """Give the identifier octet of a context-specific tag."""
    return 0x80 | (CONSTRUCTED if constructed else 0) | number


def tlv(tag: int, *contents: bytes) -> bytes:
    """Encode one value with a definite length."""
    content = b"".join(contents)
    return bytes([tag]) + _length(len(content)) + content


def set_of(members: Iterable[bytes], tag: int = SET) -> bytes:
    """Encode a SET OF as DER wants it: members sorted by their octets."""
    return tlv(tag, *sorted(members))


def integer(value: int) -> bytes:
    """Encode an INTEGER."""
    size = (value + (value < 0)).bit_length() // 8 + 1
    return tlv(INTEGER, value.to_bytes(size, "big", signed=True))


def object_identifier(dotted: str) -> bytes:
    """Encode an OBJECT IDENTIFIER from its dotted form."""
    first, second, *rest = (int(part) for part in dotted.split("."))
    return tlv(OBJECT_IDENTIFIER, b"".join(_base128(arc) for arc in (first * 40 + second, *rest)))


def _base128(arc: int) -> bytes:
    octets = [arc & 0x7F]
    while arc := arc >> 7:
        octets.append(arc & 0x7F | 0x80)
    return bytes(reversed(octets))


def _length(length: int) -> bytes:
    if length <= _SHORT_LENGTH_MAX:
        return bytes([length])
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(octets)]) + octets


@dataclass(frozen=True, slots=True)
class Element:
    """One value: ``encoded`` is all of it as sent, ``content`` what lies between header and end."""

    tag: int
    encoded: bytes
    content: bytes
    depth: int = 1

    @property
    def constructed(self) -> bool:
        """Whether the content is a series of values."""
        return bool(self.tag & CONSTRUCTED)

    def fields(self) -> "Fields":
        """Take the members in order. Raises StructureError when this is not constructed."""
        return Fields(self.children())

    def children(self) -> list["Element"]:
        """Every member. Raises StructureError."""
        if not self.constructed:
            _refuse("a primitive value where a constructed one belongs")
        return list(_elements(self.content, self.depth + 1))

    def octets(self) -> bytes:
        """Give an octet string's value, put together when it was sent in pieces. Raises StructureError."""
        if not self.constructed:
            return self.content
        pieces = self.children()
        if any(piece.tag & ~CONSTRUCTED != OCTET_STRING for piece in pieces):
            _refuse("something else among the pieces of an octet string")
        return b"".join(piece.octets() for piece in pieces)

    def integer(self) -> int:
        """Give an INTEGER's value. Raises StructureError."""
        if self.tag != INTEGER or not self.content:
            _refuse("no INTEGER where one belongs")
        return int.from_bytes(self.content, "big", signed=True)


class Fields:
    """The members of a constructed value, taken in order."""

    def __init__(self, members: list[Element]) -> None:
        self._members = members
        self._next = 0

    def take(self, *tags: int) -> Element:
        """Take the next member, which must have one of the tags; any tag if none is named. Raises StructureError."""
        if self._next >= len(self._members):
            _refuse("a member is missing")
        member = self._members[self._next]
        if tags and member.tag not in tags:
            _refuse("a member of another type than belongs there")
        self._next += 1
        return member

    def maybe(self, *tags: int) -> Element | None:
        """Take the next member if it has one of the tags."""
        if self._next < len(self._members) and self._members[self._next].tag in tags:
            return self.take()
        return None

    def end(self) -> None:
        """Nothing may be left. Raises StructureError."""
        if self._next != len(self._members):
            _refuse("a member too many")


def parse(data: bytes) -> Element:
    """Read exactly one value that fills ``data``. Raises StructureError."""
    found = list(_elements(data, 1))
    if len(found) != 1:
        _refuse("not exactly one value")
    return found[0]


def read_header(data: bytes, start: int) -> tuple[int, int | None, int]:
    """Read tag and length at ``start``: tag, length in octets (None: indefinite), where the content begins.

    Raises StructureError.
    """
    try:
        tag, first = data[start], data[start + 1]
    except IndexError:
        _refuse("cut in a header")
    if tag & _HIGH_TAG == _HIGH_TAG:
        _refuse("a tag above 30")
    begin = start + 2
    if first <= _SHORT_LENGTH_MAX:
        return tag, first, begin
    if first == _INDEFINITE:
        if not tag & CONSTRUCTED:
            _refuse("an indefinite length on a primitive value")
        return tag, None, begin
    size = first & 0x7F
    if size > limits.BER_LENGTH_OCTETS_MAX:
        _refuse("a length of too many octets")
    if len(data) < begin + size:
        _refuse("cut in a length")
    return tag, int.from_bytes(data[begin : begin + size], "big"), begin + size


def _elements(data: bytes, depth: int) -> Iterator[Element]:
    position, numbers = 0, count(1)
    while position < len(data):
        tag, begin, end, after = _span(data, position, depth, numbers)
        yield Element(tag, data[position:after], data[begin:end], depth)
        position = after


def _span(data: bytes, start: int, depth: int, numbers: Iterator[int]) -> tuple[int, int, int, int]:
    """Find one value's borders: tag, begin and end of its content, where the next value begins.

    ``numbers`` counts every value that was looked at, those too that only show where another one ends.
    """
    if next(numbers) > limits.BER_VALUES_MAX:
        _refuse("too many values")
    tag, length, begin = read_header(data, start)
    if tag & CONSTRUCTED and depth > limits.BER_DEPTH_MAX:
        _refuse("nested too deep")
    if length is not None:
        end = begin + length
        if end > len(data):
            _refuse("a value longer than what holds it")
        return tag, begin, end, end
    position = begin
    while data[position : position + 2] != END_OF_CONTENTS:
        if position >= len(data):
            _refuse("an indefinite length without its end")
        *_, position = _span(data, position, depth + 1, numbers)
    return tag, begin, position, position + 2


def _refuse(why: str) -> NoReturn:
    msg = f"ber: {why}"
    raise StructureError(msg)
