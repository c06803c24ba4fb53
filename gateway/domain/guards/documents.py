"""What was found in the text of the documents."""

from collections.abc import Iterator
from typing import Final

from gateway.domain.actors import Reader
from gateway.domain.guards.facts import Facts

PROTECTED_ADDRESS: Final = "r20-protected-address"
FOREIGN_NUMBER: Final = "r20-foreign-number"
OTHER_CASE: Final = "r20-other-case"
OTHER_MUNICIPALITY: Final = "r20-other-municipality"
NOT_SCREENED: Final = "r20-not-screened"

PARENTS_NUMBER: Final = "r21-parents-number"
PARENTS_NOT_SOUGHT: Final = "r21-not-screened"


def documents_speak_of_this_case_alone(facts: Facts) -> Iterator[str]:
    """R20: nobody's number who is no party, no other case, no other municipality's letterhead, no protected address.

    A finding may be right: one person releases a case number, a municipality or a document that cannot be searched, two an
    identity number of somebody else. A protected address is right for a public body alone.
    """
    if facts.in_service:
        return
    documents = facts.documents
    if facts.recipient.reader is not Reader.PUBLIC_BODY and any(one.protected_addresses for one in documents):
        yield PROTECTED_ADDRESS
    if any(one.foreign_numbers for one in documents):
        yield FOREIGN_NUMBER
    if any(one.other_case_numbers for one in documents):
        yield OTHER_CASE
    if any(one.other_municipalities for one in documents):
        yield OTHER_MUNICIPALITY
    if not documents or not all(one.screened for one in documents):
        yield NOT_SCREENED


def parents_numbers_stay_here(facts: Facts) -> Iterator[str]:
    """R21: no identity number of a parent to foster homes, institutions or firms, unless it is said why they need it."""
    if facts.recipient.reader not in {Reader.CARE_PROVIDER, Reader.PRIVATE_BODY} or facts.necessity_given:
        return
    if any(one.parents_numbers for one in facts.documents):
        yield PARENTS_NUMBER
    if not facts.documents or not all(one.screened for one in facts.documents):
        yield PARENTS_NOT_SOUGHT
