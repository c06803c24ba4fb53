"""Whether it goes to whom it is meant for: four eyes on what is new or special, and the exact unit of an organisation."""

from collections.abc import Iterable, Iterator
from typing import Final

from gateway.domain.actors import Reader
from gateway.domain.guards.facts import Facts, Secrecy

ACCOUNT_CHANGED: Final = "r18-account-changed"
KEY_CHANGED: Final = "r18-key-changed"
FOUR_EYES: Final = "r18-four-eyes"

KIND_UNKNOWN: Final = "r19-kind-unknown"
PERSON_AS_BODY: Final = "r19-person-as-body"
UNIT_NOT_APPROVED: Final = "r19-unit-not-approved"

_EYES: Final = 2
_KEY_CHARS: Final = 48  # of a fingerprint: 192 bits, and an approval's code has 64 characters


def different(persons: Iterable[str]) -> int:
    """How many people these are: the same name in other letters is the same person."""
    return len({person.strip().casefold() for person in persons} - {""})


def new_and_special_have_four_eyes(facts: Facts) -> Iterator[str]:
    """R18: two people approve a first message to a recipient, class S or G to somebody private, and a changed account or key.

    Where the office lets the case system state approvals, two of those are enough for all of it but the key, which nobody
    saw there.
    """
    if facts.in_service:
        return
    if facts.key is not None and facts.key.changed:
        yield KEY_CHANGED
    if different(facts.approved_in_case) >= _EYES:
        return
    if facts.history.account_changed is not False and not facts.road.letter:
        yield ACCOUNT_CHANGED
    private = facts.recipient.person or facts.road.letter or facts.recipient.reader is Reader.PRIVATE_REPORTER
    special = facts.secrecy is not Secrecy.SECRET and private
    if facts.history.first_to_recipient is not False or special:
        yield FOUR_EYES


def approval_of_key(fingerprint: str) -> str:
    """The code under which a changed key is approved: it counts for that key, and for none that comes later."""
    return f"{KEY_CHANGED}:{fingerprint[:_KEY_CHARS]}"


def recipient_is_exactly_known(facts: Facts) -> Iterator[str]:
    """R19: an organisation is written to at a unit that somebody approved, and a person is no body.

    An actor code that is no reader's (infrastructure, or one we do not know) may be told nothing. The mailbox of somebody who
    works at a school is not the school's. Two people may release a unit, as others approve it for the list.
    """
    if facts.in_service:
        return
    reader, person = facts.recipient.reader, facts.recipient.person
    if reader in {Reader.UNKNOWN, Reader.INFRASTRUCTURE}:
        yield KIND_UNKNOWN
    if person and reader in {Reader.PUBLIC_BODY, Reader.OWN_SERVICE}:
        yield PERSON_AS_BODY
    if not person and not facts.recipient.approved_unit:
        yield UNIT_NOT_APPROVED
