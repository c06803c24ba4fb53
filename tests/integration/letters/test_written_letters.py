"""Letters written from templates: sound PDF/A-2b to strangers, neutral outside, and data that stays data."""

import io
import json
import re
import subprocess
import unicodedata
from datetime import date

import pikepdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdfium2 import PdfDocument

from gateway import limits
from gateway.catalogue import Catalogue
from gateway.config import Brev
from gateway.domain.message_type import LetterForm
from gateway.domain.routing import Road
from gateway.errors import DocumentError, TooLargeError
from gateway.letters import window
from gateway.letters.preflight import faults
from gateway.letters.render import Frame, render
from gateway.letters.screening import Known
from gateway.pipeline.letter_writing import LETTER
from tests.conftest import ROOT

FRAME = Frame(
    sender="Kommunen",
    return_address=("Postboks 7700", "5020 Bergen"),
    office="Barneverntjenesten i Bergen",
    recipient=("Kari Åse Nordmann", "Storgata 1", "5003 Bergen"),
    reference="2026/4711",
    day=date(2026, 11, 22),
)
KNOWN = Known(
    names=("Kari Åse Nordmann", "Prøve Márjá Čáhppes"),
    case_numbers=frozenset({"2026/4711"}),
    telling_words=(*Brev().ord_som_roper, "vedtak", "tiltak", "plan", "bergen"),
)
CATALOGUE = Catalogue.load()
LETTERS = {kind.name: kind for kind in CATALOGUE.types() if kind.letter is not None}
SAMPLES = {
    f"{path.parts[-4]}/{path.stem.removeprefix('valid-')}/{language}": (
        path.parts[-4],
        json.loads(path.read_bytes()),
        language,
    )
    for name in LETTERS
    for path in sorted((ROOT / "schemas" / name / "v1" / "samples").glob("valid-*.json"))
    for language in ("nb", "nn")
    if "dokument" not in json.loads(path.read_bytes())
}
SAMI = "čđŋšŧž áČĐŊŠŦŽÁ ǥǧǩʒǯ æøåÆØÅ üéñ"
HOSTILE = (
    '#read("/render.py") #import "@preview/x:1.0.0": * #{panic("a")} $x^2$ *b* _i_ `k` <l> @l = h - p + n / t: b // k \\ '
    '#eval("1+1") #sys.inputs ]) [ #show: it => [] ~ -- ... \' " https://example.test \\u{41} &amp; %s {0}'
)


def written(label: str, frame: Frame = FRAME) -> bytes:
    name, document, language = SAMPLES[label]
    return render(LETTERS[name].letter, language, frame, document)


def text_of(pdf: bytes) -> str:
    with PdfDocument(pdf) as opened:
        return "\n".join(page.get_textpage().get_text_range() for page in opened)


def squeezed(text: str) -> str:
    """Without blanks, and ligatures taken apart: where lines break is the layout's matter."""
    return re.sub(r"[\s\ufffe\u200b\u00ad]+", "", unicodedata.normalize("NFKC", text))


@pytest.fixture(scope="module")
def letters() -> dict[str, bytes]:
    return {label: written(label) for label in SAMPLES}


