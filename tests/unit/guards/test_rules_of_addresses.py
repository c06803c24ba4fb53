"""The decision tables of R05 to R08 and R23: graded and hidden addresses, and what Folkeregisteret must have said."""

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.domain.guards.facts import Content
from gateway.domain.message_type import Audience
from gateway.domain.persons import Standing
from tests.unit.guards.kit import (
    CONFIDENTIAL,
    FIKS,
    MAILBOX,
    MASKED,
    NOW,
    PAPER,
    STRICT,
    body,
    document,
    in_service,
    party,
    recipient,
    resident,
    stops,
    to_mother,
    to_reporter,
    to_school,
)

CHILD, MOTHER = party("HOVEDPERSON"), party("MOR", is_recipient=True)
OLD = resident(asked_at=NOW - timedelta(hours=24, seconds=1))
JUST = resident(asked_at=NOW - timedelta(hours=24))


def father(**changes):
    return (CHILD, MOTHER, party("FAR", **changes))


def mother(**changes):
    return (CHILD, party("MOR", is_recipient=True, **changes), party("FAR"))


HIDDEN = father(hidden_from=frozenset({"MOR"}), address_given=True)

ROWS = {
    "R05": [
        ("nobody", to_mother(), ()),
        ("by the envelope, mailbox", to_mother(parties=father(grading=STRICT)), ("r05-strictly-confidential-letter",)),
        ("by the register, mailbox", to_mother(parties=father(resident=resident(grading=STRICT))), ("r05-strictly-confidential-letter",)),
        ("the mother herself", to_mother(parties=mother(grading=STRICT)), ("r05-strictly-confidential-letter",)),
        ("the mother herself, by the register", to_mother(parties=mother(resident=resident(grading=STRICT))), ("r05-strictly-confidential-letter",)),
        ("paper", to_mother(parties=father(grading=STRICT), road=PAPER), ("r05-strictly-confidential-paper",)),
        ("a body", to_school(parties=(party("HOVEDPERSON", grading=STRICT),)), ("r05-strictly-confidential-body",)),
        ("a reporter who is no party", to_reporter(recipient=recipient("A13", None, resident=resident(grading=STRICT))), ("r05-strictly-confidential-letter",)),
        ("within the office", in_service(parties=(party("HOVEDPERSON", grading=STRICT),)), ()),
        ("said to be within, by letter", in_service(parties=(party("HOVEDPERSON", grading=STRICT),), road=MAILBOX), ("r05-strictly-confidential-letter",)),
        ("said to be within, on paper", in_service(parties=(party("HOVEDPERSON", grading=STRICT),), road=replace(FIKS, on_paper=True)), ("r05-strictly-confidential-paper",)),
        ("the office's, and disclosed", in_service(parties=(party("HOVEDPERSON", grading=STRICT),), discloses=True), ("r05-strictly-confidential-body",)),
        ("one of the office, at home", in_service(parties=(party("HOVEDPERSON", grading=STRICT),), recipient=body("A27", person=True)), ("r05-strictly-confidential-body",)),
        ("a school that is not disclosed to", to_school(discloses=False, parties=(party("HOVEDPERSON", grading=STRICT),)), ("r05-strictly-confidential-body",)),
        ("by the envelope, the register was not asked", to_school(parties=(party("HOVEDPERSON", grading=STRICT, resident=None),)), ("r05-strictly-confidential-body",)),
        ("confidential: R06", to_mother(parties=father(grading=CONFIDENTIAL)), ()),
        ("no word we know", to_mother(parties=father(grading=None)), ("r05-grading-unknown",)),
        ("no word we know, to a body", to_school(parties=(party("HOVEDPERSON", grading=None),)), ("r05-grading-unknown",)),
        ("the child is no party", to_mother(parties=(MOTHER,)), ("r05-child-not-stated",)),
        ("no party at all", to_mother(parties=()), ("r05-child-not-stated",)),
        ("no party, to a body", to_school(parties=()), ()),
        ("no party, to a reporter", to_reporter(parties=()), ()),
    ],
    "R06": [
        ("nobody", to_mother(), ()),
        ("another, mailbox", to_mother(parties=father(grading=CONFIDENTIAL)), ("r06-confidential-private",)),
        ("nobody, on paper", to_mother(road=PAPER), ()),
        ("the register was not asked", to_school(parties=(party("HOVEDPERSON", resident=None),)), ()),
        ("another, where letters to graded persons are allowed", to_mother(parties=father(grading=CONFIDENTIAL), confidential_digitally=True), ("r06-confidential-private",)),
        ("another, by the register", to_mother(parties=father(grading=CONFIDENTIAL, resident=resident(grading=CONFIDENTIAL))), ("r06-confidential-private",)),
        ("the envelope knows less", to_mother(parties=father(resident=resident(grading=CONFIDENTIAL))), ("r06-grading-differs", "r06-confidential-private")),
        ("the envelope knows less, to a body", to_school(parties=(party("HOVEDPERSON", resident=resident(grading=CONFIDENTIAL)),)), ("r06-grading-differs",)),
        ("the envelope knows much less", to_school(parties=(party("HOVEDPERSON", resident=resident(grading=STRICT)),)), ("r06-grading-differs",)),
        ("the envelope knows more", to_school(parties=(party("HOVEDPERSON", grading=CONFIDENTIAL),)), ()),
        ("a public body", to_school(parties=(party("HOVEDPERSON", grading=CONFIDENTIAL, resident=resident(grading=CONFIDENTIAL)),)), ()),
        ("a public body, by letter", to_school(parties=(party("HOVEDPERSON", grading=CONFIDENTIAL),), road=MAILBOX), ("r06-confidential-private",)),
        ("somebody of a public body, at home", to_school(parties=(party("HOVEDPERSON", grading=CONFIDENTIAL),), recipient=recipient("A31", None)), ("r06-confidential-private",)),
        *[(f"to {code}", to_school(parties=(party("HOVEDPERSON", grading=CONFIDENTIAL),), recipient=body(code)), ("r06-confidential-private",)) for code in ("A05", "A13", "A16", "A18", "A23", "A99", "S01")],
        ("the own letter", to_mother(parties=mother(grading=CONFIDENTIAL)), ("r06-confidential-own-letter",)),
        ("the own letter, by the register", to_reporter(recipient=recipient("A13", None, resident=resident(grading=CONFIDENTIAL))), ("r06-confidential-own-letter",)),
        ("the own letter, allowed", to_mother(parties=mother(grading=CONFIDENTIAL), confidential_digitally=True), ()),
        ("the own letter, on paper", to_mother(parties=mother(grading=CONFIDENTIAL), confidential_digitally=True, road=PAPER), ("r06-confidential-paper",)),
        ("another's, on paper", to_mother(parties=father(grading=CONFIDENTIAL), confidential_digitally=True, road=PAPER), ("r06-confidential-paper", "r06-confidential-private")),
        ("both", to_mother(parties=(CHILD, party("MOR", is_recipient=True, grading=CONFIDENTIAL), party("FAR", grading=CONFIDENTIAL))), ("r06-confidential-private", "r06-confidential-own-letter")),
        ("within the office", in_service(parties=(party("HOVEDPERSON", grading=CONFIDENTIAL),)), ()),
    ],
    "R07": [
        ("hidden from nobody", to_mother(), ()),
        ("not stated", to_mother(parties=father(hidden_from=None)), ("r07-not-stated",)),
        ("the recipient's own is not needed", to_mother(parties=mother(hidden_from=None)), ()),
        ("the recipient's own hides from others", to_mother(parties=mother(hidden_from=frozenset({"FAR"}))), ()),
        ("hidden from another", to_mother(parties=father(hidden_from=frozenset({"SOSKEN"}))), ()),
        ("hidden from her", to_mother(parties=HIDDEN), ("r07-not-masked",)),
        ("hidden, and masked", to_mother(parties=HIDDEN, documents=(MASKED,)), ()),
        ("hidden, and nobody gave the address", to_mother(parties=father(hidden_from=frozenset({"MOR"})), documents=(MASKED,)), ("r07-address-not-given",)),
        ("hidden from another, and nobody gave the address", to_mother(parties=father(hidden_from=frozenset({"SOSKEN"})), documents=(MASKED,)), ()),
        ("hidden, one of two masked", to_mother(parties=HIDDEN, documents=(MASKED, document())), ("r07-not-masked",)),
        ("hidden, no document", to_mother(parties=HIDDEN, documents=()), ("r07-not-masked",)),
        ("hidden, redacted and not confirmed", to_mother(parties=HIDDEN, documents=(replace(MASKED, redaction_confirmed_by=None),)), ("r07-not-masked",)),
        ("hidden, holds an address", to_mother(parties=HIDDEN, documents=(MASKED, replace(MASKED, contains=frozenset({Content.ADDRESS})))), ("r07-tells-address",)),
        ("hidden, contents not stated", to_mother(parties=HIDDEN, documents=(replace(MASKED, contains=None),)), ("r07-tells-address",)),
        ("hidden, found", to_mother(parties=HIDDEN, documents=(MASKED, replace(MASKED, protected_addresses=1))), ("r07-address-found",)),
        ("hidden, not searched", to_mother(parties=HIDDEN, documents=(MASKED, replace(MASKED, screened=False))), ("r07-not-screened",)),
        ("an address where none is hidden", to_mother(documents=(document(Content.ADDRESS),)), ()),
        ("a representative may tell anybody", to_mother(parties=father(hidden_from=frozenset({"SOSKEN"}), address_given=True), recipient=recipient("A16", "FULLMEKTIG")), ("r07-not-masked",)),
        ("a representative, hidden from nobody", to_mother(recipient=recipient("A16", "FULLMEKTIG")), ()),
        ("a recipient without a role", to_mother(parties=HIDDEN, recipient=recipient("A05", None)), ("r07-not-masked",)),
        ("to a school", to_school(parties=(party("FAR", hidden_from=None),)), ()),
        ("to a reporter", to_reporter(parties=(party("HOVEDPERSON", hidden_from=None),)), ()),
        ("within the office", in_service(audience=Audience.PARTY, parties=(party("FAR", hidden_from=None),)), ()),
    ],
    "R08": [
        ("everybody, today", to_mother(), ()),
        ("a party, not", to_mother(parties=father(resident=None)), ("r08-no-answer",)),
        ("a party without number", to_mother(parties=father(resident=None, has_number=False)), ()),
        ("the recipient, not", to_mother(recipient=recipient(resident=None)), ("r08-no-answer",)),
        ("a reporter, not", to_reporter(recipient=recipient("A13", None, resident=None)), ("r08-no-answer",)),
        ("to the second", to_mother(parties=father(resident=JUST)), ()),
        ("a second too old", to_mother(parties=father(resident=OLD)), ("r08-old-answer",)),
        ("the recipient's is too old", to_mother(recipient=recipient(resident=OLD)), ("r08-old-answer",)),
        ("one old, one none", to_mother(parties=father(resident=OLD), recipient=recipient(resident=None)), ("r08-no-answer", "r08-old-answer")),
        ("to a school, no letter", to_school(parties=(party("HOVEDPERSON", resident=None),)), ()),
        ("for parties, over another road", to_school(audience=Audience.PARTY, parties=(party("HOVEDPERSON", resident=None),)), ("r08-no-answer",)),
        ("for parties, to a person over another road", to_mother(road=FIKS, recipient=recipient(resident=None)), ("r08-no-answer",)),
        ("for parties, to an organisation", to_school(audience=Audience.PARTY), ()),
        ("a letter to nobody's number", to_school(road=MAILBOX), ("r08-no-answer",)),
        ("within the office", in_service(audience=Audience.PARTY, parties=(party("HOVEDPERSON", resident=None),)), ()),
    ],
    "R23": [
        ("all as before", to_mother(), ()),
        ("a dead party", to_mother(parties=father(resident=resident(standing=Standing.DEAD))), ("r23-dead",)),
        ("a dead recipient", to_reporter(recipient=recipient("A13", None, resident=resident(standing=Standing.DEAD))), ("r23-dead",)),
        ("an emigrated party", to_mother(parties=father(resident=resident(standing=Standing.EMIGRATED))), ("r23-emigrated",)),
        ("a standing nobody knows", to_mother(parties=father(resident=resident(standing=Standing.OTHER))), ("r23-standing-unclear",)),
        ("another name of a party", to_mother(parties=father(name_differs=True)), ("r23-name-differs",)),
        ("another name of the recipient", to_reporter(recipient=recipient("A13", None, name_differs=True)), ("r23-name-differs",)),
        ("known all the same, to a school", to_school(parties=(party("FAR", resident=resident(standing=Standing.DEAD)),)), ("r23-dead",)),
        ("not asked: R08", to_mother(parties=father(resident=None), recipient=recipient(resident=None)), ()),
        ("within the office", in_service(parties=(party("FAR", resident=resident(standing=Standing.DEAD), name_differs=True),)), ()),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "facts", "codes"),
    [pytest.param(rule, facts, codes, id=f"{rule} {row}") for rule, rows in ROWS.items() for row, facts, codes in rows],
)
def test_protected_addresses_stay_here_and_the_register_was_asked(rule, facts, codes):
    assert stops(rule, facts) == codes
