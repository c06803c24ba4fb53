"""No letter passes our pre-flight that Digipost's own validator would not print (digipost.md 7).

The validator is the published library that Digipost's Java client looks at PDFs with (digipost/README.md); it needs no network.
"""

import subprocess
from collections.abc import Sequence
from functools import partial
from types import SimpleNamespace

import pikepdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pikepdf import Name

from gateway.config import Brev
from gateway.domain.routing import Road
from gateway.letters.inspection import PDF, Source, inspect
from gateway.letters.preflight import faults
from gateway.letters.reader import Reader
from gateway.letters.screening import Known
from tests import pdf_kit as kit
from tests.interop.fiks.kit import DIGIPOST, class_path

pytestmark = pytest.mark.timeout(120)

DIGITAL, PAPER = Road.parse("digipost:fodselsnummer"), Road.parse("digipost:post")
LYING = (kit.A4[1], kit.A4[0])
PLACES = st.tuples(st.floats(1, 200), st.floats(5, 205), st.sampled_from(["12", "Side", "Med vennlig hilsen"]))
SIZES = st.sampled_from([kit.A4, LYING, (612, 792), (kit.A4[0] - 5 * kit.MM, kit.A4[1])])


class Both:
    """Digipost's validator and our pre-flight, of the same PDF."""

    def __init__(self, folder):
        self._file = folder / "letter.pdf"
        with (folder / "log").open("wb") as log:
            self._java = subprocess.Popen(
                [
                    "java",
                    "-XX:+UseSerialGC",
                    "-XX:TieredStopAtLevel=1",
                    "-cp",
                    class_path(DIGIPOST),
                    "budstikke.Printable",
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                encoding="utf-8",
            )
        self._reader = Reader()

    def theirs(self, pdf):
        """What may be done with it, and why not."""
        self._file.write_bytes(pdf)
        self._java.stdin.write(f"{self._file}\n")
        self._java.stdin.flush()
        on_paper, digital, pages, errors = self._java.stdout.readline().split()
        names = set() if errors == "-" else set(errors.split(","))
        return SimpleNamespace(on_paper=on_paper == "true", digital=digital == "true", pages=int(pages), errors=names)

    def ours(self, pdf, road) -> Sequence[str]:
        source = Source("letter.pdf", PDF, len(pdf), partial(list, [pdf]))
        return [fault.code for fault in faults(inspect(self._reader, [source], Known()), road, Brev())]

    def close(self):
        self._java.stdin.close()
        self._java.wait(20)
        self._java.stdout.close()
        self._reader.close()


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    made = Both(tmp_path_factory.mktemp("print"))
    yield made
    made.close()


def strange_font(pdf):
    named = [one for one in pdf.objects if isinstance(one, pikepdf.Dictionary) and "/BaseFont" in one]
    for font in named:
        font["/BaseFont"] = Name("/Kommunesans")


SOUND = kit.letter()
UNFIT = {
    "broken": (b"ikke en PDF", "pdf-broken", "INVALID_PDF|PDF_PARSE_ERROR"),
    "no pages": (kit.bare(kit.CATALOGUE, "<< /Type /Pages /Kids [] /Count 0 >>"), "pdf-no-pages", "DOCUMENT_HAS_NO_PAGES"),
    "password": (kit.with_password(SOUND, to_open=False), "pdf-password", "PDF_IS_ENCRYPTED"),
    "version": (
        kit.changed(SOUND, lambda _: None, force_version="2.0"), "pdf-version", "UNSUPPORTED_PDF_VERSION_FOR_PRINT"
    ),
    "size": (kit.letter(size=(612, 792)), "pdf-not-a4", "UNSUPPORTED_DIMENSIONS"),
    "too narrow": (kit.letter(size=(kit.A4[0] - 11 * kit.MM, kit.A4[1])), "pdf-not-a4", "UNSUPPORTED_DIMENSIONS"),
    "code": (kit.letter(placed=[(5, 100, "12")]), "pdf-margin", "INSUFFICIENT_MARGIN_FOR_PRINT"),
    "code, lying": (kit.letter(size=LYING, placed=[(120, 205, "fot")]), "pdf-margin", "INSUFFICIENT_MARGIN_FOR_PRINT"),
    "pages": (kit.letter(*[["."]] * 21), "pdf-too-many-pages", "TOO_MANY_PAGES_FOR_AUTOMATED_PRINT"),
    "font": (kit.changed(kit.letter(font="Helvetica"), strange_font), "pdf-font-not-embedded", "REFERENCES_INVALID_FONT"),
}  # fmt: skip


@pytest.mark.parametrize("pages", [1, 20])
@pytest.mark.parametrize("size", [kit.A4, LYING])
@pytest.mark.parametrize("font", ["Vera", "Helvetica", "Times-Roman", "Courier-Bold"])
def test_a_sound_letter_is_one_for_both_and_has_as_many_pages(both, pages, size, font):
    pdf = kit.letter(*[["Brev"]] * pages, size=size, font=font)
    theirs = both.theirs(pdf)
    assert (theirs.on_paper, theirs.digital, theirs.pages, theirs.errors) == (True, True, pages, set())
    assert both.ours(pdf, PAPER) == both.ours(pdf, DIGITAL) == []


@pytest.mark.parametrize("case", UNFIT)
def test_what_digipost_does_not_print_is_kept_here_for_the_same_reason(both, case):
    pdf, code, errors = UNFIT[case]
    theirs = both.theirs(pdf)
    assert not theirs.on_paper
    assert theirs.errors & set(errors.split("|"))
    assert both.ours(pdf, PAPER) == [code]
    if not theirs.digital:
        assert both.ours(pdf, DIGITAL) == [code]


@pytest.mark.parametrize("size", [kit.A4, LYING])
def test_of_a_turned_page_text_is_seen_where_digipost_looks_for_it(both, size):
    """It takes the page's shape from before it is turned: the zone is another than that of the page as shown."""
    found = 0
    for left in range(10, 200, 20):
        down = [(left, top, "x") for top in range(10, 200, 9)]
        pdf = kit.rotated(kit.letter(["."], size=size, placed=down), 270)
        theirs = both.theirs(pdf)
        found += not theirs.on_paper
        assert theirs.on_paper or both.ours(pdf, PAPER) == ["pdf-margin"]
    assert found  # the control


@settings(max_examples=60)
@given(placed=st.lists(PLACES, max_size=3), size=SIZES, turned=st.sampled_from([0, 0, 90, 180, 270]))
def test_wherever_text_stands_no_letter_passes_that_digipost_would_not_print(both, placed, size, turned):
    pdf = kit.rotated(kit.letter(size=size, placed=placed), turned)
    theirs, ours = both.theirs(pdf), both.ours(pdf, PAPER)
    assert theirs.on_paper or ours, (theirs.errors, placed, size, turned)
