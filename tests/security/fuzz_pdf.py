"""PDFs, read as the gateway reads them: in a process of their own, which no small file may end."""

import atexit
from functools import cache

from gateway.errors import DocumentError
from gateway.letters.looked import TOO_HARD
from gateway.letters.reader import Reader
from tests import pdf_kit as kit
from tests.security import fuzz_mutations as damage
from tests.security.fuzz import Target

_WORDS = (
    *(b"<<", b">>", b"[", b"]", b"(", b")", b"<", b"%", b"obj", b"endobj", b"stream\n", b"endstream", b"R", b"xref", b"startxref"),
    *(b"trailer", b"/Type", b"/Font", b"/Page", b"/Pages", b"/Kids", b"/Parent 2 0 R", b"/Contents 1 0 R", b"/Length 99999999999"),
    *(b"/Filter[/FlateDecode/FlateDecode]", b"/Filter/LZWDecode", b"/DecodeParms<</Predictor 12/Columns 2147483647>>"),
    *(b"1 0 R", b"2 0 R", b"-1 0 R", b"99999999999 0 R", b"2147483648", b"-1", b"1e400", b"/Rotate 91", b"/MediaBox[0 0 1e9 1e9]"),
    *(b"/MediaBox[]", b"/UserUnit 1e30", b"/Count 2147483647", b"/Encrypt 1 0 R", b"/XFA", b"/S/JavaScript", b"q " * 3000, b"/F9 1 Tf"),
)  # fmt: skip
_PDF = damage.tokens(*_WORDS)


def pdf_target() -> Target:
    """Written by several programs, compressed and not, encrypted, with notes and files inside."""
    sound = kit.letter(["Brev"], ["Side to"])
    samples = [
        sound,
        kit.bare(kit.CATALOGUE, kit.PAGES, kit.PAGE, kit.stream(b"BT /F1 9 Tf (a) Tj ET"), "<< /S /URI /URI (x) >>"),
        kit.with_password(sound, to_open=False),
        kit.with_file(kit.with_field(sound, "verdi")),
        kit.with_xmp(kit.scan("Ord"), title="Brev"),
    ]
    return Target("pdf", _read, samples, (_PDF, _PDF, damage.octets, damage.lines), (DocumentError,), 250)


@cache
def _reader() -> Reader:
    made = Reader()
    atexit.register(made.close)
    return made


def _read(data: bytes) -> None:
    looked = _reader().read([data], len(data)).looked
    if looked.fault == TOO_HARD and len(data) < 1 << 18:
        message = "a small file ended its reader"
        raise AssertionError(message)
    if looked.fault is not None:
        raise DocumentError(looked.fault)