@pytest.mark.parametrize("label", SAMPLES)
def test_qpdf_and_pikepdf_find_a_sound_pdf_a_2b_with_every_font_in_it(letters, label, tmp_path) -> None:
    (tmp_path / "brev.pdf").write_bytes(letters[label])
    checked = subprocess.run(["qpdf", "--check", tmp_path / "brev.pdf"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    with pikepdf.open(io.BytesIO(letters[label])) as pdf:
        with pdf.open_metadata() as properties:
            assert properties.pdfa_status == "2B"
        (intent,) = pdf.Root.OutputIntents
        assert (intent.S, len(intent.DestOutputProfile.read_bytes()) > 100) == ("/GTS_PDFA1", True)
        fonts = [each for each in pdf.objects if isinstance(each, pikepdf.Dictionary) and "/FontDescriptor" in each]
        assert fonts
        assert all({"/FontFile", "/FontFile2", "/FontFile3"} & set(each.FontDescriptor.keys()) for each in fonts)
        assert str(pdf.Root.Lang) == SAMPLES[label][2] + "-NO"


@pytest.mark.parametrize("label", SAMPLES)
def test_our_own_pre_flight_lets_it_go_by_mailbox_and_on_paper_with_20_mm_to_the_left(
    letters, inspected, label
) -> None:
    seen = inspected(letters[label], KNOWN)

    for road in ("digipost:fodselsnummer", "digipost:post"):
        assert faults([seen], Road.parse(road), Brev()) == ()
    assert all(page.leftmost_mm >= 20 - 0.5 and not page.in_barcode_zone for page in seen.looked.pages)
    assert seen.findings.screened


@pytest.mark.proves("S74")
@pytest.mark.parametrize("label", SAMPLES)
def test_a_letter_s_window_file_name_and_properties_tell_nothing(letters, inspected, read, label) -> None:
    reading = read(letters[label])
    shown = reading.looked.window_text
    assert squeezed(shown) == squeezed("Kommunen, Postboks 7700, 5020 Bergen" + "".join(FRAME.recipient))
    assert window.neutral(shown, Brev().ord_som_roper)
    assert not inspected(letters[label], KNOWN).findings.telling_properties
    properties = " ".join(reading.looked.metadata)
    name, document, _ = SAMPLES[label]
    told = {text for _, text in texts(document) if len(text) > 4} - {document["dato"]}
    for content in ("Nordmann", "4711", "Bergen", *told):
        assert content not in properties
    assert window.neutral(LETTER, (*KNOWN.telling_words, name))


def test_the_same_letter_is_the_same_bytes_and_its_date_the_letter_s() -> None:
    label = "vedtak/hjelpetiltak/nb"
    first = written(label)
    assert written(label) == first
    with pikepdf.open(io.BytesIO(first)) as pdf:
        assert str(pdf.docinfo.CreationDate).startswith("D:20261122000000")
        assert {"/Author", "/Subject", "/Keywords"}.isdisjoint(pdf.docinfo.keys())


def test_sami_and_nordic_letters_come_out_as_they_went_in() -> None:
    name, document, language = SAMPLES["vedtak/hjelpetiltak/nn"]
    pdf = render(LETTERS[name].letter, language, FRAME, document | {"vedtak": SAMI, "gjelder": SAMI})

    assert squeezed(text_of(pdf)).count(squeezed(SAMI)) == 2


def texts(value: object, path: tuple = ()) -> list[tuple[tuple, str]]:
    """Every text of a document with its place."""
    if isinstance(value, dict):
        return [found for key, each in value.items() for found in texts(each, (*path, key))]
    if isinstance(value, list):
        return [found for key, each in enumerate(value) for found in texts(each, (*path, key))]
    return [(path, value)] if isinstance(value, str) else []


def with_text(document: dict, path: tuple, text: str) -> dict:
    made = json.loads(json.dumps(document))
    holder = made
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = text
    return made


@pytest.mark.parametrize("label", [label for label in SAMPLES if label.endswith("nb")])
def test_a_sign_of_mark_up_in_any_text_is_shown_and_never_obeyed(label) -> None:
    name, document, language = SAMPLES[label]
    free = [
        path
        for path, _ in texts(document)
        if not CATALOGUE.flaws(f"{name}.v1", with_text(document, path, HOSTILE[:190]))
    ]
    assert len(free) >= 1
    everywhere = document
    for path in free:
        everywhere = with_text(everywhere, path, HOSTILE)
    frame = Frame(HOSTILE, (HOSTILE,), HOSTILE, (HOSTILE,), HOSTILE, FRAME.day)

    shown = squeezed(text_of(render(LETTERS[name].letter, language, frame, everywhere)))

    of_frame = 6  # sender and return address, recipient, reference, and the office twice
    assert shown.count(squeezed(HOSTILE)) == len(free) + of_frame


def test_a_sign_that_no_letter_font_has_is_an_error_that_does_not_repeat_it() -> None:
    name, document, language = SAMPLES["vedtak/hjelpetiltak/nb"]
    for odd in ("漢字 hemmelig", "😀 hemmelig", "\u0e01 hemmelig"):
        with pytest.raises(DocumentError) as caught:
            render(LETTERS[name].letter, language, FRAME, document | {"vedtak": odd})
        assert "hemmelig" not in str(caught.value)
        assert caught.value.__cause__ is None


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12), st.text(max_size=30))
def test_whatever_a_text_holds_it_becomes_a_letter_or_our_own_error(odd: str, latin: str) -> None:
    name, document, language = SAMPLES["vedtak/hjelpetiltak/nb"]
    for text in (odd, latin.encode("latin-1", "replace").decode("latin-1")):
        try:
            made = render(LETTERS[name].letter, language, FRAME, document | {"begrunnelse": text})
        except DocumentError:
            continue
        assert made.startswith(b"%PDF-1.7")


def test_no_end_of_a_word_is_lost_outside_of_the_page() -> None:
    name, document, language = SAMPLES["vedtak/hjelpetiltak/nb"]
    long = "W" * 200
    frame = Frame(long, (long,), "n" * 100, (long,), "2026/" * 20, FRAME.day)
    with PdfDocument(
        render(LETTERS[name].letter, language, frame, document | {"vedtak": long * 9, "gjelder": long})
    ) as pdf:
        shown = [page.get_textpage() for page in pdf]
        right = max(page.get_charbox(number)[2] for page in shown for number in range(page.count_chars()))
        assert right <= (210 - 19) * 72 / 25.4
        assert squeezed("".join(page.get_text_range() for page in shown)).count("W") == 9 * 200 + 4 * 200


def test_a_template_reads_no_file_but_the_layout_s_neighbours() -> None:
    for path in (
        "/pyproject.toml",
        "/../limits.py",
        "/../../../../etc/hostname",
        "/etc/hostname",
        "/proc/self/environ",
    ):
        with pytest.raises(DocumentError):
            render(LetterForm({}, {"nb": f'#read("{path}")'}), "nb", FRAME, {})


def test_the_largest_letter_takes_seconds_at_most_and_a_larger_one_is_refused() -> None:
    name, document, language = SAMPLES["vedtak/hjelpetiltak/nb"]
    largest = {**document, "vedtak": "ord " * 5000, "begrunnelse": "x\n" * 10000, "barnetsMedvirkning": "y" * 20000}
    assert CATALOGUE.flaws("vedtak.v1", largest) == ()
    with PdfDocument(render(LETTERS[name].letter, language, FRAME, largest)) as pdf:
        assert len(pdf) > 20
    with pytest.raises(TooLargeError):
        render(LETTERS[name].letter, language, FRAME, document | {"vedtak": "a" * limits.LETTER_TEXT_BYTES_MAX})
