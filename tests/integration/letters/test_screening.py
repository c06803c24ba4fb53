"""The text of real documents is read where it stands, and a page whose words were not read says so."""

import json

import pytest
from pikepdf import Array, Dictionary, Name, String

from gateway.letters.inspection import from_record, to_record
from gateway.letters.screening import Known
from tests import pdf_kit as kit

NUMBER = "01819012012"  # made up: 80 was added to the month
KNOWN = Known(
    case_numbers=frozenset({"2026/17"}),
    case_number_form=r"20\d{2}/\d{1,6}",
    municipalities=("Bergen kommune",),
    protected_addresses=("Storgata 12 B",),
    reporter_names=("Kari Hansen",),
)


def found(inspected, content, media_type="application/pdf", known=KNOWN):
    return inspected(content, known, media_type).findings


def test_what_is_sought_is_found_on_its_page_and_the_text_is_not_kept(inspected):
    pages = [
        ["Brev"],
        [f"Gjelder {NUMBER[:6]} {NUMBER[6:]}, sak 2026/18."],
        ["Ingenting"],
        ["Storgata 12 B", "Hansen, Kari"],
    ]
    seen = inspected(kit.letter(*pages), KNOWN)
    findings = seen.findings
    assert findings.screened
    assert (findings.foreign_numbers, findings.other_case_numbers) == (1, 1)
    assert (findings.protected_addresses, findings.reporters_names) == (1, 1)
    assert findings.pages == {
        "foreign_numbers": (2,),
        "other_case_numbers": (2,),
        "protected_addresses": (4,),
        "reporters_names": (4,),
    }
    record = to_record([seen])
    assert not [word for word in (NUMBER, NUMBER[6:], "2026/18", "Storgata", "Hansen") if word.encode() in record]
    assert from_record(record) == (seen,)


def test_a_number_is_found_wherever_a_pdf_can_keep_it(inspected):
    sound = kit.letter()
    note = Dictionary(Type=Name.Annot, Subtype=Name.Text, Contents=String(NUMBER), Rect=Array([0, 0, 20, 20]))
    places = {
        "a field": kit.with_field(sound, NUMBER),
        "a note": kit.with_annotation(sound, note),
        "a heading": kit.with_root(sound, Outlines=Dictionary(First=Dictionary(Title=String(NUMBER)), Count=1)),
        "what is read aloud": kit.with_root(
            sound, StructTreeRoot=Dictionary(K=Dictionary(S=Name.P, ActualText=String(NUMBER)))
        ),
        "white on white": kit.changed(
            sound, lambda pdf: _append(pdf, f"BT 1 1 1 rg /F9 8 Tf 60 60 Td ({NUMBER}) Tj ET")
        ),
        "a stamp's looks": kit.changed(sound, _stamp),
    }
    missed = [place for place, pdf in places.items() if found(inspected, pdf).foreign_numbers != 1]
    assert missed == []


def _append(pdf, content):
    font = Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica)
    pdf.pages[0].Resources["/Font"]["/F9"] = pdf.make_indirect(font)
    pdf.pages[0].contents_add(content.encode())


def _stamp(pdf):
    font = Dictionary(F9=Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica))
    looks = pdf.make_stream(f"BT /F9 10 Tf 5 5 Td ({NUMBER}) Tj ET".encode())
    for name, value in {"Type": Name.XObject, "Subtype": Name.Form, "BBox": Array([0, 0, 200, 20])}.items():
        looks[f"/{name}"] = value
    looks["/Resources"] = Dictionary(Font=font)
    stamp = Dictionary(
        Type=Name.Annot, Subtype=Name.Stamp, Rect=Array([60, 400, 260, 420]), AP=Dictionary(N=looks), F=4
    )
    pdf.pages[0]["/Annots"] = Array([pdf.make_indirect(stamp)])


@pytest.mark.parametrize(
    ("make", "screened"),
    [
        (kit.letter, True),
        (lambda: kit.letter([]), True),
        (kit.scan, False),
        (lambda: kit.scan("Side 1 av 1"), False),
        (lambda: kit.scan("Ord " * 30), False),
        (lambda: b"%PDF-1.7", False),
    ],
    ids=["text", "a blank page", "a scanned page", "with a header", "with some words", "broken"],
)
def test_a_page_whose_words_were_not_read_says_so(inspected, make, screened):
    assert found(inspected, make()).screened is screened


def test_text_whose_letters_have_no_code_was_not_read(inspected):
    """It shows words; what is read of it is other signs or none."""

    def take_away(pdf):
        for font in pdf.objects:
            if "/ToUnicode" in font:
                del font["/ToUnicode"]

    letter = kit.letter(["Åpne møter på Sørøya æ ø å"] * 3)
    assert found(inspected, letter).screened  # the control
    assert not found(inspected, kit.changed(letter, take_away)).screened


def test_a_letterhead_of_another_municipality_is_found_in_its_upper_part_alone(inspected):
    assert found(inspected, kit.letter(["Oslo kommune"])).other_municipalities == 1
    assert found(inspected, kit.letter(["Bergen kommune"])).other_municipalities == 0
    low = kit.letter(["Bergen kommune"], placed=[(25, 120, "Saken kom fra Oslo kommune")])
    assert found(inspected, low).other_municipalities == 0


@pytest.mark.parametrize(
    ("media_type", "content"),
    [
        ("application/json", json.dumps({"a": [{"b": NUMBER}]})),
        ("application/json", json.dumps({NUMBER: 1})),
        ("application/json", f'{{"a": "\\u0030{NUMBER[1:]}"}}'),
        ("application/xml", f"<a><b>{NUMBER}</b></a>"),
        ("application/xml", f'<a fnr="{NUMBER}"/>'),
        ("application/xml", f"<a>&#48;{NUMBER[1:]}</a>"),
        ("application/xml", f"<a>{NUMBER[:6]}<b/>{NUMBER[6:]}</a>"),
        ("text/plain", f"\ufeff{NUMBER}"),
    ],
)
def test_data_are_screened_as_text(inspected, media_type, content):
    findings = found(inspected, content.encode(), media_type)
    assert (findings.screened, findings.foreign_numbers, findings.pages) == (True, 1, {"foreign_numbers": (0,)})


@pytest.mark.parametrize(
    ("media_type", "content"),
    [
        ("application/json", b'{"a": '),
        ("application/json", b"[" * 100_000),
        ("application/json", b'"\xff"'),
        ("application/xml", b"\xff\xfe<"),
        ("application/zip", b"PK"),
        ("text/plain", b" " * (4 * 1024 * 1024 + 1)),
    ],
    ids=["cut", "deep", "no UTF-8", "UTF-16", "no text", "too long"],
)
def test_data_that_cannot_be_read_say_so(inspected, media_type, content):
    assert not found(inspected, content, media_type).screened
