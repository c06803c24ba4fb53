"""How a PDF is built, as qpdf reads it. Runs in the reader's own process: nothing here is called elsewhere.

Every object of the file is looked at, in use or not: what a reader could be made to find counts.
"""

import html
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import pikepdf
from pikepdf import Array, Dictionary, Name, Object, Stream, String

from gateway import limits
from gateway.letters.looked import BROKEN, NO_PAGES, PASSWORD, TOO_HARD, TOO_MANY_PAGES

_LAUNCHES: Final = frozenset(
    {"/Launch", "/GoToR", "/GoToE", "/ImportData", "/SubmitForm", "/Rendition", "/RichMediaExecute", "/Movie", "/Sound"}
)
"""Actions that leave the document or start something (ISO 32000-1, 12.6.4)."""
_EMBEDDING: Final = frozenset({"/FileAttachment", "/RichMedia", "/Screen", "/Movie", "/Sound", "/3D"})
_ASIDES: Final = ("/Contents", "/RC", "/V", "/DV", "/TU", "/T", "/Alt", "/ActualText", "/E", "/Title", "/Opt")
_STANDARD: Final = ("TIMES", "COURIER", "HELVETICA", "SYMBOL", "ZAPFDINGBATS", "ARIAL")
"""Fonts that print services have (``digipost.md`` 7), as names without dashes and blanks contain them."""
_FONT_FILES: Final = ("/FontFile", "/FontFile2", "/FontFile3")
_LIMIT: Final = "limits error"
_FONT_NAMES_MAX: Final = 50
_PROPERTIES_MAX: Final = 200  # values, and streams of them: a picture may have one of its own
_METADATA_BYTES_MAX: Final = limits.MIB  # of each


class UnreadableError(Exception):
    """This PDF cannot be looked at; ``fault`` says why. It never leaves the reader's process."""

    def __init__(self, fault: str) -> None:
        super().__init__(fault)
        self.fault = fault


@dataclass(slots=True)
class Structure:
    """What was found; the names are those of ``Looked``. ``pages``: how many qpdf counts."""

    version: str
    encrypted: bool
    pages: int
    fonts_missing: list[str] = field(default_factory=list)
    scripts: int = 0
    launches: int = 0
    embedded_files: int = 0
    xfa: int = 0
    links: int = 0
    metadata: list[str] = field(default_factory=list)
    asides: list[str] = field(default_factory=list)


def structure(pdf: bytes) -> Structure:
    """Open and walk it. Raises UnreadableError, and whatever qpdf raises."""
    try:
        opened = pikepdf.open(io.BytesIO(pdf), attempt_recovery=False, suppress_warnings=True)
    except pikepdf.PasswordError as error:
        raise UnreadableError(PASSWORD) from error
    except pikepdf.PdfError as error:
        raise UnreadableError(BROKEN) from error
    with opened:
        found = Structure(opened.pdf_version, opened.is_encrypted, len(opened.pages))
        if not found.pages:
            raise UnreadableError(NO_PAGES)
        if found.pages > limits.PDF_PAGES_MAX:
            raise UnreadableError(TOO_MANY_PAGES)
        _properties(opened, found)
        for node in _nodes(opened):
            _look(node, found)
        if any(_LIMIT in warning for warning in opened.get_warnings()):
            raise UnreadableError(TOO_HARD)  # qpdf left something out that another reader may find
        return found


def _nodes(opened: pikepdf.Pdf) -> Iterator[Object]:
    """Every dictionary and stream of the file once."""
    room = limits.PDF_NODES_MAX
    for start in (opened.trailer, *opened.objects):
        below: list[tuple[Any, int]] = [(start, 0)]
        while below:
            node, depth = below.pop()
            if depth > limits.PDF_DEPTH_MAX:
                raise UnreadableError(TOO_HARD)
            if isinstance(node, Dictionary | Stream):
                yield node
            members = _members(node)
            room -= 1 + len(members)
            if room < 0:
                raise UnreadableError(TOO_HARD)
            below += [
                (value, depth + 1)
                for value in members
                if isinstance(value, Dictionary | Array | Stream) and not value.is_indirect
            ]


def _members(node: Any) -> list[Any]:
    if isinstance(node, Dictionary | Stream):
        return [value for _, value in node.items()]
    return list(node) if isinstance(node, Array) else []


def _look(node: Object, found: Structure) -> None:
    action = _name(node, "/S")
    found.scripts += action == "/JavaScript" or "/JS" in node
    found.launches += action in _LAUNCHES
    found.links += action == "/URI"
    found.embedded_files += "/EF" in node or _name(node, "/Subtype") in _EMBEDDING
    found.xfa += "/XFA" in node
    if _name(node, "/Type") == "/Font" or "/BaseFont" in node:
        _look_at_font(node, found)
    for key in _ASIDES:
        if key in node:
            _aside(node.get(key), found)
    if isinstance(node, Stream) and _name(node, "/Type") == "/Metadata":
        found.metadata.append(_xmp_text(node))
    if len(found.asides) > limits.PDF_ASIDES_MAX or len(found.metadata) > _PROPERTIES_MAX:
        raise UnreadableError(TOO_HARD)


def _look_at_font(font: Object, found: Structure) -> None:
    """A font without its file; a composite one is judged by its descendant, which is an object like any other."""
    if _name(font, "/Subtype") in {"/Type0", "/Type3"} or len(found.fonts_missing) >= _FONT_NAMES_MAX:
        return
    name = _name(font, "/BaseFont").removeprefix("/")
    descriptor = font.get("/FontDescriptor")
    embedded = isinstance(descriptor, Dictionary) and any(file in descriptor for file in _FONT_FILES)
    if not embedded and not _is_standard(name) and name not in found.fonts_missing:
        found.fonts_missing.append(name[:100])


def _is_standard(name: str) -> bool:
    plain = name.upper().replace("-", "").replace(" ", "")
    return any(standard in plain for standard in _STANDARD)


def _aside(value: Any, found: Structure) -> None:
    values = value if isinstance(value, Array) else [value]
    for each in values:
        if isinstance(each, String):
            found.asides.append(str(each))


def _properties(opened: pikepdf.Pdf, found: Structure) -> None:
    information = opened.trailer.get("/Info")
    if isinstance(information, Dictionary):
        found.metadata += [str(value) for _, value in information.items() if isinstance(value, String)]


def _xmp_text(stream: Stream) -> str:
    """All of it, names of elements included: they are no words that anything is sought by."""
    octets = bytes(stream.read_bytes())
    if len(octets) > _METADATA_BYTES_MAX:
        raise UnreadableError(TOO_HARD)
    utf_16 = octets[:2] in {b"\xff\xfe", b"\xfe\xff"}
    return html.unescape(octets.decode("utf-16" if utf_16 else "utf-8", "replace"))


def _name(node: Object, key: str) -> str:
    value = node.get(key)
    return str(value) if isinstance(value, Name) else ""
