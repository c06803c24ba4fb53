"""What the registers' JSON may look like: a fact only where every word is known, and no other error than ours."""

import copy
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.freg.wire import read_resident
from adapters.krr.wire import read_contact
from gateway.domain.persons import Contact, Grading, Residence, Resident
from gateway.errors import DocumentError
from gateway.spi import read_object
from tests.registers_kit import KARI, PER

AT = datetime(2026, 11, 22, tzinfo=UTC)
CONTACT = {
    "personer": [
        {
            "personidentifikator": KARI,
            "reservasjon": "NEI",
            "reservasjonstidspunkt": "2018-06-29T10:14:52+02",
            "status": "AKTIV",
            "varslingsstatus": "KAN_VARSLES",
            "kontaktinformasjon": {"epostadresse": "x@example.no", "epostadresse_oppdatert": "2018-06-29T10:14:52+02"},
            "digital_post": {"postkasseadresse": "x#1", "postkasseleverandoeradresse": "984661185"},
            "spraak": "nb",
        }
    ]
}
RESIDENT = {
    "oppslag": [
        {
            "foedselsEllerDNummer": KARI,
            "folkeregisterperson": {
                "identifikasjonsnummer": [
                    {"erGjeldende": False, "foedselsEllerDNummer": PER},
                    {"erGjeldende": True, "foedselsEllerDNummer": KARI},
                ],
                "status": [{"erGjeldende": False, "status": "utflyttet"}, {"erGjeldende": True, "status": "bosatt"}],
                "navn": [{"erGjeldende": True, "fornavn": "Kari", "mellomnavn": None, "etternavn": "Prøve"}],
                "adressebeskyttelse": [{"erGjeldende": True, "graderingsnivaa": "fortrolig"}],
            },
        }
    ]
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12) | st.sampled_from([KARI, "JA", "AKTIV", "bosatt"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
MISSING = object()


def contact(answer, person=KARI):
    return read_contact(answer, person, AT)


def resident(answer, person=KARI, ungraded_when_absent=False):
    return read_resident(answer, person, AT, ungraded_when_absent=ungraded_when_absent)


def places(value, path=()):
    """Every place in a document."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, below in inner:
        yield from places(below, (*path, name))


def changed(document, path, value):
    """The document with another value at one place, or without it."""
    if not path:
        return {} if value is MISSING else value
    whole = copy.deepcopy(document)
    inside = whole
    for name in path[:-1]:
        inside = inside[name]
    if value is MISSING:
        del inside[path[-1]]
    else:
        inside[path[-1]] = value
    return whole


@st.composite
def damaged(draw, document):
    path = draw(st.sampled_from([place for place in places(document) if place]))
    return changed(document, path, draw(st.just(MISSING) | JSON))


def read_or_refused(read, *given):
    """What was read, and the error's text where it was refused; nothing else may be raised."""
    try:
        return read(*given), ""
    except DocumentError as error:
        return None, str(error)


@given(damaged(CONTACT))
def test_whatever_is_changed_in_an_answer_of_krr_a_contact_or_our_error_comes_of_it(answer):
    found, refusal = read_or_refused(contact, answer)
    assert isinstance(found, Contact) != bool(refusal)
    assert KARI not in refusal


@given(damaged(RESIDENT), st.booleans())
def test_whatever_is_changed_in_an_answer_of_folkeregisteret_a_resident_or_our_error_comes_of_it(answer, absent):
    found, refusal = read_or_refused(lambda: resident(answer, ungraded_when_absent=absent))
    assert found is None or isinstance(found, Resident)
    assert KARI not in refusal
    if found is not None and found.grading is Grading.UNGRADED:
        told = answer["oppslag"][0]["folkeregisterperson"].get("adressebeskyttelse")
        assert absent or isinstance(told, list)


@given(damaged(RESIDENT))
def test_one_change_alone_makes_nobody_ungraded_but_one_that_takes_the_grading_away_or_says_so(answer):
    found, _ = read_or_refused(resident, answer)
    if found is None or found.grading is not Grading.UNGRADED:
        return
    rows = answer["oppslag"][0]["folkeregisterperson"]["adressebeskyttelse"]
    assert rows == [] or rows[0].get("erGjeldende") is False or rows[0].get("graderingsnivaa") == "ugradert"


@given(JSON)
def test_any_json_at_all_is_read_or_refused(value):
    for read in (contact, resident):
        if isinstance(value, dict):
            with pytest.raises(DocumentError):
                read(value)


@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_octets_are_an_object_or_our_error(octets):
    found, refusal = read_or_refused(read_object, "krr", octets)
    assert isinstance(found, dict) or refusal == "krr: an answer that nobody can read"


@pytest.mark.parametrize(
    "octets", [b'{"a": 1, "a": 2}', b'{"a": NaN}', b"[" * 200_000, b"9" * 5000, b"\xff", b"", b"[]", b"{}{}"]
)
def test_what_is_said_twice_endless_or_no_json_is_unreadable(octets):
    with pytest.raises(DocumentError):
        read_object("freg", octets)


def test_control_the_whole_answers_are_read():
    assert contact(CONTACT) == Contact(
        reserved=False, registered=True, notifiable=True, mailbox=True, asked_at=AT, language="nb", email="x@example.no"
    )
    assert resident(RESIDENT).name == "Kari Prøve"
    assert resident(RESIDENT).grading is Grading.CONFIDENTIAL


@pytest.mark.parametrize("name", ["reservasjon", "status", "varslingsstatus"])
@pytest.mark.parametrize("word", ["", "ja", "KANSKJE", None, 1, ["JA"], {}, MISSING])
def test_a_word_of_krr_that_is_not_known_is_no_answer(name, word):
    with pytest.raises(DocumentError):
        contact(changed(CONTACT, ("personer", 0, name), word))


@pytest.mark.parametrize("mailbox", [None, MISSING, {"postkasseadresse": ""}])
def test_without_an_address_there_is_no_mailbox(mailbox):
    assert not contact(changed(CONTACT, ("personer", 0, "digital_post"), mailbox)).mailbox


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("reservasjon", "JA"),
        ("varslingsstatus", "KAN_IKKE_VARSLES"),
        ("status", "SLETTET"),
        ("kontaktinformasjon", MISSING),
        ("kontaktinformasjon", {"epostadresse": None}),
        *(
            ("kontaktinformasjon", {"epostadresse": text})
            for text in ("", "x", "x@", "a@b@c", "a b@c.no", "x@c.no\r\n")
        ),
        ("kontaktinformasjon", {"epostadresse": "x" * 300 + "@example.no"}),
    ],
)
def test_there_is_an_e_mail_address_of_nobody_who_may_not_be_notified_and_none_that_cannot_be_written_to(name, value):
    assert contact(changed(CONTACT, ("personer", 0, name), value)).email is None


