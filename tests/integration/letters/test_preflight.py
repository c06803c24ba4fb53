"""What keeps a letter's PDFs here, on each kind of road: real files, read as the gateway reads them."""

import json
import subprocess

import pytest
from pikepdf import Array, Dictionary, Name, ObjectStreamMode, String

from gateway.config import Brev, Vei
from gateway.domain.routing import Road
from gateway.errors import DocumentError
from gateway.letters.inspection import from_record, to_record
from gateway.letters.preflight import faults
from gateway.letters.screening import Known
from gateway.pipeline.texts import HOLDS
from tests import pdf_kit as kit

DIGITAL, PAPER = Road.parse("digipost:fodselsnummer"), Road.parse("digipost:post")
BREV = Brev()
SOUND = kit.letter()
KNOWN = Known(
    names=("Kari Åse Nordmann", "Li Bo"), case_numbers=frozenset({"2026/17"}), telling_words=BREV.ord_som_roper
)


def codes(inspected, pdf, road, brev=BREV, known=KNOWN):
    return [fault.code for fault in faults([inspected(pdf, known)], road, brev)]


ACTIVE = {
    "a script that runs when it is opened": (lambda: kit.with_root(SOUND, OpenAction=kit.script()), "pdf-script"),
    "a script by its name": (
        lambda: kit.with_root(SOUND, Names=Dictionary(JavaScript=Dictionary(Names=Array([String("a"), kit.script()])))),
        "pdf-script",
    ),
    "a script in an object that nothing uses": (
        lambda: kit.bare(kit.CATALOGUE, kit.PAGES, kit.PAGE, kit.stream(b""), "<< /S /JavaScript /JS (app.alert) >>"),
        "pdf-script",
    ),
    "a script behind an escaped name": (
        lambda: kit.bare(
            kit.CATALOGUE, kit.PAGES, kit.PAGE, kit.stream(b""), "<< /S /Java#53cript /J#53 (app.alert) >>"
        ),
        "pdf-script",
    ),
    "a script as a second action": (
        lambda: kit.with_root(SOUND, OpenAction=Dictionary(S=Name.GoTo, D=String("x"), Next=Array([kit.script()]))),
        "pdf-script",
    ),
    "a script in an object packed with others": (
        lambda: kit.changed(
            kit.with_root(SOUND, OpenAction=kit.script()), lambda _: None, object_stream_mode=ObjectStreamMode.generate
        ),
        "pdf-script",
    ),
    "a program that it starts": (lambda: kit.with_root(SOUND, OpenAction=kit.launch()), "pdf-launch"),
    "a form that it sends": (
        lambda: kit.with_annotation(
            SOUND,
            Dictionary(Type=Name.Annot, Subtype=Name.Link, Rect=Array([0, 0, 9, 9]), A=Dictionary(S=Name.SubmitForm)),
        ),
        "pdf-launch",
    ),
    "a file inside": (lambda: kit.with_file(SOUND), "pdf-embedded-file"),
    "a film": (
        lambda: kit.with_annotation(
            SOUND, Dictionary(Type=Name.Annot, Subtype=Name.RichMedia, Rect=Array([0, 0, 9, 9]))
        ),
        "pdf-embedded-file",
    ),
    "an XFA form": (
        lambda: kit.with_root(SOUND, AcroForm=Dictionary(Fields=Array([]), XFA=String("<xdp/>"))),
        "pdf-form",
    ),
}

TELLING = {
    "a party's name as title": lambda: kit.with_properties(SOUND, Title="Vedtak Kari Nordmann"),
    "a part of the name, in capitals": lambda: kit.with_properties(SOUND, Author="ÅSE"),
    "the case's number as subject": lambda: kit.with_properties(SOUND, Subject="Sak 2026/17"),
    "a telling word among the keywords": lambda: kit.with_properties(SOUND, Keywords="brev, Barnevernvakten"),
    "a letter-spaced telling word": lambda: kit.with_properties(SOUND, Title="B A R N E V E R N"),
    "a property of somebody's own": lambda: kit.with_properties(SOUND, Klient="Nordmann, K."),
    "a name in XMP": lambda: kit.with_xmp(SOUND, title="Brev til Kari"),
    "a name in XMP, written with references": lambda: kit.with_metadata(b'<x:xmpmeta><a b:c="&#75;ari"/></x:xmpmeta>'),
    "a name in XMP, behind much else": lambda: kit.with_metadata(b"<a>" + b"x " * 5000 + b" Kari</a>"),
    "a name in XMP, as it is": lambda: kit.with_metadata(b"<a><![CDATA[Kari]]></a>"),
    "a name in XMP, in UTF-16": lambda: kit.with_metadata("<a>Kari</a>".encode("utf-16")),
}


