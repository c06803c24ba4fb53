"""Reading a BER value as it streams, in constant memory: what is small is held, what is large is passed on in pieces."""

from collections.abc import Callable, Iterator
from typing import Final, NoReturn

from gateway import limits
from gateway.crypto.ber import CONSTRUCTED, END_OF_CONTENTS, OCTET_STRING, Element, parse, read_header
from gateway.errors import StructureError

_HEADER_OCTETS_MAX: Final = 2 + limits.BER_LENGTH_OCTETS_MAX


class BerStream:
    """A cursor over a source of octets. Nothing is read that no longer fits its surroundings.

    ``read(n)`` gives up to n octets, none at the end. Every method raises StructureError for what is not BER, is longer
    than what holds it, or nested too deep.
    """

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._buffer = b""
        self._offset = 0
        self._before = 0  # octets of the source that lie before the buffer
        self._held = 0
        self._values = 0  # read whole
        self._ends: list[int | None] = []  # where each value that we are inside ends; None: at its end-of-contents

    @property
    def position(self) -> int:
        """Octets taken so far."""
        return self._before + self._offset

    def peek_tag(self) -> int | None:
        """Give the next value's tag, or None where the value that we are inside ends."""
        if self._ends and self._ends[-1] is not None and self.position == self._ends[-1]:
            return None
        ahead = self._ahead(2)
        if self._ends and self._ends[-1] is None and ahead == END_OF_CONTENTS:
            return None
        return ahead[0] if ahead else None

    def enter(self, tag: int) -> None:
        """Step inside the next value, which must be constructed and have this tag."""
        found, length, _ = self._header()
        if found != tag or not tag & CONSTRUCTED:
            _refuse("a value of another type than belongs there")
        if len(self._ends) >= limits.BER_DEPTH_MAX:
            _refuse("nested too deep")
        self._ends.append(None if length is None else self._fitting(length))

    def leave(self) -> None:
        """Step out of the value, which must be at its end."""
        end = self._ends[-1]
        if end is None:
            if self._taken(2) != END_OF_CONTENTS:
                _refuse("a member too many")
        elif self.position != end:
            _refuse("a member too many")
        self._ends.pop()

    def finish(self) -> None:
        """Nothing may follow."""
        if self._ahead(1):
            _refuse("octets after the end")

    def element(self, *tags: int) -> Element:
        """Take the next value whole; together with all before it, it must fit in the header's bound."""
        if tags and self.peek_tag() not in tags:
            _refuse("a value of another type than belongs there")
        return parse(self._whole(len(self._ends) + 1))

    def octet_pieces(self, tag: int) -> Iterator[bytes]:
        """Take an octet string under this primitive tag, whole or in nested pieces, never more than a chunk at once."""
        found, length, _ = self._header()
        if found == tag:
            yield from self._content(self._fitting(length or 0))
            return
        if found != tag | CONSTRUCTED or len(self._ends) >= limits.BER_DEPTH_MAX:
            _refuse("no octet string, or one nested too deep")
        self._ends.append(None if length is None else self._fitting(length))
        small = 0
        while self.peek_tag() is not None:
            before = self.position
            yield from self.octet_pieces(OCTET_STRING)
            small += self.position - before < limits.BER_SMALL_PIECE_BYTES
            if small > limits.BER_SMALL_PIECES_MAX:
                _refuse("too many small pieces")
        self.leave()

    def _content(self, end: int) -> Iterator[bytes]:
        while (rest := end - self.position) > 0:
            piece = self._ahead(1)
            if not piece:
                _refuse("cut in a value")
            piece = self._buffer[self._offset : self._offset + min(rest, limits.CHUNK_BYTES)]
            self._offset += len(piece)
            yield piece

    def _whole(self, depth: int) -> bytes:
        tag, length, header = self._header()
        self._values += 1
        if self._values > limits.BER_VALUES_MAX:
            _refuse("too many values")
        if tag & CONSTRUCTED and depth > limits.BER_DEPTH_MAX:
            _refuse("nested too deep")
        if length is not None:
            return header + self._taken(self._fitting(length) - self.position)
        members = [header]
        while self._ahead(2) != END_OF_CONTENTS:
            members.append(self._whole(depth + 1))
        return b"".join((*members, self._taken(2)))

    def _header(self) -> tuple[int, int | None, bytes]:
        """Take a tag and a length: tag, length (None: indefinite), the octets they were."""
        ahead = self._ahead(_HEADER_OCTETS_MAX)
        tag, length, used = read_header(ahead, 0)
        self._offset += used
        self._fitting(0)
        return tag, length, ahead[:used]

    def _fitting(self, length: int) -> int:
        """Where a value of that length ends from here, which must lie within all that holds it."""
        end = self.position + length
        if any(outer is not None and end > outer for outer in self._ends):
            _refuse("a value longer than what holds it")
        return end

    def _taken(self, count: int) -> bytes:
        """Take exactly so many octets, which are held: the bound of all that is held together applies."""
        self._held += count
        if self._held > limits.CMS_HEADER_BYTES_MAX:
            _refuse("more than may be held")
        taken = self._ahead(count)
        if len(taken) != count:
            _refuse("cut in a value")
        self._offset += count
        return taken

    def _ahead(self, count: int) -> bytes:
        """Look at the next octets, fewer at the end of the source."""
        while len(self._buffer) - self._offset < count and (more := self._read(limits.CHUNK_BYTES)):
            self._before += self._offset
            self._buffer = self._buffer[self._offset :] + more
            self._offset = 0
        return self._buffer[self._offset : self._offset + count]


def _refuse(why: str) -> NoReturn:
    msg = f"ber: {why}"
    raise StructureError(msg)