HOME = {
    "adressenavn": "Løvetannveien",
    "adressenummer": {"husnummer": "12", "husbokstav": "B"},
    "poststed": {"postnummer": "5097", "poststedsnavn": "BERGEN"},
}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([{"vegadresse": HOME}], Residence(("Løvetannveien 12 B",), "5097", "BERGEN")),
        (
            [{"erGjeldende": False}, {"vegadresse": HOME | {"adressenummer": None}}],
            Residence(("Løvetannveien",), "5097", "BERGEN"),
        ),
        ([{"vegadresse": {"adressenavn": "Øygarden", "poststed": []}}], Residence(("Øygarden",))),
        ([{"vegadresse": HOME | {"adressenavn": ["x"]}}], None),
        ([{"vegadresse": HOME | {"adressenavn": "x" * 500}}], None),
        ([{"ukjentBosted": {}}], None),
        ([{"vegadresse": HOME}, {"vegadresse": HOME}], None),
        ([], None),
    ],
)
def test_where_somebody_lives_is_read_of_a_street_address_and_another_form_is_none(rows, expected):
    place = ("oppslag", 0, "folkeregisterperson", "bostedsadresse")
    assert resident(changed(RESIDENT, place, rows)).residence == expected
    assert resident(RESIDENT).residence is None


def test_an_answer_about_somebody_else_or_about_two_is_none():
    for read, document, rows in ((contact, CONTACT, "personer"), (resident, RESIDENT, "oppslag")):
        for wrong in (document | {rows: document[rows] * 2},):
            with pytest.raises(DocumentError):
                read(wrong)
        with pytest.raises(DocumentError):
            read(document, PER)


def test_a_number_that_is_not_the_persons_any_more_is_none_and_one_without_person_is_nobody():
    inside = ("oppslag", 0, "folkeregisterperson")
    with pytest.raises(DocumentError):
        resident(changed(RESIDENT, (*inside, "identifikasjonsnummer", 1, "erGjeldende"), False))
    assert resident(changed(RESIDENT, inside, None)) is None
    assert resident({"oppslag": []}) is None


@pytest.mark.parametrize("part", ["identifikasjonsnummer", "status", "navn", "adressebeskyttelse"])
@pytest.mark.parametrize("value", [MISSING, None, {}, "bosatt", [None], [{"erGjeldende": "ja"}]])
def test_a_part_that_did_not_come_is_no_answer(part, value):
    with pytest.raises(DocumentError):
        resident(changed(RESIDENT, ("oppslag", 0, "folkeregisterperson", part), value))


def test_an_absent_grading_is_none_only_where_the_operator_has_seen_that_it_comes():
    place = ("oppslag", 0, "folkeregisterperson", "adressebeskyttelse")
    bare = changed(RESIDENT, place, MISSING)
    assert resident(bare, ungraded_when_absent=True).grading is Grading.UNGRADED
    assert resident(changed(RESIDENT, place, [])).grading is Grading.UNGRADED  # it came, and holds nobody's
    for null in (None, {}, "ugradert"):
        with pytest.raises(DocumentError):
            resident(changed(RESIDENT, place, null), ungraded_when_absent=True)


@pytest.mark.parametrize("word", ["hemmelig", "FORTROLIG", "", "ugradert "])
def test_a_grading_that_is_not_known_is_no_answer_beside_known_ones_too(word):
    place = ("oppslag", 0, "folkeregisterperson", "adressebeskyttelse")
    for rows in ([{"graderingsnivaa": word}], [{"graderingsnivaa": "ugradert"}, {"graderingsnivaa": word}]):
        with pytest.raises(DocumentError):
            resident(changed(RESIDENT, place, rows))


def test_of_several_gradings_the_strictest_holds():
    rows = [{"graderingsnivaa": word} for word in ("ugradert", "strengtFortrolig", "fortrolig")]
    found = resident(changed(RESIDENT, ("oppslag", 0, "folkeregisterperson", "adressebeskyttelse"), rows))
    assert found.grading is Grading.STRICTLY_CONFIDENTIAL


@pytest.mark.parametrize("name", ["", "   ", "x" * 600, "Kari\u202e", "Kari\ud800", "Kari\x00", 7])
def test_a_name_that_nobody_can_write_is_no_answer(name):
    with pytest.raises(DocumentError):
        resident(changed(RESIDENT, ("oppslag", 0, "folkeregisterperson", "navn"), [{"fornavn": name}]))
