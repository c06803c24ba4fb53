"""The decision tables of R09 to R13: parents apart, rights, authorities, children."""

from dataclasses import replace
from datetime import date

import pytest

from gateway.domain.guards.facts import Content, Family
from gateway.domain.message_type import Audience
from tests.unit.guards.kit import (
    MASKED,
    TODAY,
    body,
    document,
    history,
    in_service,
    recipient,
    stops,
    to_mother,
    to_reporter,
    to_school,
)

SHARED = history(same_to_other=True)
UNKNOWN = history(same_to_other=None)
PARENTS = [("A05", "MOR"), ("A06", "FAR"), ("A07", "MEDMOR"), ("A08", "MEDFAR"), ("A12", "FAR"), ("A12", "MOR"), ("A12", "MEDMOR"), ("A12", "MEDFAR"), ("A05", "ANNEN"), ("A06", "ANNEN"), ("A07", "ANNEN"), ("A08", "ANNEN"), ("A09", "ANNEN")]  # fmt: skip
CHILD = recipient("A02", "HOVEDPERSON", age=15)
YOUNG = recipient("A01", "HOVEDPERSON", age=14)
BY_DECISION = replace(YOUNG, decided_for_child=True)
LAWYER = recipient("A16", "FULLMEKTIG", authority_until=TODAY)
SAID = document(Content.CHILDS_WORDS)

