"""Ways to damage an input: octet by octet, and by the structure of ASN.1, ZIP, JSON and texts.

Each takes a source of randomness and sound octets, and gives octets. Nothing here knows what a parser does with them.
"""

import copy
import json
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any

Mutator = Callable[[Random, bytes], bytes]

SIZE_MAX = 1 << 20
_OCTETS = (0x00, 0x01, 0x7F, 0x80, 0x81, 0x84, 0xFE, 0xFF, 0x0A, 0x0D, 0x22, 0x2D)
_PLACES_MAX = 500  # copies of copies would outgrow the machine
_MEMBERS_MAX = 100_000
_NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)


def several(*edits: Mutator) -> Mutator:
    """Some of the edits, one after the other."""

    def mutate(random: Random, data: bytes) -> bytes:
        for _ in range(random.choice((1, 1, 1, 2, 3, 6))):
            data = random.choice(edits)(random, data)[:SIZE_MAX]
        return data

    return mutate


# --- octets --------------------------------------------------------------------------------------------------------


def _span(random: Random, data: bytes) -> tuple[int, int]:
    start = random.randint(0, len(data))
    return start, min(len(data), start + random.choice((1, 1, 2, 4, 16, 64, 1024)))


def _flip(random: Random, data: bytes) -> bytes:
    changed = bytearray(data)
    if changed:
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def _put(random: Random, data: bytes) -> bytes:
    start, stop = _span(random, data)
    return data[:start] + bytes(random.choices(_OCTETS, k=stop - start)) + data[stop:]


def _cut_out(random: Random, data: bytes) -> bytes:
    start, stop = _span(random, data)
    return data[:start] + data[stop:]


def _cut_short(random: Random, data: bytes) -> bytes:
    return data[: random.randint(0, len(data))]


def _copy(random: Random, data: bytes) -> bytes:
    """Some of it once more elsewhere."""
    (start, stop), place = _span(random, data), random.randint(0, len(data))
    return data[:place] + data[start:stop] + data[place:]


def _repeat(random: Random, data: bytes) -> bytes:
    """Some of it very often: what costs a little each time shows."""
    start, stop = _span(random, data)
    piece = data[start:stop]
    room = random.choice((1 << 10, 1 << 14, 1 << 17, SIZE_MAX)) if random.random() < 0.2 else 1 << 10
    return data[:stop] + piece * (room // max(1, len(piece))) + data[stop:]


octets = several(_flip, _flip, _put, _cut_out, _cut_short, _copy, _repeat)


def tokens(*words: bytes) -> Mutator:
    """Words of the format put somewhere, over others or between."""

    def put(random: Random, data: bytes) -> bytes:
        start, stop = _span(random, data)
        times = random.choice((1, 1, 1, 2, 30)) if random.random() < 0.9 else 20_000
        return data[:start] + random.choice(words) * times + data[random.choice((start, stop)) :]

    return several(put, put, _flip, _copy, _cut_out)


def lines(random: Random, data: bytes) -> bytes:
    """Lines left out, doubled, exchanged, mixed."""
    found = data.split(b"\n")
    for _ in range(random.choice((1, 1, 2, 5))):
        one, other = random.randrange(len(found)), random.randrange(len(found))
        match random.randrange(4):
            case 0:
                found[one], found[other] = found[other], found[one]
            case 1:
                found.insert(one, found[other])
            case 2 if len(found) > 1:
                del found[one]
            case _:
                found[one] = octets(random, found[one])
    return b"\n".join(found)


# --- ASN.1 ---------------------------------------------------------------------------------------------------------


@dataclass
class _Value:
    """One value; ``length`` stands in its header instead of the true one."""

    tag: int
    content: bytes = b""
    members: list["_Value"] | None = None
    indefinite: bool = False
    length: bytes | None = None

    def encoded(self) -> bytes:
        content = self.content if self.members is None else b"".join(one.encoded() for one in self.members)
        if self.indefinite and self.length is None:
            return bytes([self.tag, 0x80]) + content + b"\0\0"
        return bytes([self.tag]) + (_length(len(content)) if self.length is None else self.length) + content

    def all(self) -> Iterator["_Value"]:
        yield self
        for one in self.members or ():
            yield from one.all()


def _length(size: int) -> bytes:
    if size < 0x80:
        return bytes([size])
    octets_of_it = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(octets_of_it)]) + octets_of_it


def _values(data: bytes, position: int, stop: int, *, open_end: bool) -> tuple[list[_Value], int]:
    found = []
    while position < stop:
        if open_end and data[position : position + 2] == b"\0\0":
            return found, position + 2
        tag, first = data[position], data[position + 1]
        position += 2
        size = first
        if first > 0x80:
            size = int.from_bytes(data[position : position + first - 0x80], "big")
            position += first - 0x80
        value = _Value(tag, indefinite=first == 0x80)
        end = stop if value.indefinite else position + size
        if end > stop:
            raise IndexError
        if tag & 0x20:
            value.members, position = _values(data, position, end, open_end=value.indefinite)
        else:
            value.content, position = data[position:end], end
        found.append(value)
    return found, position


def asn1(random: Random, data: bytes) -> bytes:
    """One value of the tree changed; everything around it keeps fitting lengths."""
    try:
        trees, _ = _values(data, 0, len(data), open_end=False)
    except IndexError:
        return octets(random, data)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        _damage(random, [value for tree in trees for value in tree.all()])
    return b"".join(tree.encoded() for tree in trees)[: 2 * SIZE_MAX]


