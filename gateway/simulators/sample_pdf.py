"""The printable part of a sample report: about 100 kB, the same bytes for the same report, made on demand.

Pages of text and one that stands for a scanned attachment, since that is what makes real reports large. (reportlab has no
types of its own.)
"""

import hashlib
import io
from collections.abc import Iterable
from textwrap import wrap
from typing import Final

from reportlab.lib.pagesizes import A4  # type: ignore[import-untyped]
from reportlab.lib.units import mm  # type: ignore[import-untyped]
from reportlab.lib.utils import ImageReader  # type: ignore[import-untyped]
from reportlab.pdfgen.canvas import Canvas  # type: ignore[import-untyped]

SCAN_PIXELS: Final = (240, 320)
"""Width and height of the scan, one octet a pixel and none of it compressible: it decides the size of the file."""

_LINE_CHARS: Final = 88
_LINE_MM: Final = 5.5
_TOP_MM, _BOTTOM_MM, _LEFT_MM = 265, 25, 22


def make_pdf(title: str, paragraphs: Iterable[str]) -> bytes:
    """Build the PDF of a report. Deterministic: no time, no random identifier in it."""
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A4, invariant=1, pageCompression=1)
    canvas.setTitle(title)
    canvas.setFont("Helvetica-Bold", 14)
    canvas.drawString(_LEFT_MM * mm, 278 * mm, title)
    _write(canvas, paragraphs)
    _attach_scan(canvas, title)
    canvas.save()
    return out.getvalue()


def _write(canvas: Canvas, paragraphs: Iterable[str]) -> None:
    height = float(_TOP_MM)
    canvas.setFont("Helvetica", 11)
    for paragraph in paragraphs:
        for line in [*(wrap(paragraph, _LINE_CHARS) or [""]), ""]:
            if height < _BOTTOM_MM:
                canvas.showPage()
                canvas.setFont("Helvetica", 11)
                height = _TOP_MM
            canvas.drawString(_LEFT_MM * mm, height * mm, line)
            height -= _LINE_MM
    canvas.showPage()


def _attach_scan(canvas: Canvas, seed: str) -> None:
    width, height = SCAN_PIXELS
    grey = hashlib.shake_256(seed.encode()).digest(width * height)
    graymap = f"P5 {width} {height} 255\n".encode() + grey
    canvas.setFont("Helvetica", 11)
    canvas.drawString(_LEFT_MM * mm, 278 * mm, "Vedlegg 1: oppdiktet skannet side")
    canvas.drawImage(ImageReader(io.BytesIO(graymap)), _LEFT_MM * mm, 60 * mm, width=150 * mm, height=200 * mm)
    canvas.showPage()