def test_a_sound_letter_has_no_fault_on_any_road_and_qpdf_agrees(inspected, tmp_path):
    for pdf in (SOUND, kit.letter(kit.LINES, kit.LINES, size=(kit.A4[1], kit.A4[0]))):
        assert codes(inspected, pdf, DIGITAL) == codes(inspected, pdf, PAPER) == []
        (tmp_path / "brev.pdf").write_bytes(pdf)
        checked = subprocess.run(["qpdf", "--check", tmp_path / "brev.pdf"], capture_output=True, check=False)
        assert checked.returncode == 0, checked.stderr


@pytest.mark.proves("S35")
@pytest.mark.parametrize("case", ACTIVE)
def test_active_parts_keep_a_letter_here_on_every_road(inspected, case):
    make, code = ACTIVE[case]
    assert code in codes(inspected, make(), DIGITAL)
    assert code in codes(inspected, make(), PAPER)


@pytest.mark.parametrize("case", TELLING)
def test_properties_that_tell_keep_a_letter_here(inspected, case):
    assert codes(inspected, TELLING[case](), DIGITAL) == ["pdf-metadata-names"]


def test_control_properties_that_tell_nothing_are_none(inspected):
    named = kit.with_properties(
        SOUND, Title="Brev fra kommunen", Producer="Karisoft", Subject="12026/17 2026/170 2026-17"
    )
    assert codes(inspected, kit.with_xmp(named, title="Brev"), PAPER) == []