def _damage(random: Random, values: Sequence[_Value]) -> None:
    value, other = random.choice(values), random.choice(values)
    match random.randrange(12):
        case 0:
            value.tag = random.choice((value.tag ^ 0x20, other.tag, random.randrange(256)))
        case 1:
            lengths = (b"\0", b"\x7f", b"\x80", b"\x84\xff\xff\xff\xff", b"\x88" + b"\xff" * 8, b"\x89" + b"\0" * 9)
            value.length = random.choice((*lengths, b"\x82" + random.randbytes(2)))
        case 2 if value.members:
            del value.members[random.randrange(len(value.members))]
        case 3 if value.members:
            one = random.choice(value.members)
            size = len(one.encoded())
            often = random.choice((2, 60, 1200)) if random.random() < 0.95 else _MEMBERS_MAX
            copies = one.encoded() * min(often, SIZE_MAX // max(1, size))
            value.content, value.members = b"".join(other.encoded() for other in value.members) + copies, None
        case 5:
            value.indefinite = not value.indefinite
        case 6:
            _wrap(value, random.choice((1, 3, 11, 13, 60)))
        case 7:  # another's place
            value.tag, value.content, value.members = other.tag, other.encoded(), None
        case 8:
            value.content, value.members = b"", None
        case _:
            value.content = octets(random, value.content)


def _wrap(value: _Value, levels: int) -> None:
    inner = _Value(value.tag, value.content, value.members, value.indefinite)
    for _ in range(levels):
        inner = _Value(value.tag | 0x20, members=[inner])
    value.tag, value.content, value.members = inner.tag, b"", inner.members


# --- ZIP -----------------------------------------------------------------------------------------------------------

_RECORDS = {b"PK\3\4": 30, b"PK\1\2": 46, b"PK\5\6": 22, b"PK\7\10": 16}


def zip_fields(random: Random, data: bytes) -> bytes:
    """A field of a header made another number."""
    found = [(place, size) for mark, size in _RECORDS.items() for place in _places(data, mark)]
    if not found:
        return octets(random, data)
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 3))):
        start, size = random.choice(found)
        form = random.choice(("<H", "<I"))
        place = start + random.randrange(4, size, 2)
        if place + 4 <= len(changed):
            was = struct.unpack_from(form, changed, place)[0]
            value = random.choice((*_NUMBERS, was + 1, was - 1, was ^ 0x0808, len(data)))
            struct.pack_into(form, changed, place, value & (0xFFFF if form == "<H" else 0xFFFFFFFF))
    return bytes(changed)


def _places(data: bytes, mark: bytes) -> Iterator[int]:
    place = data.find(mark)
    while place >= 0:
        yield place
        place = data.find(mark, place + 1)


# --- JSON ----------------------------------------------------------------------------------------------------------

_JSON = (
    *(None, True, 0, -1, 2**63, -(2**63) - 1, 10**30, 10**308 * 10, 1.5, 1e308, 5e-324, "", "0", "\ud800", "\x00", "x" * 5000),
    *([], {}, [[]], {"": {}}, "9999-12-31T23:59:59.999999", "0001-01-01T00:00:00", "0001-01-01T00:00:00+14:00"),
    *("9999-12-31T23:59:59-23:59", "2026-10-25T02:30:00", "٣٤٥", "\u202e", "😀" * 200),
)  # fmt: skip
_JSON_TEXTS = (
    *(b"NaN", b"-Infinity", b"1e400", b"-1e400", b"9" * 400, b"9" * 5000, b"1.0e", b"\\ud800", b"\\u0000", b"\xff"),
    *(b"[" * 80, b"]" * 3, b"{" * 3, b'{"a":' * 80, b"[],", b'"a",', b"0,", b'"":0,', b"{},", b'{"a":1,"a":2}', b"\xef\xbb\xbf"),
)  # fmt: skip
json_text = tokens(*_JSON_TEXTS)


def json_tree(random: Random, data: bytes) -> bytes:
    """A value, a name or a member of the document changed; it stays JSON, but for what only Python writes."""
    try:
        document = json.loads(data)
    except ValueError:
        return json_text(random, data)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        places = list(_containers(document))
        if not 0 < len(places) < _PLACES_MAX:
            break
        _change(random, random.choice(places))
    return json.dumps(document, ensure_ascii=random.random() < 0.5).encode("utf-8", "surrogatepass")[:SIZE_MAX]


def _containers(document: Any) -> Iterator[Any]:
    if isinstance(document, dict | list) and document:
        yield document
        for one in list(document.values()) if isinstance(document, dict) else document:
            yield from _containers(one)


def _change(random: Random, container: Any) -> None:
    key = random.choice(list(container)) if isinstance(container, dict) else random.randrange(len(container))
    match random.randrange(6):
        case 0 if isinstance(container, dict):
            del container[key]
        case 1 if isinstance(container, dict):
            container[random.choice(("", "x", "\ud800", key + " ", key.upper()))] = container[key]
        case 2 if isinstance(container, list):
            container.extend([container[key]] * random.choice((1, 60, 150)))
        case 3:
            nested = container[key]
            for _ in range(random.choice((1, 3, 70))):
                nested = [nested]
            container[key] = nested
        case _:
            container[key] = copy.deepcopy(random.choice(_JSON))  # or the constants themselves would change
            with suppress(TypeError):  # what it was, written otherwise
                container[key] = random.choice((container[key], container[key] * 2, str(container[key])))
