"""PDFs for tests: sound letters, and each way in which one can be unfit, made here and now."""

import io
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import pikepdf
import reportlab
from pikepdf import Array, Dictionary, Name, Pdf, String
from reportlab.lib.pagesizes import A4
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen import canvas

MM = 72 / 25.4
LINES = tuple(f"Dette er linje {number} i et brev uten innhold." for number in range(12))
Placed = tuple[float, float, str]
"""Millimetres from the left, and from the top of the page, and what stands there."""


def letter(
    *pages: Sequence[str], size: tuple[float, float] = A4, placed: Sequence[Placed] = (), font: str = "Vera"
) -> bytes:
    """One page of lines each, 25 mm from the left; on the first, texts at places of their own. Its properties are empty."""
    if font == "Vera":
        pdfmetrics.registerFont(TTFont("Vera", Path(reportlab.__file__).parent / "fonts/Vera.ttf"))
    made = io.BytesIO()
    sheet = canvas.Canvas(made, pagesize=size)
    for number, lines in enumerate(pages or (LINES,)):
        sheet.setFont(font, 10)
        for row, line in enumerate(lines):
            sheet.drawString(25 * MM, size[1] - (30 + 6 * row) * MM, line)
        for left, top, text in placed if number == 0 else ():
            sheet.drawString(left * MM, size[1] - top * MM, text)
        sheet.showPage()
    sheet.save()
    return changed(made.getvalue(), lambda pdf: pdf.trailer.__delitem__("/Info"))


def changed(pdf: bytes, change: Callable[[Pdf], object], **saving: object) -> bytes:
    """The same with something done to it."""
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        change(opened)
        made = io.BytesIO()
        opened.save(made, **saving)  # type: ignore[arg-type]
    return made.getvalue()


def with_password(pdf: bytes, *, to_open: bool) -> bytes:
    return changed(pdf, lambda _: None, encryption=pikepdf.Encryption(owner="eier", user="bruker" if to_open else ""))


def with_root(pdf: bytes, **entries: object) -> bytes:
    """Entries of the catalogue."""

    def put(opened: Pdf) -> None:
        for name, value in entries.items():
            opened.Root[f"/{name}"] = opened.make_indirect(value)

    return changed(pdf, put)


def script(code: str = "app.alert('hei')") -> Dictionary:
    return Dictionary(S=Name.JavaScript, JS=String(code))


def launch() -> Dictionary:
    return Dictionary(S=Name.Launch, F=String("start.exe"))


def with_file(pdf: bytes) -> bytes:
    def attach(opened: Pdf) -> None:
        opened.attachments["vedlegg.txt"] = b"noe annet"

    return changed(pdf, attach)


def with_properties(pdf: bytes, **values: str) -> bytes:
    def put(opened: Pdf) -> None:
        for name, value in values.items():
            opened.docinfo[f"/{name}"] = value

    return changed(pdf, put)


def with_xmp(pdf: bytes, **values: str) -> bytes:
    def put(opened: Pdf) -> None:
        with opened.open_metadata(set_pikepdf_as_editor=False) as properties:
            for name, value in values.items():
                properties[f"dc:{name}"] = value

    return changed(pdf, put)


def with_annotation(pdf: bytes, annotation: Dictionary) -> bytes:
    def put(opened: Pdf) -> None:
        opened.pages[0]["/Annots"] = Array([opened.make_indirect(annotation)])

    return changed(pdf, put)


def with_field(pdf: bytes, value: str) -> bytes:
    """A form with one field that is filled in."""

    def put(opened: Pdf) -> None:
        field = Dictionary(Type=Name.Annot, Subtype=Name.Widget, FT=Name.Tx, T=String("a"), V=String(value))
        field["/Rect"] = Array([60, 700, 300, 720])
        field = opened.make_indirect(field)
        opened.pages[0]["/Annots"] = Array([field])
        opened.Root["/AcroForm"] = Dictionary(Fields=Array([field]))

    return changed(pdf, put)


def rotated(pdf: bytes, degrees: int) -> bytes:
    def turn(opened: Pdf) -> None:
        for page in opened.pages:
            page["/Rotate"] = degrees

    return changed(pdf, turn)


def scan(words: str = "") -> bytes:
    """A page that is one grey picture, as a scanner makes it, with a few words of text above."""
    made = io.BytesIO()
    sheet = canvas.Canvas(made, pagesize=A4)
    sheet.drawInlineImage(_grey(), 0, 0, *A4)
    pdfmetrics.registerFont(TTFont("Vera", Path(reportlab.__file__).parent / "fonts/Vera.ttf"))
    sheet.setFont("Vera", 10)
    sheet.drawString(25 * MM, A4[1] - 30 * MM, words)
    sheet.save()
    return made.getvalue()


def _grey() -> object:
    from PIL import Image

    return Image.new("L", (20, 28), 200)


def bare(*objects: str | bytes, root: int = 1) -> bytes:
    """A file with exactly these objects, numbered from 1, and a sound table of them."""
    made, places = bytearray(b"%PDF-1.7\n"), []
    for number, body in enumerate(objects, 1):
        places.append(len(made))
        made += b"%d 0 obj\n" % number + (body.encode() if isinstance(body, str) else body) + b"\nendobj\n"
    start = len(made)
    made += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    made += b"".join(b"%010d 00000 n \n" % place for place in places)
    made += b"trailer\n<< /Size %d /Root %d 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, root, start)
    return bytes(made)


CATALOGUE = "<< /Type /Catalog /Pages 2 0 R >>"
PAGES = "<< /Type /Pages /Kids [3 0 R] /Count 1 >>"
PAGE = "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R >>"


def stream(data: bytes, entries: str = "") -> bytes:
    return b"<< /Length %d %s >>\nstream\n" % (len(data), entries.encode()) + data + b"\nendstream"


def deep(levels: int) -> bytes:
    """Lists in lists."""
    return bare(CATALOGUE, PAGES, PAGE, stream(b""), "[" * levels + "]" * levels)


def crowded(values: int) -> bytes:
    """One list of very many numbers."""
    return bare(CATALOGUE, PAGES, PAGE, stream(b""), "[" + "0 " * values + "]")


def swollen(mebibytes: int) -> bytes:
    """Properties of so many mebibytes of zeros in a two-hundredth of that."""
    packer = zlib.compressobj(1)
    head, piece = (packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    return with_metadata(head + piece * (mebibytes - 1) + packer.flush(), "/Filter /FlateDecode")


def with_metadata(octets: bytes, entries: str = "") -> bytes:
    """An empty page and properties that nobody tidied up."""
    catalogue = "<< /Type /Catalog /Pages 2 0 R /Metadata 5 0 R >>"
    return bare(catalogue, PAGES, PAGE, stream(b""), stream(octets, f"/Type /Metadata /Subtype /XML {entries}"))
