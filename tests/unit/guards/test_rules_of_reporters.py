"""The decision tables of R01 to R04: a basis, what reporters are told, and that parties do not learn of them."""

from dataclasses import replace
from datetime import date

import pytest

from gateway.domain.guards.facts import Content, Feedback, GivenBasis, LegalBasis, ReporterFacts
from gateway.domain.message_type import Audience
from tests.unit.guards.kit import (
    MASKED,
    TODAY,
    body,
    document,
    in_service,
    recipient,
    stops,
    to_mother,
    to_reporter,
    to_school,
)

ENDED = LegalBasis("BVL2021", "12-5", valid_to=date(2026, 3, 1))
BEGINS = LegalBasis("BVL2021", "12-5", valid_from=date(2026, 3, 3))
ONE_DAY = LegalBasis("BVL2021", "12-5", TODAY, TODAY)
PRIVATE = ReporterFacts("PRIVAT", False)
NOT_STATED = document(contains=None)
NAMED = replace(MASKED, reporters_names=1)

ROWS = {
    "R01": [
        ("stated, and the type is sent under it", to_mother(), ()),
        ("no basis", to_mother(given=()), ("r01-no-legal-basis",)),
        ("no purpose", to_mother(purpose_given=False), ("r01-no-purpose",)),
        ("another law", to_mother(given=(GivenBasis("FVL", "12-5"),)), ("r01-unknown-legal-basis",)),
        ("another paragraph", to_mother(given=(GivenBasis("BVL2021", "12-6"),)), ("r01-unknown-legal-basis",)),
        ("a good one beside an unknown one", to_mother(given=(GivenBasis("BVL2021", "12-5"), GivenBasis("FVL", "1"))), ("r01-unknown-legal-basis",)),
        ("a law that ended yesterday", to_mother(bases=(ENDED,)), ("r01-unknown-legal-basis",)),
        ("a law that begins tomorrow", to_mother(bases=(BEGINS,)), ("r01-unknown-legal-basis",)),
        ("a law of today alone", to_mother(bases=(ONE_DAY,)), ()),
        ("one of two laws it is sent under", to_mother(bases=(LegalBasis("FVL", "16"), ONE_DAY)), ()),
        ("nothing stated", to_mother(given=(), purpose_given=False), ("r01-no-legal-basis", "r01-no-purpose")),
        ("within the office", in_service(), ()),
    ],
    "R02": [
        ("receipt", to_reporter(), ()),
        ("the mother, who reported to nobody", to_mother(), ()),
        ("a school", to_school(feedback=Feedback.MEASURES), ()),
        ("anonymous", to_reporter(recipient=recipient("A14", None)), ("r02-anonymous-reporter",)),
        ("a decision", to_reporter(audience=Audience.PARTY), ("r02-not-for-reporters",)),
        ("what bodies get", to_reporter(audience=Audience.BODY), ("r02-not-for-reporters",)),
        ("feedback not stated", to_reporter(feedback=None), ("r02-feedback-missing",)),
        *[(told.value, to_reporter(feedback=told), ("r02-received-alone",)) for told in Feedback if told is not Feedback.RECEIVED],
        ("case number", to_reporter(case_number_given=True), ("r02-case-number",)),
        ("a case number in a document", to_reporter(documents=(document(), document(other_case_numbers=1))), ("r02-case-number",)),
        ("a case number to a school", to_school(case_number_given=True), ()),
        ("tells who reported: the reader knows", to_reporter(documents=(document(Content.REPORTER),)), ()),
        *[(f"holds {held.value}", to_reporter(documents=(document(held, Content.NONE_OF_THESE),)), ("r02-tells-too-much",)) for held in Content if held not in {Content.REPORTER, Content.NONE_OF_THESE}],
        ("tells who reported, and nothing else", to_reporter(documents=(document(Content.REPORTER, Content.NONE_OF_THESE),)), ()),
        ("contents not stated", to_reporter(documents=(document(), NOT_STATED)), ("r02-contents-not-stated",)),
        ("an empty list of contents", to_reporter(documents=(document(contains=frozenset()),)), ("r02-contents-not-stated",)),
        ("no document", to_reporter(documents=()), ("r02-contents-not-stated",)),
    ],
    "R03": [
        *[(told.value, to_school(audience=Audience.REPORTER, feedback=told), ()) for told in Feedback if told is not Feedback.MEASURES],
        ("barnevernvakten reported", to_school(audience=Audience.REPORTER, feedback=Feedback.DROPPED, recipient=body("A29")), ()),
        ("measures that it needs to know", to_school(audience=Audience.REPORTER, feedback=Feedback.MEASURES, necessity_given=True), ()),
        ("measures", to_school(audience=Audience.REPORTER, feedback=Feedback.MEASURES), ("r03-measures-not-needed",)),
        ("not stated", to_school(audience=Audience.REPORTER), ("r03-feedback-missing",)),
        ("another type to a school", to_school(), ()),
        ("a private reporter: R02", to_reporter(feedback=None), ()),
        *[(f"to {code}", to_school(audience=Audience.REPORTER, feedback=Feedback.RECEIVED, recipient=body(code)), ("r03-no-public-reporter",)) for code in ("A05", "A16", "A18", "A25", "A99", "S02")],
    ],
    "R04": [
        ("a public reporter", to_mother(), ()),
        ("there is none", to_mother(reporter=ReporterFacts("INGEN", False)), ()),
        ("not stated", to_mother(reporter=None), ("r04-reporter-not-stated",)),
        ("contents not stated, whoever reported", to_mother(documents=(document(), NOT_STATED)), ("r04-contents-not-stated",)),
        ("no document", to_mother(documents=()), ("r04-contents-not-stated",)),
        *[(f"{kind}, masked", to_mother(reporter=ReporterFacts(kind, False), documents=(MASKED,)), ()) for kind in ("PRIVAT", "ANONYM", "BARNET_SELV")],
        *[(f"{kind}, as it was", to_mother(reporter=ReporterFacts(kind, False)), ("r04-not-masked",)) for kind in ("PRIVAT", "ANONYM", "BARNET_SELV")],
        ("a public reporter who asked for it", to_mother(reporter=ReporterFacts("OFFENTLIG", True)), ("r04-not-masked",)),
        ("one of two is masked", to_mother(reporter=PRIVATE, documents=(MASKED, document())), ("r04-not-masked",)),
        ("redacted, nobody looked", to_mother(reporter=PRIVATE, documents=(document(redacted=True),)), ("r04-not-masked",)),
        ("redacted, by nobody", to_mother(reporter=PRIVATE, documents=(document(redacted=True, redaction_confirmed_by=" "),)), ("r04-not-masked",)),
        ("looked through, not redacted", to_mother(reporter=PRIVATE, documents=(document(redaction_confirmed_by="kari"),)), ("r04-not-masked",)),
        ("tells of the reporter", to_mother(reporter=PRIVATE, documents=(replace(MASKED, contains=frozenset({Content.REPORTER})),)), ("r04-tells-reporter",)),
        ("tells of a public reporter", to_mother(documents=(document(Content.REPORTER),)), ()),
        ("the name was found", to_mother(reporter=PRIVATE, documents=(MASKED, NAMED)), ("r04-reporter-named",)),
        ("one of two tells of the reporter", to_mother(reporter=PRIVATE, documents=(MASKED, replace(MASKED, contains=frozenset({Content.REPORTER})))), ("r04-tells-reporter",)),
        ("masked, contents not stated", to_mother(reporter=PRIVATE, documents=(replace(MASKED, contains=None),)), ("r04-contents-not-stated",)),
        ("a public reporter's name", to_mother(documents=(NAMED,)), ()),
        ("the child reported, and reads it", to_mother(reporter=ReporterFacts("BARNET_SELV", False), recipient=recipient("A02", "HOVEDPERSON")), ()),
        ("the child's body reads it", to_mother(reporter=ReporterFacts("BARNET_SELV", False), recipient=recipient("A16", "HOVEDPERSON")), ("r04-not-masked",)),
        ("somebody else reported, the child reads it", to_mother(reporter=PRIVATE, recipient=recipient("A02", "HOVEDPERSON")), ("r04-not-masked",)),
        ("to a school", to_school(reporter=None), ()),
        ("to a reporter", to_reporter(reporter=PRIVATE), ()),
        ("within the office", in_service(audience=Audience.PARTY, reporter=None), ()),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "facts", "codes"),
    [pytest.param(rule, facts, codes, id=f"{rule} {row}") for rule, rows in ROWS.items() for row, facts, codes in rows],
)
def test_a_basis_is_needed_and_reporters_stay_unknown_and_unknowing(rule, facts, codes):
    assert stops(rule, facts) == codes
