"""What a text points to is found as people and programs write it, and nothing is found where there is nothing."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.config import Brev
from gateway.domain.identity_number import is_identity_number
from gateway.letters.traces import Known, Search, identity_numbers, plain_words, telling, visible
from gateway.limits import MIB


def controlled(nine):
    """Nine digits with their two control digits; None where there are none."""
    for last in range(100):
        if is_identity_number(f"{nine}{last:02}"):
            return f"{nine}{last:02}"
    return None


BORN = [
    controlled(f"{day:02}{month:02}90{individual}")
    for day, month, individual in [(1, 1, 123), (41, 1, 124), (1, 81, 125), (1, 41, 126)]
]
NUMBER = next(number for number in BORN if number)
KINDS = [number for number in BORN if number]

WRITTEN = {
    "together": "{}",
    "with a blank after six": "{0[0]} {0[1]}",
    "with a hyphen": "{0[0]}-{0[1]}",
    "the day with dots": "{0[2]}.{0[3]}.{0[4]} {0[1]}",
    "the day with dots and the whole year": "{0[2]}.{0[3]}.19{0[4]} {0[1]}",
    "the last five in two": "{0[0]} {0[5]} {0[6]}",
    "in a sentence": "Fnr. {}.",
    "after a letter": "fnr{}",
    "broken over lines after six": "{0[0]}\r\n{0[1]}",
    "broken over lines anywhere": "{0[7]}\n{0[8]}",
    "broken with a hyphen": "{0[7]}-\r\n  {0[8]}",
}


def written(form, number):
    parts = (
        number[:6], number[6:], number[:2], number[2:4], number[4:6], number[6:9], number[9:], number[:8], number[8:]
    )  # fmt: skip
    return form.format(number) if "{}" in form else form.format(parts)


@pytest.mark.parametrize("form", WRITTEN)
@pytest.mark.parametrize("number", KINDS)
def test_an_identity_number_is_found_as_it_is_written(form, number):
    assert identity_numbers(visible(f"Navn Navnesen, {written(WRITTEN[form], number)} er part.")) == {number}


DISGUISES = {
    "full width": lambda number: "".join(chr(0xFF10 + int(digit)) for digit in number),
    "bold, of mathematics": lambda number: "".join(chr(0x1D7CE + int(digit)) for digit in number),
    "O and l": lambda number: number.replace("0", "O").replace("1", "l"),
    "one o and one I": lambda number: number.replace("0", "o", 1).replace("1", "I", 1),
    "soft hyphens": "\u00ad".join,
    "joined by what shows nothing": "\u200b".join,
    "a soft hyphen at the end of a line, as PDFium tells it": lambda number: f"{number[:4]}\x02\r\n{number[4:]}",
    "letter-spaced": " ".join,
    "a blank that does not break": lambda number: f"{number[:6]}\u00a0{number[6:]}",
    "a thin blank": lambda number: f"{number[:6]}\u2009{number[6:]}",
}


@pytest.mark.parametrize("disguise", DISGUISES)
def test_an_identity_number_in_disguise_is_found(disguise):
    assert identity_numbers(visible(f"Fnr {DISGUISES[disguise](NUMBER)} her")) == {NUMBER}


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"1{NUMBER}",
        f"{NUMBER}1",
        NUMBER[:10],
        NUMBER[:10] + str((int(NUMBER[10]) + 1) % 10),
        "Konto 1234 56 78903",
        "Tlf. 55 56 62 00 og 55 56 62 01",
        "Olli Illo lO Il OOO",
    ],
)
def test_control_what_is_no_identity_number_is_none(text):
    assert identity_numbers(visible(text)) == frozenset()


@given(st.text(alphabet="0123456789 .-\nOl\u00ad", max_size=80))
def test_whatever_is_found_is_a_number_whose_digits_stand_there_in_this_order(text):
    digits = re.sub(r"[^0-9]", "", visible(text).translate(str.maketrans("Ol", "01")))
    for number in identity_numbers(visible(text)):
        assert is_identity_number(number)
        assert number in digits or number[:4] + "19" + number[4:] in digits or number[:4] + "20" + number[4:] in digits


def counts(text, **known):
    return {name: count for name, count in Search.of(Known(**known)).count(text).items() if count}


def test_numbers_of_those_in_the_envelope_are_theirs_and_parents_are_counted_apart():
    assert counts(f"{NUMBER} {NUMBER}") == {"foreign_numbers": 1}
    assert counts(NUMBER, numbers=frozenset({NUMBER})) == {}
    known = {"numbers": frozenset({NUMBER}), "parents_numbers": frozenset({NUMBER})}
    assert counts(NUMBER, **known) == {"parents_numbers": 1}


@pytest.mark.parametrize(
    ("form", "own", "text", "found"),
    [
        (r"20\d{2}/\d{1,6}", "2026/17", "Sak 2026/17 og 2026/18.", 1),
        (r"20\d{2}/\d{1,6}", "2026/17", "Sak 2026/17, 2026/\r\n17", 0),
        (r"20\d{2}/\d{1,6}", "2026/17", "Sak 12026/17 og 2026/1234567", 0),
        (r"BV-20\d{2}-\d{1,6}", "bv-2026-17", "BV-2026-17 BV-2026-018", 1),
        (None, "2026/17", "2026/18", 0),
    ],
)
def test_a_case_number_of_the_configured_form_that_is_another_cases_is_found(form, own, text, found):
    known = Known(case_numbers=frozenset({own}), case_number_form=form)
    assert Search.of(known).count(text)["other_case_numbers"] == found


@pytest.mark.proves("S34")
@pytest.mark.parametrize(
    "form",
    [
        "(a+)+",
        "a*",
        "a+b",
        ".{3}",
        "a|b",
        "^a",
        "a{2,",
        r"\w{3}",
        r"\d?\d?\d?\d?",
        "[a-",
        "[^a]",
        "",
        "[9-0]",
        "a{3,2}",
    ],
)
def test_a_form_of_case_numbers_that_could_run_long_or_is_none_is_refused(form):
    with pytest.raises(ValidationError):
        Brev(saksnummer=form)


@pytest.mark.proves("S34")
@pytest.mark.parametrize("sign", ["2", "0 ", "2026/1", "l1", "kommune A", "1-\n", "æ"])
def test_a_text_against_the_search_takes_its_time_once(sign):
    form = Brev(saksnummer=r"\d{1,20}\d{1,20}/\d{1,20}").saksnummer
    known = Known(case_number_form=form, names=("a b",), protected_addresses=("a " * 20,), telling_words=("aaaab",))
    text, search = sign * (MIB // 8 // len(sign)), Search.of(known)
    started = time.thread_time()
    search.count(text)
    search.municipalities(text)
    assert time.thread_time() - started < 1.5


@pytest.mark.parametrize(
    ("letterhead", "found"),
    [
        ("Bergen kommune\nBarneverntjenesten", 0),
        ("BERGEN KOMMUNE", 0),
        ("Oslo kommune", 1),
        ("OSLO\u00a0KOMMUNE\r\nPostboks", 1),
        ("Nordre Follo kommune", 1),
        ("Tromsø kommune - Romssa suohkan", 2),
        ("Din kommune. Denne kommune", 0),
        ("i en annen kommune", 0),
        ("Kommunen", 0),
    ],
)
def test_a_municipality_that_does_not_send_is_found_in_the_letterhead(letterhead, found):
    assert Search.of(Known(municipalities=("Bergen kommune", "Bergen"))).municipalities(letterhead) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Hun bor i Storgata 12 B nå.", 1),
        ("STORGATA  12B? Storgata\r\n12 b", 1),
        ("Stor\u00adgata 12 B", 1),
        ("Stor-\r\ngata 12B", 1),
        ("S t o r g a t a 1 2 B", 1),
        ("Storgata\r\n\r\n12-B, 5003", 1),
        ("Storgata 12 Bakken", 0),
        ("Lillestorgata 12 B", 0),
        ("Storgata 1", 0),
    ],
)
def test_a_protected_address_is_found_however_it_is_broken(text, found):
    assert Search.of(Known(protected_addresses=("Storgata 12 B",))).count(text)["protected_addresses"] == found


@pytest.mark.parametrize(
    "text", ["Kari Ann Hansen sa", "Hansen, Kari Ann", "KARI HANSEN", "Hansen Kari", "Kari\r\nHansen"]
)
def test_the_reporters_name_is_found_in_either_order(text):
    known = Known(reporter_names=("Kari Ann Hansen",))
    assert Search.of(known).count(text)["reporters_names"] >= 1
    assert Search.of(known).count("Kari og Hansens hund")["reporters_names"] == 0


@pytest.mark.parametrize(
    "text", ["barnevern", "Barneverntjenesten i Bergen", "B A R N E V E R N", "barne\u00advern", "ＢＡＲＮＥＶＥＲＮ"]
)
def test_a_telling_word_is_found_however_it_is_written(text):
    assert telling(text, ["barnevern"])
    assert not telling("Kommunen, Postboks 1", ["barnevern", ""])


def test_words_are_plain():
    assert plain_words("  Sør-Varanger_kommune\u00ad, 9900! ") == "sør varanger kommune 9900"
