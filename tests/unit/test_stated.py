"""What the rules are told of an envelope: facts as stated, and nothing where nothing was."""

import json
from datetime import UTC, date, datetime

import pytest

from gateway.domain.actors import Reader
from gateway.domain.guards.facts import Secrecy
from gateway.domain.persons import Grading, Resident, Standing
from gateway.letters.inspection import Inspected
from gateway.letters.screening import Findings
from gateway.pipeline import stated
from gateway.pipeline.envelope import read_envelope
from tests.integration.outbound.kit import melding
from tests.integration.outbound.letters import CHILD, FATHER, MOTHER, STRANGER, letter, part

DAY = date(2026, 3, 2)


def read(envelope):
    return read_envelope(json.dumps(envelope).encode())


def resident(name, grading=Grading.UNGRADED):
    return Resident(Standing.RESIDENT, grading, datetime(2026, 3, 2, tzinfo=UTC), name)


@pytest.mark.parametrize(
    ("ours", "theirs", "differs"),
    [
        ("Kari Nordmann", "KARI NORDMANN", False),
        ("Kari Nordmann", "Nordmann Kari Anne", False),
        ("Kari Anne Nordmann", "Kari Nordmann", False),
        ("Anne-Marie Ås", "Anne Marie Ås", False),
        ("Kari Nordmann", "Kari Hansen", True),
        ("Kari Ås", "Kari As", True),  # accents tell names apart
        ("Kari", "Kari Nordmann", True),  # one name alone is nobody's
        ("Kari", "KARI", False),
        ("Kari Nordmann", "", True),
    ],
)
def test_a_name_is_the_same_whatever_its_order_and_case_and_names_left_out(ours, theirs, differs):
    envelope = read(letter(parter=[part(MOTHER, navn=ours), part(CHILD)]))
    (mother, _) = stated.party_facts(envelope, {MOTHER: resident(theirs)})
    assert mother.name_differs == differs


def test_a_register_that_was_not_asked_tells_of_no_other_name():
    assert not any(party.name_differs for party in stated.party_facts(read(letter()), {}))


def test_whoever_is_named_by_number_is_known_to_the_rules_by_role_and_no_number_is_told_to_them():
    hidden = [FATHER, STRANGER, "SOSKEN"]
    envelope = read(letter(parter=[part(MOTHER), part(FATHER), part(CHILD, adresseSkjultFor=hidden)]))
    (*_, child) = stated.party_facts(envelope, {})
    assert child.hidden_from == {"FAR", "UKJENT", "SOSKEN"}


def test_an_address_is_sought_of_those_alone_who_are_hidden_or_graded_and_never_the_readers_own():
    def sought(**of_child):
        home = {"adresse": {"adresselinjer": ["Hjemveien 1"]}}
        parties = [part(MOTHER, **home, adressegradering="FORTROLIG"), part(CHILD, **(home | of_child))]
        return len(stated.hidden_addresses(read(letter(parter=parties)), DAY, {}))

    assert sought() == 0
    assert sought(adresseSkjultFor=["FAR"]) == 0
    assert sought(adresseSkjultFor=["MOR"]) == 1
    assert sought(adressegradering="FORTROLIG") == 1
    assert sought(adressegradering="STRENGT_FORTROLIG") == 1
    by_register = {CHILD: resident("Lise", Grading.CONFIDENTIAL)}
    told = read(letter(parter=[part(MOTHER), part(CHILD, adresse={"adresselinjer": ["Hjemveien 1"]})]))
    assert len(stated.hidden_addresses(told, DAY, by_register)) == 1


def test_everybody_with_a_national_number_is_asked_about_once_the_recipient_too():
    envelope = read(letter(STRANGER, parter=[part(MOTHER), part(CHILD), part(FATHER, fodselsnummer=None)]))
    assert stated.numbers_to_ask(envelope) == (MOTHER, CHILD, STRANGER)
    duf = read(letter(barn=[{"dufnummer": "200012345678"}, {"ufodt": True}], parter=[part(MOTHER)]))
    assert stated.numbers_to_ask(duf) == (MOTHER,)


def test_a_child_that_is_no_party_is_graded_by_the_register_alone():
    envelope = read(letter(parter=[part(MOTHER)], barn=[{"fodselsnummer": CHILD}, {"ufodt": True}]))
    _, unknown = stated.party_facts(envelope, {})
    _, known = stated.party_facts(envelope, {CHILD: resident("Lise", Grading.CONFIDENTIAL)})
    assert (unknown.role, unknown.grading, unknown.hidden_from) == ("BARN", None, None)
    assert known.grading is Grading.CONFIDENTIAL


def test_what_is_not_stated_is_no_fact():
    bare = {"adresseSkjultFor": None, "partsrett": None}
    envelope = read(letter(parter=[part(MOTHER, adressegradering="KODE7", **bare), part(CHILD)], melder=None))
    recipient = stated.recipient_facts(envelope, DAY, {}, approved_unit=None)
    mother, _ = stated.party_facts(envelope, {})
    assert (mother.grading, mother.hidden_from, recipient.party_rights) == (None, None, None)
    assert stated.reporter_facts(envelope) is None
    (document,) = stated.document_facts(envelope, ["brev.pdf"], [])
    assert not document.screened


def test_a_recipient_is_the_party_of_that_number_and_of_no_name_or_role():
    theirs = stated.recipient_facts(read(letter()), DAY, {}, approved_unit=None)
    assert (theirs.role, theirs.party_rights, theirs.age, theirs.reader) == ("MOR", True, 40, Reader.PRIVATE_PERSON)
    somebody = letter()
    somebody["mottaker"]["fodselsnummer"] = STRANGER
    stranger = stated.recipient_facts(read(somebody), DAY, {}, approved_unit=None)
    assert (stranger.party_rights, stranger.decided_for_child, stranger.authority_until) == (None, None, None)


def test_an_organisation_is_as_the_list_has_it():
    body = stated.recipient_facts(read(melding()), DAY, {}, approved_unit=False)
    assert (body.person, body.approved_unit, body.reader) == (False, False, Reader.PUBLIC_BODY)


def test_the_gravest_class_of_message_and_documents_counts():
    document = letter()["vedlegg"][0]
    assert stated.secrecy_of(read(letter())) is Secrecy.SECRET
    assert stated.secrecy_of(read(letter(konfidensialitet="S"))) is Secrecy.SPECIAL
    assert stated.secrecy_of(read(letter(vedlegg=[document | {"taushetsniva": "G"}]))) is Secrecy.GRADED


def test_a_document_that_was_written_here_is_what_is_stated_of_the_one_it_was_written_from():
    envelope = read(letter(vedlegg=[letter()["vedlegg"][0] | {"filnavn": "vedtak.json", "sladdet": True}]))
    seen = [Inspected("brev.pdf", "application/pdf", 1, None, Findings(screened=True, foreign_numbers=2))]
    told = stated.document_facts(envelope, ["vedtak.json", "brev.pdf"], seen)
    assert [(one.redacted, one.screened, one.foreign_numbers) for one in told] == [(True, False, 0), (True, True, 2)]


def test_a_case_is_known_by_every_reference_that_the_envelope_has():
    envelope = read(
        letter(avsendersRef="SAK-1", mottakersRef="SAK-2", barn=[{"fodselsnummer": CHILD, "kommunalSaksId": "SAK-3"}])
    )
    assert stated.case_numbers(envelope) == {"SAK-1", "SAK-2", "SAK-3"}
    assert stated.parents_numbers(envelope) == {MOTHER, FATHER}
    assert stated.numbers(envelope) == {MOTHER, FATHER, CHILD}
