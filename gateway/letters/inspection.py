"""One look at the documents of a letter, made once and kept sealed with it: later attempts read no PDF again."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Self

from gateway import limits
from gateway.errors import DocumentError
from gateway.letters.looked import Looked
from gateway.letters.reader import Reader
from gateway.letters.screening import Findings, Known, screen_pdf, screen_text

PDF: Final = "application/pdf"


@dataclass(frozen=True, slots=True)
class Source:
    """A document as it is stored. ``pieces``: its bytes, anew each time."""

    name: str
    media_type: str
    size_bytes: int
    pieces: Callable[[], Iterable[bytes]] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Inspected:
    """What is known of one document. ``looked``: of a PDF."""

    name: str
    media_type: str
    size_bytes: int
    looked: Looked | None
    findings: Findings

    @property
    def pages(self) -> int:
        """How many it has; 1 where nobody can tell."""
        return max(1, len(self.looked.pages)) if self.looked else 1

    @classmethod
    def of(cls, told: dict[str, Any]) -> Self:
        """From what ``dataclasses.asdict`` made of it. Raises DocumentError."""
        try:
            looked = None if told["looked"] is None else Looked.of(told["looked"])
            findings = Findings.of(told["findings"])
            return cls(told["name"], told["media_type"], told["size_bytes"], looked, findings)
        except (KeyError, TypeError) as error:
            message = "what was seen of a document cannot be read"
            raise DocumentError(message) from error


def inspect(reader: Reader, documents: Sequence[Source], known: Known) -> tuple[Inspected, ...]:
    """Look at each document and screen its text. Blocks; for a thread. Raises ReaderUnavailableError and what ``pieces`` raises."""
    return tuple(_inspect(reader, document, known) for document in documents)


def _inspect(reader: Reader, document: Source, known: Known) -> Inspected:
    looked = None
    if document.media_type == PDF:
        reading = reader.read(document.pieces(), document.size_bytes)
        looked, findings = reading.looked, screen_pdf(reading, known)
    elif document.size_bytes <= limits.SCREENED_TEXT_BYTES_MAX:
        findings = screen_text(b"".join(document.pieces()), document.media_type, known)
    else:
        findings = Findings(screened=False)
    return Inspected(document.name, document.media_type, document.size_bytes, looked, findings)


def to_record(inspected: Sequence[Inspected]) -> bytes:
    """The form that is kept."""
    return json.dumps([asdict(each) for each in inspected], ensure_ascii=False).encode()


def from_record(record: bytes) -> tuple[Inspected, ...]:
    """From that form. Raises DocumentError."""
    try:
        return tuple(Inspected.of(each) for each in json.loads(record))
    except (ValueError, TypeError) as error:
        message = "what was seen of a letter's documents cannot be read"
        raise DocumentError(message) from error