ROWS = {
    "R09": [
        ("they live together", to_mother(history=SHARED, documents=(document(Content.HEALTH),)), ()),
        ("it does not matter here", to_mother(family=Family.NOT_RELEVANT, history=SHARED), ()),
        *[(f"not stated, {code} {role}", to_mother(family=None, recipient=recipient(code, role)), ("r09-family-not-stated",)) for code, role in PARENTS],
        ("the child's letter", to_mother(family=None, recipient=CHILD, history=SHARED), ()),
        ("to a school", to_school(family=None, recipient=body(role="MOR")), ()),
        ("to a reporter", to_reporter(family=None, recipient=recipient("A13", "MOR")), ()),
        ("apart, a document of her own", to_mother(family=Family.APART), ()),
        ("apart, the same one", to_mother(family=Family.APART, history=SHARED), ("r09-same-document",)),
        ("in conflict, the same one", to_mother(family=Family.CONFLICT, history=SHARED), ("r09-same-document",)),
        ("apart, nobody looked", to_mother(family=Family.APART, history=UNKNOWN), ("r09-same-document",)),
        *[(f"apart, {held.value}", to_mother(family=Family.APART, documents=(document(), document(held))), ("r09-not-masked",)) for held in (Content.ADDRESS, Content.HEALTH, Content.OTHERS)],
        *[(f"apart, {held.value}", to_mother(family=Family.APART, documents=(document(held),)), ()) for held in (Content.CHILDS_WORDS, Content.CRIME, Content.REPORTER)],
        ("apart, masked", to_mother(family=Family.APART, documents=(replace(MASKED, contains=frozenset({Content.HEALTH})),)), ()),
        ("apart, contents not stated", to_mother(family=Family.APART, documents=(document(contains=None),)), ("r09-not-masked",)),
    ],
    "R10": [
        ("a party with rights", to_mother(), ()),
        ("without rights", to_mother(recipient=recipient(party_rights=False)), ("r10-no-rights",)),
        ("not stated", to_mother(recipient=recipient(party_rights=None)), ("r10-rights-not-stated",)),
        ("as nobody of the case", to_mother(recipient=recipient("A05", None)), ("r10-rights-not-stated",)),
        ("no parental responsibility, but rights", to_mother(recipient=recipient("A09", "FAR")), ()),
        ("no parental responsibility", to_mother(recipient=recipient("A09", "FAR", party_rights=None)), ("r10-rights-not-stated",)),
        ("a representative without", to_mother(recipient=replace(LAWYER, party_rights=None)), ("r10-rights-not-stated",)),
        ("a school gets what is for parties", to_school(audience=Audience.PARTY), ("r10-rights-not-stated",)),
        ("a school", to_school(), ()),
        ("a reporter", to_reporter(), ()),
        ("the mother gets what is for bodies", to_mother(audience=Audience.BODY), ("r10-not-for-persons",)),
        ("a lawyer gets what is for bodies", to_school(recipient=body("A16")), ("r10-not-for-persons",)),
        ("a foster home gets what is for bodies", to_school(recipient=recipient("A18", None)), ()),
        ("within the office", in_service(audience=Audience.PARTY), ()),
    ],
    "R11": [
        ("until today", to_mother(recipient=LAWYER), ()),
        ("until yesterday", to_mother(recipient=replace(LAWYER, authority_until=date(2026, 3, 1))), ("r11-authority-ended",)),
        ("not stated", to_mother(recipient=replace(LAWYER, authority_until=None)), ("r11-authority-not-stated",)),
        ("a guardian by code", to_mother(recipient=recipient("A10", "ANNEN")), ("r11-authority-not-stated",)),
        ("a guardian by role", to_mother(recipient=recipient("A12", "VERGE")), ("r11-authority-not-stated",)),
        ("the mother acts for nobody", to_mother(), ()),
        ("what is not for parties", to_school(recipient=body("A16")), ()),
    ],
    "R12": [
        ("grown up", to_mother(), ()),
        ("fifteen", to_mother(recipient=CHILD, history=SHARED), ()),
        ("fourteen", to_mother(recipient=YOUNG), ("r12-not-decided",)),
        ("fourteen, under another code", to_mother(recipient=replace(CHILD, age=14)), ("r12-not-decided",)),
        ("fifteen, under a young child's code", to_mother(recipient=recipient("A01", "HOVEDPERSON", age=15)), ("r12-not-decided",)),
        ("decided against", to_mother(recipient=replace(YOUNG, decided_for_child=False)), ("r12-not-decided",)),
        ("decided", to_mother(recipient=BY_DECISION), ()),
        ("decided, the parents' document", to_mother(recipient=BY_DECISION, history=SHARED), ("r12-same-document",)),
        ("decided, nobody looked", to_mother(recipient=BY_DECISION, history=UNKNOWN), ("r12-same-document",)),
        ("age unknown", to_mother(recipient=recipient(age=None)), ("r12-age-unknown",)),
        ("a young child, age unknown", to_mother(recipient=replace(YOUNG, age=None)), ("r12-age-unknown", "r12-not-decided")),
        ("a reporter, age unknown", to_reporter(recipient=recipient("A13", None, age=None)), ("r12-age-unknown",)),
        ("an organisation has no age", to_school(), ()),
    ],
    "R13": [
        ("nothing of the child", to_mother(), ()),
        ("to the mother", to_mother(documents=(document(), SAID)), ("r13-childs-words",)),
        ("released", to_mother(documents=(replace(SAID, released_by="kari"),)), ()),
        ("released by nobody", to_mother(documents=(replace(SAID, released_by=" "),)), ("r13-childs-words",)),
        ("not stated", to_mother(documents=(document(contains=None),)), ("r13-contents-not-stated",)),
        ("not stated, released", to_mother(documents=(document(contains=None, released_by="kari"),)), ()),
        *[(f"to {code}", to_mother(recipient=recipient(code, "ANNEN"), documents=(SAID,)), ("r13-childs-words",)) for code in ("A04", "A06", "A09", "A10", "A11", "A12", "A16")],
        *[(f"to {code}", to_mother(recipient=recipient(code, "HOVEDPERSON"), documents=(SAID,)), ()) for code in ("A01", "A02", "A03")],
        ("to a school", to_school(documents=(SAID,)), ()),
        ("within the office", in_service(audience=Audience.PARTY, documents=(SAID,)), ()),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "facts", "codes"),
    [pytest.param(rule, facts, codes, id=f"{rule} {row}") for rule, rows in ROWS.items() for row, facts, codes in rows],
)
def test_parties_read_what_they_may_and_no_more(rule, facts, codes):
    assert stops(rule, facts) == codes
