"""Where the fault of a hold is: in the right documents and on the right pages, wherever it was put."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import Brev
from gateway.domain.routing import Road
from gateway.letters.inspection import PDF, Inspected
from gateway.letters.looked import Looked, Page, Reading
from gateway.letters.preflight import faults
from gateway.letters.screening import Known, screen_pdf
from gateway.limits import HOLD_DOCUMENTS_TOLD, HOLD_PAGES_TOLD
from gateway.pipeline.hold_places import Place, Places, find, from_ref, named, to_ref
from gateway.pipeline.texts import HOLDS, told
from gateway.store.entry_fields import REFS

PAPER, BREV = Road.parse("digipost:post"), Brev()
STRANGER, MOTHER = "01819012012", "14838510036"  # made up: 80 was added to the month
KNOWN = Known(
    numbers=frozenset({MOTHER}),
    parents_numbers=frozenset({MOTHER}),
    case_numbers=frozenset({"2026/17"}),
    case_number_form=r"20\d{2}/\d{1,6}",
    municipalities=("Bergen kommune",),
    protected_addresses=("Storgata 12 B",),
    reporter_names=("Kari Hansen",),
)
WORDS = {
    "r02-case-number": "sak 2026/18",
    "r04-reporter-named": "Hansen, Kari",
    "r07-address-found": "Storgata 12 B",
    "r20-protected-address": "Storgata 12 B",
    "r20-foreign-number": STRANGER,
    "r20-other-case": "sak 2026/18",
    "r21-parents-number": MOTHER,
}
NOT_READ = ("r07-not-screened", "r20-not-screened", "r21-not-screened")
SOUND = Page(210, 297, blank=False, readable=True, in_barcode_zone=False, leftmost_mm=25)
ODD = {
    "pdf-not-a4": replace(SOUND, width_mm=216),
    "pdf-margin": replace(SOUND, leftmost_mm=5.0),
    **dict.fromkeys(NOT_READ, replace(SOUND, readable=False)),
}
WHOLE = {
    "pdf-password": Looked(encrypted=True, pages=(SOUND,)),
    "pdf-broken": Looked(fault="pdf-broken"),
    "pdf-script": Looked(scripts=1, pages=(SOUND,)),
    "pdf-launch": Looked(launches=1, pages=(SOUND,)),
    "pdf-embedded-file": Looked(embedded_files=1, pages=(SOUND,)),
    "pdf-form": Looked(xfa=1, pages=(SOUND,)),
    "pdf-font-not-embedded": Looked(fonts_missing=("X",), pages=(SOUND,)),
    "pdf-version": Looked(version="2.0", pages=(SOUND,)),
    "pdf-metadata-names": Looked(metadata=("Barnevern",), pages=(SOUND,)),
}
LETTERHEAD = "r20-other-municipality"
DOCUMENTS = st.lists(st.lists(st.booleans(), min_size=1, max_size=14), min_size=1, max_size=8)
"""Of each page of each document, whether the fault is there."""


def inspected(number, looked, texts=(), letterhead=""):
    findings = screen_pdf(Reading(looked, texts or ("",) * len(looked.pages), letterhead), KNOWN)
    telling = replace(findings, telling_properties=bool(looked.metadata))
    return Inspected(f"fil-{number}.pdf", PDF, 1000, looked, telling)


def found(code, seen):
    return find(code, faults(seen, PAPER, BREV), seen)


def expected(marked):
    """By the numbers of documents and pages, the first of them."""
    pages = {number: [page for page, there in enumerate(one, 1) if there] for number, one in enumerate(marked, 1)}
    faulty = [(number, on) for number, on in pages.items() if on]
    places = [Place(number, tuple(on[:HOLD_PAGES_TOLD]), len(on) > HOLD_PAGES_TOLD) for number, on in faulty]
    return Places(tuple(places[:HOLD_DOCUMENTS_TOLD]), len(places) > HOLD_DOCUMENTS_TOLD)


@given(code=st.sampled_from(sorted(WORDS)), marked=DOCUMENTS)
def test_words_of_a_finding_are_told_where_they_stand_and_nowhere_else(code, marked):
    """Beside them, on pages without them, stand words of other findings."""
    other = "Hansen, Kari" if code == "r20-foreign-number" else STRANGER
    seen = [
        inspected(number, Looked(pages=(SOUND,) * len(one)), tuple(WORDS[code] if there else other for there in one))
        for number, one in enumerate(marked, 1)
    ]
    assert found(code, seen) == expected(marked)


@given(code=st.sampled_from(sorted(ODD)), marked=DOCUMENTS)
def test_a_fault_of_pages_is_told_where_it_is_and_nowhere_else(code, marked):
    seen = [
        inspected(number, Looked(pages=tuple(ODD[code] if there else SOUND for there in one)))
        for number, one in enumerate(marked, 1)
    ]
    assert found(code, seen) == expected(marked)


@given(code=st.sampled_from(sorted(WHOLE)), marked=st.lists(st.booleans(), min_size=1, max_size=8))
def test_a_fault_of_a_whole_file_is_told_with_the_file_and_no_page(code, marked):
    seen = [
        inspected(number, WHOLE[code] if there else Looked(pages=(SOUND,))) for number, there in enumerate(marked, 1)
    ]
    places = found(code, seen)
    assert all(place.pages == () and not place.more_pages for place in places.documents)
    assert [place.document for place in places.documents] == [n for n, there in enumerate(marked, 1) if there][
        :HOLD_DOCUMENTS_TOLD
    ]


@given(marked=st.lists(st.booleans(), min_size=1, max_size=8))
def test_another_municipality_is_told_with_the_first_page_of_its_letter(marked):
    seen = [
        inspected(number, Looked(pages=(SOUND,) * 3), letterhead="Oslo kommune" if there else "Bergen kommune")
        for number, there in enumerate(marked, 1)
    ]
    assert found(LETTERHEAD, seen) == expected([[there] for there in marked])


def test_what_is_in_a_file_and_on_no_page_is_told_with_the_file_alone():
    reading = Reading(Looked(pages=(SOUND,)), ("",), asides=(STRANGER,))
    seen = [Inspected("fil.pdf", PDF, 1000, reading.looked, screen_pdf(reading, KNOWN))]
    assert found("r20-foreign-number", seen) == Places((Place(1),))


def test_a_hold_without_a_place_has_none_however_many_faults_there_are():
    everywhere = " ".join(WORDS.values())
    worst = [
        inspected(1, Looked(pages=tuple(ODD.values())), (everywhere,) * len(ODD), "Oslo kommune"),
        *(inspected(number, looked) for number, looked in enumerate(WHOLE.values(), 2)),
    ]
    placed = {code for code in HOLDS if found(code, worst).documents}
    assert placed == {*WORDS, *ODD, *WHOLE, LETTERHEAD}
    assert {code for code in HOLDS if found(code, []).documents} == set()


PLACES = st.builds(
    Places,
    st.lists(
        st.builds(
            Place,
            st.integers(1, 9999),
            st.lists(st.integers(1, 9999), max_size=HOLD_PAGES_TOLD).map(tuple),
        ).flatmap(lambda one: st.booleans().map(lambda more: replace(one, more_pages=more and bool(one.pages)))),
        min_size=1,
        max_size=HOLD_DOCUMENTS_TOLD,
    ).map(tuple),
    st.booleans(),
)


@given(PLACES)
def test_the_journal_gives_back_every_place_and_its_list_of_fields_has_room_for_it(places):
    assert from_ref(to_ref(places)) == places
    assert REFS["places"].fullmatch(to_ref(places))


@pytest.mark.proves("S96")
@pytest.mark.parametrize("text", ["brev.pdf", "01819012012", "2:01819012012", "2 brev", "2:1 ", "", "+", "2:+"])
def test_the_journal_takes_nothing_but_small_numbers_for_a_place(text):
    assert REFS["places"].fullmatch(text) is None


@given(PLACES)
def test_the_sentence_tells_every_number_and_name_once_in_order(places):
    names = [f"<{number}>" for number in range(1, 10_000)]
    sentence = told("pdf-margin", named(places, names)).removeprefix(HOLDS["pdf-margin"])
    numbers = [n for place in places.documents for n in (place.document, place.document, *place.pages)]
    assert list(map(int, re.findall(r"\d+", sentence))) == numbers
    assert sentence.count("flere") == places.more_documents + sum(place.more_pages for place in places.documents)


@pytest.mark.parametrize(
    ("kept", "sentence"),
    [
        ("2", "Gjelder dokument 2."),
        ("2:3", "Gjelder dokument 2, side 3."),
        ("2:1,3,7", "Gjelder dokument 2, side 1, 3 og 7."),
        ("2:1,3+ 4 +", "Gjelder dokument 2, side 1, 3 og flere; dokument 4; og flere dokumenter."),
    ],
)
def test_people_read_places_in_bokmal(kept, sentence):
    assert told("pdf-margin", from_ref(kept)) == f"{HOLDS['pdf-margin']} {sentence}"
