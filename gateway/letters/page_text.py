"""What stands on the pages of a PDF and where, as PDFium reads it. Runs in the reader's own process.

Lengths are millimetres on the page as it is shown, from its upper left corner; PDFium counts points from below, before the
page is turned.
"""

from collections.abc import Iterator
from ctypes import c_float
from dataclasses import dataclass, field
from typing import Final

import pypdfium2
from pypdfium2 import raw

from gateway import limits
from gateway.letters.looked import BROKEN, Page, Rect
from gateway.letters.structure import UnreadableError

Points = tuple[float, float, float, float]
"""PDFium's rectangles: left, bottom, right, top."""
POINTS_PER_MM: Final = 72 / 25.4
LETTERHEAD_MM: Final = 60.0
_BARCODE: Final = (0.0, 95.0, 15.0, 175.0)
"""Where print services put their code on a portrait page (``digipost.md`` 7). A landscape page is turned before it is printed."""
_QUARTER: Final = 90
_RECTS_MAX: Final = 5000
_OBJECTS_MAX: Final = 20_000
_FORM_DEPTH_MAX: Final = 3
_SAMPLES: Final = 200
_UNMAPPED_MAX: Final = 0.2  # of the characters looked at
_PICTURE_SHARE: Final = 0.5  # of the page: its words may be in it
_PICTURE_CHARS: Final = 400  # with fewer of them beside a picture of that size, the picture holds the words
_MARK_SHARE: Final = 0.05  # a smaller picture on a page without text is a mark
_PATHS_MAX: Final = 300  # drawn lines; more of them on a page without text may be letters


@dataclass(slots=True)
class Pages:
    """All pages; the names are those of ``Looked`` and ``Reading``."""

    pages: list[Page] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    letterhead: str = ""
    window_text: str = ""


def pages_of(pdf: bytes, window: Rect, count: int) -> Pages:
    """Read them. Raises UnreadableError, also where there are not ``count`` of them, and whatever PDFium raises."""
    found, room = Pages(), limits.PDF_TEXT_CHARS_MAX
    try:
        document = pypdfium2.PdfDocument(pdf)
    except pypdfium2.PdfiumError as error:
        raise UnreadableError(BROKEN) from error
    if len(document) != count:
        raise UnreadableError(BROKEN)  # two readers see two documents
    for number in range(count):
        sheet = _Sheet.of(document, number)
        text = sheet.text.get_text_range() if room > 0 else ""
        found.pages.append(sheet.look(text, cut=room < len(text) or room <= 0))
        found.texts.append(text[:room])
        room -= len(text)
        if number == 0:
            found.letterhead = sheet.within((0.0, 0.0, sheet.width, LETTERHEAD_MM))
            found.window_text = sheet.within(window)
    return found


