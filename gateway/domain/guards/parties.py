"""Parties: who may read what of a case, and which papers each must have for it."""

from collections.abc import Iterator
from typing import Final

from gateway.domain.actors import CHILD_UNDER_15, Reader
from gateway.domain.guards.facts import Content, Facts, Family
from gateway.domain.message_type import Audience

FAMILY_NOT_STATED: Final = "r09-family-not-stated"
NOT_MASKED: Final = "r09-not-masked"
SAME_DOCUMENT: Final = "r09-same-document"

NOT_FOR_PERSONS: Final = "r10-not-for-persons"
RIGHTS_NOT_STATED: Final = "r10-rights-not-stated"
NO_RIGHTS: Final = "r10-no-rights"

AUTHORITY_NOT_STATED: Final = "r11-authority-not-stated"
AUTHORITY_ENDED: Final = "r11-authority-ended"

AGE_UNKNOWN: Final = "r12-age-unknown"
NOT_DECIDED: Final = "r12-not-decided"
CHILD_SAME_DOCUMENT: Final = "r12-same-document"

CHILDS_WORDS: Final = "r13-childs-words"
CONTENTS_NOT_STATED: Final = "r13-contents-not-stated"

PARENT_ROLES: Final = frozenset({"MOR", "FAR", "MEDMOR", "MEDFAR"})
GUARDIAN: Final = "VERGE"
PARENT_CODES: Final = frozenset({"A05", "A06", "A07", "A08", "A09"})
CHILD_CODES: Final = frozenset({"A01", "A02", "A03"})
_AGE_OF_A_PARTY: Final = 15  # barnevernsloven § 12-3, not confirmed: an age no office may set for itself
_OF_THE_OTHER: Final = frozenset({Content.ADDRESS, Content.HEALTH, Content.OTHERS})


def parents_apart_get_letters_of_their_own(facts: Facts) -> Iterator[str]:
    """R09: parents who live apart or are in conflict get a document each, in which the other's matters are masked.

    That the same document goes to somebody else, or holds such matters, may be right all the same: one person decides.
    """
    if facts.audience is not Audience.PARTY or not _parent(facts):
        return
    if facts.family is None:
        yield FAMILY_NOT_STATED
    if facts.family not in {Family.APART, Family.CONFLICT}:
        return
    if any(
        (document.told is None or document.told & _OF_THE_OTHER) and not document.masked for document in facts.documents
    ):
        yield NOT_MASKED
    if facts.history.same_to_other is not False:
        yield SAME_DOCUMENT


def reader_has_the_rights_of_a_party(facts: Facts) -> Iterator[str]:
    """R10: what is for parties goes to whom the case system gives a party's rights in this very case, by role.

    They are never inferred: not from parenthood, not from a register, not from an authority. A parent without parental
    responsibility (A09) has them where it is said and else not. What is written for bodies goes to no private person.
    """
    if facts.audience is Audience.BODY and facts.recipient.reader in {Reader.PRIVATE_PERSON, Reader.REPRESENTATIVE}:
        yield NOT_FOR_PERSONS
    if facts.audience is not Audience.PARTY or facts.in_service:
        return
    if facts.recipient.party_rights is False:
        yield NO_RIGHTS
    elif facts.recipient.party_rights is None or facts.recipient.role is None:
        yield RIGHTS_NOT_STATED


def representative_has_authority_today(facts: Facts) -> Iterator[str]:
    """R11: guardian, proxy and lawyer need an authority that is stated with its last day, and has not ended."""
    acts_for_another = facts.recipient.reader is Reader.REPRESENTATIVE or facts.recipient.role == GUARDIAN
    if facts.audience is not Audience.PARTY or not acts_for_another:
        return
    if facts.recipient.authority_until is None:
        yield AUTHORITY_NOT_STATED
    elif facts.recipient.authority_until < facts.day:
        yield AUTHORITY_ENDED


def child_gets_letters_by_decision(facts: Facts) -> Iterator[str]:
    """R12: from 15 a child gets its own copy; a younger one by decision, and a document of its own.

    So the age of every person must be known, whatever code the person goes under.
    """
    if not facts.recipient.person:
        return
    if facts.recipient.age is None:
        yield AGE_UNKNOWN
    young = facts.recipient.age is not None and facts.recipient.age < _AGE_OF_A_PARTY
    if not young and facts.recipient.aktortype != CHILD_UNDER_15:
        return
    if not facts.recipient.decided_for_child:
        yield NOT_DECIDED
    if facts.history.same_to_other is not False:
        yield CHILD_SAME_DOCUMENT


def childs_words_are_for_the_child(facts: Facts) -> Iterator[str]:
    """R13: what a child said to the service is shown to no other party unless somebody released that document."""
    if facts.audience is not Audience.PARTY or facts.in_service or facts.recipient.aktortype in CHILD_CODES:
        return
    kept = [document for document in facts.documents if not (document.released_by or "").strip()]
    if any(Content.CHILDS_WORDS in (document.told or ()) for document in kept):
        yield CHILDS_WORDS
    if any(document.told is None for document in kept):
        yield CONTENTS_NOT_STATED


def _parent(facts: Facts) -> bool:
    return facts.recipient.role in PARENT_ROLES or facts.recipient.aktortype in PARENT_CODES
