"""Which stops named persons may release, and how many of them it takes."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gateway.domain.guards import addresses, course, documents, letters, parties, recipients, registers, reporter
from gateway.domain.guards.facts import Facts

_ONE: Final = (
    parties.NOT_MASKED,
    parties.SAME_DOCUMENT,
    parties.CHILD_SAME_DOCUMENT,
    letters.PRINT_NOT_RELEASED,
    documents.OTHER_CASE,
    documents.OTHER_MUNICIPALITY,
    documents.NOT_SCREENED,
    documents.PARENTS_NOT_SOUGHT,
    registers.EMIGRATED,
    registers.STANDING_UNCLEAR,
    registers.NAME_DIFFERS,
    course.REPEATED,
)
_TWO: Final = (
    reporter.REPORTER_NAMED,
    addresses.NOT_SCREENED,
    addresses.NOT_GIVEN,
    letters.PRINT_NEEDS_TWO,
    recipients.ACCOUNT_CHANGED,
    recipients.KEY_CHANGED,
    recipients.FOUR_EYES,
    recipients.UNIT_NOT_APPROVED,
    documents.FOREIGN_NUMBER,
)
PERSONS: Final[Mapping[str, int]] = MappingProxyType(dict.fromkeys(_ONE, 1) | dict.fromkeys(_TWO, 2))
"""How many different persons must release a stop of this code. A code that is not here cannot be released: only other facts
let the message pass."""

PAPER_CODES: Final = (letters.PRINT_NOT_RELEASED, letters.PRINT_NEEDS_TWO)
"""What a person approves by releasing a letter to paper (R15); the class of the letter says which of them is asked for."""


def approved_as(code: str, about: str | None) -> str:
    """The code under which a stop is released: for what it is about alone, where that can become something else."""
    return code if about is None else f"{code}:{about}"


def released(code: str, facts: Facts) -> bool:
    """Whether enough different persons have released a stop of this code."""
    needed = PERSONS.get(code)
    if code == recipients.KEY_CHANGED and facts.key is not None:
        code = recipients.approval_of_key(facts.key.now or "")
    else:
        code = approved_as(code, facts.about.get(code))
    return needed is not None and recipients.different(facts.approvals.get(code, ())) >= needed