@dataclass(slots=True)
class _Sheet:
    """One page with its text. ``box``: what is shown of it, in points; ``width`` and ``height`` as shown, in millimetres."""

    page: pypdfium2.PdfPage
    text: pypdfium2.PdfTextPage
    box: Points
    rotation: int
    width: float
    height: float

    @classmethod
    def of(cls, document: pypdfium2.PdfDocument, number: int) -> "_Sheet":
        page = document[number]
        if _has_notes(page):
            raw.FPDFPage_Flatten(
                page, raw.FLAT_NORMALDISPLAY
            )  # what stands in notes and fields becomes text of the page
            page = document[number]
        width, height = page.get_size()
        box = page.get_bbox()
        return cls(page, page.get_textpage(), box, page.get_rotation(), width / POINTS_PER_MM, height / POINTS_PER_MM)

    def look(self, text: str, *, cut: bool) -> Page:
        objects = _Objects.of(self.page)
        chars = len("".join(text.split()))
        return Page(
            width_mm=round(self.width, 1),
            height_mm=round(self.height, 1),
            blank=objects.count == 0,
            readable=not cut and objects.words_are_text(chars) and not self._unmapped(),
            in_barcode_zone=any(self.within(zone).strip() for zone in self._barcode_zones()),
            leftmost_mm=self._leftmost(),
        )

    def _barcode_zones(self) -> Iterator[Rect]:
        """Of the page as it is shown. Digipost's validator takes the shape from before the page is turned, so that one too."""
        yield _barcode_zone(self.width, self.height)
        if self.rotation % (2 * _QUARTER):
            yield _barcode_zone(self.height, self.width)

    def within(self, zone: Rect) -> str:
        """The text of a part of the page."""
        left, bottom, right, top = self._in_points(zone)
        return str(self.text.get_text_bounded(left, bottom, right, top))

    def _in_points(self, zone: Rect) -> Points:
        left, top, right, bottom = (length * POINTS_PER_MM for length in zone)
        x0, y0, x1, y1 = self.box
        match self.rotation:
            case 90:
                return x0 + top, y0 + left, x0 + bottom, y0 + right
            case 180:
                return x1 - right, y0 + top, x1 - left, y0 + bottom
            case 270:
                return x1 - bottom, y1 - right, x1 - top, y1 - left
            case _:
                return x0 + left, y1 - bottom, x0 + right, y1 - top

    def _leftmost(self) -> float | None:
        """Where its text begins; what lies wholly outside the page is not shown."""
        count = min(self.text.count_rects(), _RECTS_MAX)
        spans = (self._across(self.text.get_rect(number)) for number in range(count))
        shown = [left for left, right in spans if right > 0 and left < self.width]
        return round(min(shown), 1) if shown else None

    def _across(self, rect: Points) -> tuple[float, float]:
        """From where to where it stands, in millimetres from the left edge as shown."""
        left, bottom, right, top = rect
        x0, y0, x1, y1 = self.box
        near, far = {90: (bottom - y0, top - y0), 180: (x1 - right, x1 - left), 270: (y1 - top, y1 - bottom)}.get(
            self.rotation, (left - x0, right - x0)
        )
        return near / POINTS_PER_MM, far / POINTS_PER_MM

    def _unmapped(self) -> bool:
        """Whether many of its letters have no code: it shows words, and what is read is none."""
        count = self.text.count_chars()
        looked_at = range(0, count, max(1, count // _SAMPLES))
        missing = sum(raw.FPDFText_HasUnicodeMapError(self.text, index) == 1 for index in looked_at)
        return bool(missing > _UNMAPPED_MAX * len(looked_at))


def _barcode_zone(width: float, height: float) -> Rect:
    return _BARCODE if height >= width else (95.0, height - 15.0, 175.0, height)


@dataclass(slots=True)
class _Objects:
    """What is drawn on a page. ``picture``: the share of the page that the largest picture covers."""

    count: int = 0
    paths: int = 0
    picture: float = 0.0

    @classmethod
    def of(cls, page: pypdfium2.PdfPage) -> "_Objects":
        found = cls()
        width, height = page.get_size()
        for drawn in _drawn(page):
            found.count += 1
            kind = raw.FPDFPageObj_GetType(drawn)
            found.paths += kind == raw.FPDF_PAGEOBJ_PATH
            if kind in {raw.FPDF_PAGEOBJ_IMAGE, raw.FPDF_PAGEOBJ_SHADING}:
                found.picture = max(found.picture, _area(drawn) / max(1.0, width * height))
        return found

    def words_are_text(self, chars: int) -> bool:
        """Whether there is no picture or drawing that may hold words which were not read as ``chars`` characters."""
        if chars == 0:
            return self.picture < _MARK_SHARE and self.paths <= _PATHS_MAX
        return chars >= _PICTURE_CHARS or (self.picture < _PICTURE_SHARE and self.paths <= 10 * _PATHS_MAX)


def _drawn(page: pypdfium2.PdfPage) -> Iterator[raw.FPDF_PAGEOBJECT]:
    """Objects of the page and of the forms on it, so many of them."""
    below = [(raw.FPDFPage_GetObject(page, index), 0) for index in range(_bounded(raw.FPDFPage_CountObjects(page)))]
    seen = 0
    while below and seen < _OBJECTS_MAX:
        drawn, depth = below.pop()
        seen += 1
        if raw.FPDFPageObj_GetType(drawn) != raw.FPDF_PAGEOBJ_FORM or depth >= _FORM_DEPTH_MAX:
            yield drawn
            continue
        count = _bounded(raw.FPDFFormObj_CountObjects(drawn))
        below += [(raw.FPDFFormObj_GetObject(drawn, index), depth + 1) for index in range(count)]


def _bounded(count: int) -> int:
    return max(0, min(count, _OBJECTS_MAX))


def _area(drawn: raw.FPDF_PAGEOBJECT) -> float:
    """In square points."""
    left, bottom, right, top = (c_float() for _ in range(4))
    if not raw.FPDFPageObj_GetBounds(drawn, left, bottom, right, top):
        return 0.0
    return float(max(0.0, right.value - left.value) * max(0.0, top.value - bottom.value))


def _has_notes(page: pypdfium2.PdfPage) -> bool:
    """Whether it has notes, stamps or fields: everything but links."""
    for index in range(_bounded(raw.FPDFPage_GetAnnotCount(page))):
        note = raw.FPDFPage_GetAnnot(page, index)
        kind = raw.FPDFAnnot_GetSubtype(note) if note else raw.FPDF_ANNOT_UNKNOWN
        if note:
            raw.FPDFPage_CloseAnnot(note)
        if kind not in {raw.FPDF_ANNOT_LINK, raw.FPDF_ANNOT_POPUP}:
            return True
    return False
