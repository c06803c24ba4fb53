"""Addresses that somebody must not learn: graded in Folkeregisteret, or hidden from a party by decision."""

from collections.abc import Iterator
from typing import Final

from gateway.domain.actors import Reader
from gateway.domain.guards.facts import Content, Facts, PartyFacts, RecipientFacts
from gateway.domain.message_type import Audience
from gateway.domain.persons import Grading

STRICT_PAPER: Final = "r05-strictly-confidential-paper"
STRICT_LETTER: Final = "r05-strictly-confidential-letter"
STRICT_BODY: Final = "r05-strictly-confidential-body"
GRADING_UNKNOWN: Final = "r05-grading-unknown"
CHILD_NOT_STATED: Final = "r05-child-not-stated"

GRADING_DIFFERS: Final = "r06-grading-differs"
CONFIDENTIAL_PAPER: Final = "r06-confidential-paper"
CONFIDENTIAL_PRIVATE: Final = "r06-confidential-private"
CONFIDENTIAL_OWN: Final = "r06-confidential-own-letter"

HIDDEN_NOT_STATED: Final = "r07-not-stated"
TELLS_ADDRESS: Final = "r07-tells-address"
ADDRESS_FOUND: Final = "r07-address-found"
NOT_MASKED: Final = "r07-not-masked"
NOT_SCREENED: Final = "r07-not-screened"
NOT_GIVEN: Final = "r07-address-not-given"

CHILD: Final = "HOVEDPERSON"


def strictly_confidential_never_leaves(facts: Facts) -> Iterator[str]:
    """R05: where anybody's address is ``STRENGT_FORTROLIG`` nothing leaves the office on any road, and nobody can release it.

    Envelope and Folkeregisteret are both believed: the stricter word holds. A grading that is no word we know may be the
    strictest, and so may that of a child whom the parties of a letter do not name.
    """
    if facts.in_service:
        return
    if Grading.STRICTLY_CONFIDENTIAL in _own(facts) | _others(facts):
        yield _strict_code(facts)
    if any(party.grading is None for party in facts.parties):
        yield GRADING_UNKNOWN
    if facts.audience is Audience.PARTY and all(party.role != CHILD for party in facts.parties):
        yield CHILD_NOT_STATED


def confidential_stays_with_public_bodies(facts: Facts) -> Iterator[str]:
    """R06: ``FORTROLIG`` may be told to public bodies, never to somebody private, and never goes on paper.

    Who is graded may get the own letter in a mailbox where the office decided so, unless it concerns another graded person:
    nobody here knows whether they live together. An envelope that says less than Folkeregisteret was written without
    knowing, so what it carries was too.
    """
    if facts.in_service:
        return
    if any(_says_too_little(party) for party in facts.parties):
        yield GRADING_DIFFERS
    own, others = (Grading.CONFIDENTIAL in gradings for gradings in (_own(facts), _others(facts)))
    if facts.road.on_paper and (own or others):
        yield CONFIDENTIAL_PAPER
    if facts.recipient.reader is Reader.PUBLIC_BODY and not facts.recipient.person and not facts.road.letter:
        return
    if others:
        yield CONFIDENTIAL_PRIVATE
    if own and not facts.confidential_digitally:
        yield CONFIDENTIAL_OWN


def hidden_address_stays_hidden(facts: Facts) -> Iterator[str]:
    """R07: an address that the nemnd hides from a party is in no register, so it must be stated for each other party.

    For whom it is hidden, every document is redacted, looked through and searched; where nobody gave the address, two people
    read instead. A representative, and whoever has no role, may tell anybody: hidden from one is hidden from them.
    """
    if facts.audience is not Audience.PARTY or facts.in_service:
        return
    others = [party for party in facts.parties if not party.is_recipient]
    if any(party.hidden_from is None for party in others):
        yield HIDDEN_NOT_STATED
    hidden = [party for party in others if _hidden(facts.recipient, party)]
    if not hidden:
        return
    if any(document.told is None or Content.ADDRESS in document.told for document in facts.documents):
        yield TELLS_ADDRESS
    if any(document.protected_addresses for document in facts.documents):
        yield ADDRESS_FOUND
    if not facts.documents or not all(document.masked for document in facts.documents):
        yield NOT_MASKED
    if not all(document.screened for document in facts.documents):
        yield NOT_SCREENED
    if not all(party.address_given for party in hidden):
        yield NOT_GIVEN


def may_not_learn(recipient: RecipientFacts, party: PartyFacts) -> bool:
    """Whether this recipient may not learn where another party is: by decision, or since the address is graded."""
    graded = party.grading is None or bool(_gradings(party) & {Grading.CONFIDENTIAL, Grading.STRICTLY_CONFIDENTIAL})
    return not party.is_recipient and (graded or _hidden(recipient, party))


def _strict_code(facts: Facts) -> str:
    if facts.road.on_paper:
        return STRICT_PAPER
    return STRICT_LETTER if facts.road.letter else STRICT_BODY


def _gradings(party: PartyFacts) -> set[Grading | None]:
    return {party.grading, None if party.resident is None else party.resident.grading}


def _own(facts: Facts) -> set[Grading | None]:
    resident = facts.recipient.resident
    found = {None if resident is None else resident.grading}
    return found.union(*(_gradings(party) for party in facts.parties if party.is_recipient))


def _others(facts: Facts) -> set[Grading | None]:
    return set[Grading | None]().union(*(_gradings(party) for party in facts.parties if not party.is_recipient))


def _says_too_little(party: PartyFacts) -> bool:
    graded = party.resident is not None and party.resident.grading is not Grading.UNGRADED
    return graded and party.grading is Grading.UNGRADED


def _hidden(recipient: RecipientFacts, party: PartyFacts) -> bool:
    hidden = party.hidden_from or frozenset()
    if recipient.role is None or recipient.reader is Reader.REPRESENTATIVE:
        return bool(hidden)
    return recipient.role in hidden
