"""The decision tables of R14 to R21, R24 and R25: letters, recipients, documents, and what went before."""

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.domain.guards import Allowed, Stopped, decide
from gateway.domain.guards.facts import KeyFacts, Secrecy
from gateway.domain.guards.recipients import approval_of_key
from tests.unit.guards.kit import (
    FIKS,
    MAILBOX,
    NOW,
    PAPER,
    body,
    contact,
    document,
    history,
    in_service,
    recipient,
    stops,
    to_mother,
    to_reporter,
    to_school,
)

TWO = frozenset({"kari", "ola"})
SCAN = document(screened=False)

ROWS = {
    "R14": [
        ("has a mailbox", to_mother(), ()),
        ("has a mailbox, cannot be notified", to_mother(contact=contact(notifiable=False)), ()),
        ("not asked", to_mother(contact=None), ("r14-not-asked",)),
        ("asked ten minutes ago", to_mother(contact=contact(asked_at=NOW - timedelta(minutes=10))), ()),
        ("asked for an earlier attempt", to_mother(contact=contact(asked_at=NOW - timedelta(minutes=10, seconds=1))), ("r14-not-asked",)),
        ("reserved", to_mother(contact=contact(reserved=True)), ("r14-reserved",)),
        ("not registered", to_mother(contact=contact(registered=False)), ("r14-not-registered",)),
        ("no mailbox", to_mother(contact=contact(mailbox=False)), ("r14-no-mailbox",)),
        ("no mailbox, cannot be notified", to_mother(contact=contact(mailbox=False, notifiable=False)), ("r14-not-notifiable",)),
        ("on paper", to_mother(contact=None, road=PAPER), ()),
        ("no letter", to_school(), ()),
    ],
    "R15": [
        ("a mailbox", to_mother(), ()),
        ("paper", to_mother(road=PAPER), ("r15-print-not-released",)),
        ("paper, special", to_mother(road=PAPER, secrecy=Secrecy.SPECIAL), ("r15-print-needs-two",)),
        ("paper, graded", to_mother(road=PAPER, secrecy=Secrecy.GRADED), ("r15-print-needs-two",)),
        ("paper, said to be within the office", in_service(road=replace(FIKS, on_paper=True)), ("r15-print-not-released",)),
    ],
    "R16": [
        ("neutral", to_mother(road=PAPER), ()),
        ("not read", to_mother(road=replace(PAPER, neutral_sender=None)), ("r16-window-not-read",)),
        ("not neutral", to_mother(road=replace(PAPER, neutral_sender=False)), ("r16-sender-not-neutral",)),
        ("a mailbox has no window", to_mother(road=replace(MAILBOX, neutral_sender=None), secrecy=Secrecy.GRADED), ()),
        ("graded", to_mother(road=PAPER, secrecy=Secrecy.GRADED), ("r16-not-registered-mail",)),
        ("graded, registered", to_mother(road=replace(PAPER, registered=True), secrecy=Secrecy.GRADED), ()),
        ("special", to_mother(road=PAPER, secrecy=Secrecy.SPECIAL), ()),
    ],
    "R17": [
        ("neutral", to_mother(), ()),
        ("not read", to_mother(road=replace(MAILBOX, neutral_notice=None)), ("r17-notice-not-read",)),
        ("not neutral", to_mother(road=replace(MAILBOX, neutral_notice=False)), ("r17-notice-not-neutral",)),
        ("no letter", to_school(), ()),
    ],
    "R18": [
        ("nothing new", to_mother(), ()),
        ("first to her", to_mother(history=history(first_to_recipient=True)), ("r18-four-eyes",)),
        ("nobody looked", to_mother(history=history(first_to_recipient=None)), ("r18-four-eyes",)),
        ("special", to_mother(secrecy=Secrecy.SPECIAL), ("r18-four-eyes",)),
        ("graded", to_mother(secrecy=Secrecy.GRADED), ("r18-four-eyes",)),
        ("special, to a school", to_school(secrecy=Secrecy.SPECIAL), ()),
        ("special, to a person over another road", to_school(secrecy=Secrecy.SPECIAL, recipient=recipient("A18", None)), ("r18-four-eyes",)),
        ("special, to somebody's mailbox", to_school(secrecy=Secrecy.SPECIAL, road=MAILBOX), ("r18-four-eyes",)),
        ("special, to a firm that reported", to_reporter(secrecy=Secrecy.SPECIAL, road=FIKS, recipient=body("A13")), ("r18-four-eyes",)),
        ("another account", to_school(history=history(account_changed=True)), ("r18-account-changed",)),
        ("account not looked at", to_school(history=history(account_changed=None)), ("r18-account-changed",)),
        ("first, and another account", to_school(history=history(first_to_recipient=True, account_changed=True)), ("r18-account-changed", "r18-four-eyes")),
        ("the key of last time", to_school(key=KeyFacts("a", "a")), ()),
        ("another key", to_school(key=KeyFacts("b", "a")), ("r18-key-changed",)),
        ("another key of a person", to_mother(key=KeyFacts("b", "a")), ("r18-key-changed",)),
        ("the key cannot be learned now", to_school(key=KeyFacts(None, "a")), ()),
        ("no key is known of before", to_school(key=KeyFacts("b", None)), ()),
        ("sealed for no key of theirs", to_school(key=None), ()),
        ("another account with another key", to_school(key=KeyFacts("b", "a"), history=history(account_changed=True)), ("r18-key-changed", "r18-account-changed")),
        ("another key, two approved it in the case system", to_mother(key=KeyFacts("b", "a"), approved_in_case=TWO), ("r18-key-changed",)),
        ("another key within the office", in_service(key=KeyFacts("b", "a")), ()),
        ("a mailbox has no account of ours", to_mother(history=history(account_changed=None)), ()),
        ("two approved it in the case system", to_mother(secrecy=Secrecy.SPECIAL, history=history(first_to_recipient=True), approved_in_case=TWO), ()),
        ("one did", to_mother(secrecy=Secrecy.SPECIAL, approved_in_case=frozenset({"kari"})), ("r18-four-eyes",)),
        ("one did, in two spellings", to_mother(secrecy=Secrecy.SPECIAL, approved_in_case=frozenset({"kari", "Kari "})), ("r18-four-eyes",)),
        ("one did, and nobody", to_mother(secrecy=Secrecy.SPECIAL, approved_in_case=frozenset({"kari", " "})), ("r18-four-eyes",)),
        ("within the office", in_service(secrecy=Secrecy.SPECIAL, history=history(first_to_recipient=True, account_changed=None)), ()),
    ],
    "R19": [
        ("an approved unit", to_school(), ()),
        ("not approved", to_school(recipient=body(approved_unit=False)), ("r19-unit-not-approved",)),
        ("nobody looked", to_school(recipient=body(approved_unit=None)), ("r19-unit-not-approved",)),
        ("a person has no unit", to_mother(), ()),
        ("infrastructure", to_school(recipient=body("S02")), ("r19-kind-unknown",)),
        ("a code we do not know", to_school(recipient=body("A99")), ("r19-kind-unknown",)),
        ("a teacher's own mailbox", to_mother(recipient=recipient("A31", None)), ("r19-person-as-body",)),
        ("a caseworker's own mailbox", to_mother(recipient=recipient("A27", None)), ("r19-person-as-body",)),
        ("a foster mother", to_mother(recipient=recipient("A18", None)), ()),
        ("within the office", in_service(), ()),
    ],
    "R20": [
        ("nothing found", to_mother(), ()),
        ("somebody's number", to_mother(documents=(document(), document(foreign_numbers=1))), ("r20-foreign-number",)),
        ("a parent's number: R21", to_mother(documents=(document(parents_numbers=1),)), ()),
        ("another case", to_mother(documents=(document(other_case_numbers=1),)), ("r20-other-case",)),
        ("another municipality", to_mother(documents=(document(other_municipalities=1),)), ("r20-other-municipality",)),
        ("a protected address", to_mother(documents=(document(protected_addresses=1),)), ("r20-protected-address",)),
        ("a protected address, to a school", to_school(documents=(document(protected_addresses=1),)), ()),
        ("a protected address, to a firm", to_school(recipient=body("A25"), documents=(document(protected_addresses=1),)), ("r20-protected-address",)),
        ("could not be read", to_mother(documents=(document(), SCAN)), ("r20-not-screened",)),
        ("no document", to_mother(documents=()), ("r20-not-screened",)),
        ("the gravest first", to_mother(documents=(document(screened=False, foreign_numbers=1, other_case_numbers=2, other_municipalities=1, protected_addresses=1),)), ("r20-protected-address", "r20-foreign-number", "r20-other-case", "r20-other-municipality", "r20-not-screened")),
        ("within the office", in_service(documents=(document(foreign_numbers=1, screened=False),)), ()),
    ],
    "R21": [
        *[(f"a parent's number to {code}", to_school(recipient=body(code), documents=(document(), document(parents_numbers=1))), ("r21-parents-number",)) for code in ("A18", "A22", "A23", "A25")],
        ("needed there", to_school(recipient=body("A18"), documents=(document(parents_numbers=1), SCAN), necessity_given=True), ()),
        ("nothing found", to_school(recipient=body("A18")), ()),
        ("could not be read", to_school(recipient=body("A23"), documents=(document(), SCAN)), ("r21-not-screened",)),
        ("no document", to_school(recipient=body("A23"), documents=()), ("r21-not-screened",)),
        ("to a school", to_school(documents=(document(parents_numbers=1),)), ()),
        ("to the mother", to_mother(documents=(document(parents_numbers=1),)), ()),
    ],
    "R24": [
        ("not before", to_mother(), ()),
        ("the same again", to_mother(history=history(repeated=True)), ("r24-repeated",)),
        ("nobody looked", to_school(history=history(repeated=None)), ("r24-repeated",)),
        ("within the office", in_service(history=history(repeated=True)), ()),
    ],
    "R25": [
        ("stands", to_mother(), ()),
        ("taken back", to_mother(history=history(retracted=True)), ("r25-retracted",)),
        ("nobody looked", to_mother(history=history(retracted=None)), ("r25-retracted",)),
        ("taken back, within the office", in_service(history=history(retracted=True)), ("r25-retracted",)),
        ("asks to delete", to_school(relation="Slettet"), ("r25-no-breach-report",)),
        ("asks to delete, and reported it", to_school(relation="Slettet", breach_report_given=True), ()),
        ("says that something is void", to_school(relation="Trukket"), ()),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "facts", "codes"),
    [pytest.param(rule, facts, codes, id=f"{rule} {row}") for rule, rows in ROWS.items() for row, facts, codes in rows],
)
def test_only_what_may_leave_leaves_and_to_whom_it_is_meant_for(rule, facts, codes):
    assert stops(rule, facts) == codes


def test_two_people_release_one_key_and_none_that_comes_later():
    approvals = {approval_of_key("b" * 64): TWO, "r18-key-changed": TWO}
    assert isinstance(decide(["R18"], to_school(key=KeyFacts("b" * 64, "a" * 64), approvals=approvals)), Allowed)
    later = decide(["R18"], to_school(key=KeyFacts("c" * 64, "a" * 64), approvals=approvals))
    assert later == Stopped("r18-key-changed")
