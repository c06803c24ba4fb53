"""PDFs for letters: a page of text with its font in it, and a page that is a scan of any size."""

import io
import random
from collections.abc import Iterator
from functools import cache
from typing import Final

from reportlab.lib.pagesizes import A4  # type: ignore[import-untyped]
from reportlab.pdfbase import pdfmetrics  # type: ignore[import-untyped]
from reportlab.pdfbase.ttfonts import TTFont  # type: ignore[import-untyped]
from reportlab.pdfgen.canvas import Canvas  # type: ignore[import-untyped]

from gateway import limits

_LINES: Final = 30
_LEFT, _TOP, _STEP = 72, 500, 15
_FONT: Final = "Vera"  # comes with reportlab
_ROW: Final = 1000  # octets, and so pixels, in a row of a scan


@cache
def _font() -> str:
    pdfmetrics.registerFont(TTFont(_FONT, f"{_FONT}.ttf"))
    return _FONT


def written(number: int) -> bytes:
    """A letter of one page; each number is another one."""
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A4, invariant=1)
    canvas.setFont(_font(), 11)
    canvas.drawString(_LEFT, _TOP, f"Dette er oppdiktet brev nummer {number}.")
    for line in range(1, _LINES):
        canvas.drawString(_LEFT, _TOP - _STEP * line, "Vi viser til møtet, og til planen som vi laget sammen.")
    canvas.save()
    return bytes(out.getvalue())


def scanned(rows: int) -> Iterator[bytes]:
    """A page that is a grey picture of so many rows of 1 000 octets, none of them compressible; in pieces."""
    picture = f"<</Type/XObject/Subtype/Image/Width {_ROW}/Height {rows}/ColorSpace/DeviceGray/BitsPerComponent 8/Length {_ROW * rows}>>"
    show = b"q 400 0 0 400 90 200 cm /I Do Q"
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</XObject<</I 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%b\nendstream" % (len(show), show),
    )
    head, places = bytearray(b"%PDF-1.7\n"), []
    for number, content in enumerate(objects, start=1):
        places.append(len(head))
        head += b"%d 0 obj %b endobj\n" % (number, content)
    places.append(len(head))
    head += b"5 0 obj %b stream\n" % picture.encode()
    yield bytes(head)
    chance = random.Random(rows)  # noqa: S311  filling, no secret
    left = _ROW * rows
    while left:
        size = min(limits.CHUNK_BYTES, left)
        yield chance.randbytes(size)
        left -= size
    end = b"\nendstream endobj\n"
    yield end + _table(places, len(head) + _ROW * rows + len(end))


def _table(places: list[int], at: int) -> bytes:
    """Where each object is, and where this table is."""
    lines = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(places) + 1
    return b"xref\n0 %d\n0000000000 65535 f \n%btrailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (
        size,
        lines,
        size,
        at,
    )