@pytest.mark.parametrize(
    ("pdf", "code"),
    [
        (b"", "pdf-broken"),
        (b"ikke en PDF", "pdf-broken"),
        (SOUND[:-200], "pdf-broken"),
        (SOUND[: len(SOUND) // 2], "pdf-broken"),
        (kit.with_password(SOUND, to_open=True), "pdf-password"),
        (kit.bare(kit.CATALOGUE, "<< /Type /Pages /Kids [] /Count 0 >>"), "pdf-no-pages"),
        (kit.bare(kit.CATALOGUE, "<< /Type /Pages /Kids [2 0 R] /Count 1 >>"), "pdf-broken"),
    ],
)
def test_what_cannot_be_read_is_told_and_nothing_else_of_it(inspected, pdf, code):
    assert codes(inspected, pdf, DIGITAL) == codes(inspected, pdf, PAPER) == [code]
    assert not inspected(pdf).findings.screened


@pytest.mark.parametrize(
    ("pdf", "code", "pages", "detail"),
    [
        (kit.letter(size=(kit.A4[0] * 1.41, kit.A4[1] * 1.41)), "pdf-not-a4", (1,), ""),  # A3
        (kit.letter(size=(612, 792)), "pdf-not-a4", (1,), ""),  # US letter: 216 mm wide
        (kit.letter(size=(7000, 9000)), "pdf-not-a4", (1,), ""),
        (kit.letter(placed=[(5, 100, "12")]), "pdf-margin", (1,), ""),
        (kit.letter(placed=[(16, 250, "Side")]), "pdf-margin", (1,), ""),
        (kit.rotated(kit.letter(size=(kit.A4[1], kit.A4[0]), placed=[(150, 205, "fot")]), 90), "pdf-margin", (1,), ""),
        (kit.letter(size=(kit.A4[1], kit.A4[0]), placed=[(120, 205, "fot")]), "pdf-margin", (1,), ""),
        (kit.with_password(SOUND, to_open=False), "pdf-password", (), ""),
        (kit.changed(SOUND, lambda _: None, force_version="2.0"), "pdf-version", (), "2.0"),
    ],
)
def test_what_cannot_be_printed_may_still_go_digitally(inspected, pdf, code, pages, detail):
    assert codes(inspected, pdf, DIGITAL) == []
    (fault,) = faults([inspected(pdf)], PAPER, BREV)
    assert (fault.code, fault.document, fault.pages, fault.detail) == (code, "brev.pdf", pages, detail)


@pytest.mark.parametrize("turned", [90, 180, 270])
def test_a_page_that_is_turned_is_judged_as_it_shows(inspected, turned):
    """A sound upright page, lying or on its head: its text stands in no margin by which it is printed."""
    looked = inspected(kit.rotated(SOUND, turned)).looked
    (page,) = looked.pages
    assert (page.width_mm < page.height_mm) == (turned == 180)
    wide = 297 if turned != 180 else 210
    assert page.leftmost_mm is not None
    assert 0 < page.leftmost_mm < wide


def test_a_font_that_does_not_come_along_is_named_and_the_common_ones_need_not(inspected):
    unknown = kit.changed(
        kit.letter(font="Helvetica"),
        lambda pdf: [
            font.__setitem__("/BaseFont", Name("/Kommunesans")) for font in pdf.objects if "/BaseFont" in font
        ],
    )
    (fault,) = faults([inspected(unknown)], DIGITAL, BREV)
    assert (fault.code, fault.detail) == ("pdf-font-not-embedded", "Kommunesans")
    assert (
        codes(inspected, kit.letter(font="Helvetica"), PAPER)
        == codes(inspected, kit.letter(font="Courier-Bold"), PAPER)
        == []
    )


def test_pages_are_counted_over_all_documents_and_by_the_road(inspected):
    long = inspected(kit.letter(*[["."]] * 11))
    assert faults([long], PAPER, BREV) == ()
    assert [fault.code for fault in faults([long, long], PAPER, BREV)] == ["pdf-too-many-pages"]
    assert faults([long, long], DIGITAL, BREV) == ()
    narrow = Brev(veier={"digipost:fodselsnummer": Vei(sider_maks=10, oktetter_maks=100)})
    assert [fault.code for fault in faults([long], DIGITAL, narrow)] == ["pdf-too-many-pages", "pdf-too-large"]


def test_two_hundred_pages_are_looked_at_and_the_next_one_is_too_many(inspected):
    assert codes(inspected, kit.letter(*[["Side"]] * 200), DIGITAL) == []
    assert codes(inspected, kit.letter(*[["Side"]] * 201), DIGITAL) == ["pdf-too-many-pages"]


def test_what_no_road_takes_for_its_length_is_not_even_read(inspected):
    kids = "3 0 R " * 1001
    endless = kit.bare(kit.CATALOGUE, f"<< /Type /Pages /Kids [{kids}] /Count 1001 >>", kit.PAGE, kit.stream(b""))
    assert codes(inspected, endless, DIGITAL) == ["pdf-too-many-pages"]


def test_a_type_that_the_road_does_not_take_keeps_a_letter_here(inspected):
    found = inspected(b"{}", media_type="application/json")
    assert [fault.code for fault in faults([found], DIGITAL, BREV)] == ["file-type-not-allowed"]
    taken = Brev(
        veier={str(road): Vei(media_typer=("application/pdf", "application/json")) for road in (DIGITAL, PAPER)}
    )
    assert faults([found], DIGITAL, taken) == ()
    assert [fault.code for fault in faults([found], PAPER, taken)] == ["file-type-not-allowed"]


def test_every_fault_has_a_text_that_says_what_to_do(inspected):
    pdfs = [make() for make, _ in ACTIVE.values()] + [kit.letter(size=(100, 100)), SOUND[:99]]
    found = {fault.code for pdf in pdfs for fault in faults([inspected(pdf)], PAPER, BREV)}
    assert found
    assert found <= set(HOLDS)


def test_what_was_seen_is_read_back_as_it_was_kept(inspected):
    pdfs = [SOUND, b"", kit.with_file(SOUND), kit.with_properties(SOUND, Title="\U0001f600 Kari")]
    seen = tuple(inspected(pdf, KNOWN) for pdf in pdfs)
    assert from_record(to_record(seen)) == seen


def test_a_record_of_an_older_gateway_is_no_record(inspected):
    """It had one list of pages for all that was found; its documents are looked at anew."""
    (told,) = json.loads(to_record([inspected(SOUND)]))
    told["findings"]["pages"] = [1, 2]
    with pytest.raises(DocumentError):
        from_record(json.dumps([told]).encode())
