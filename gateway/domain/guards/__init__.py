"""Confidentiality rules (``barnevern.md`` 9): facts in, a decision out. They run before every attempt to send.

A rule stops or lets pass; it never changes what is sent. Without a stop of any rule the message may go. A stop has a code;
some stops can be released by named persons, and ``PERSONS`` says by how many.

Rules R01 to R21 and R23 to R25 concern sending and stand here, grouped by what they protect. The others do not: who may see
a message in lists and logs (R22) and break-glass (R28) belong to the pages for people, which come later; how long content is
kept (R26) is ``pipeline.retention``; what may stand in logs, metrics and traces (R27) is ``observability.logging``.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import InitVar, dataclass
from types import MappingProxyType
from typing import Final

from gateway.domain.guards import addresses, course, documents, law, letters, parties, recipients, registers, reporter
from gateway.domain.guards.facts import Facts, GivenBasis, LegalBasis
from gateway.domain.guards.periods import ALWAYS, Period, asked
from gateway.domain.guards.release import PAPER_CODES, PERSONS, released
from gateway.errors import PolicyError

__all__ = [
    "ALWAYS",
    "GUARDS",
    "PAPER_CODES",
    "PERSONS",
    "Allowed",
    "Decision",
    "Facts",
    "GivenBasis",
    "LegalBasis",
    "Period",
    "Stopped",
    "asked",
    "decide",
]


_MADE_BY_DECIDE: Final = object()


@dataclass(frozen=True, slots=True)
class Allowed:
    """No rule stops this parcel, named by its key. Only ``decide`` makes one, and no road is called without it.

    Raises PolicyError for anybody else.
    """

    parcel: str
    maker: InitVar[object]

    def __post_init__(self, maker: object) -> None:
        """Refuse whoever has not asked the rules."""
        if maker is not _MADE_BY_DECIDE:
            message = "only the rules allow"
            raise PolicyError(message)


@dataclass(frozen=True, slots=True)
class Stopped:
    """A rule stops it; ``code`` names rule and reason, and has a text in ``pipeline.texts.HOLDS``."""

    code: str


Decision = Allowed | Stopped
Guard = Callable[[Facts], Iterator[str]]
"""A rule: every reason it has to stop these facts, the gravest first."""

GUARDS: Final[Mapping[str, Guard]] = MappingProxyType(
    {
        "R01": law.disclosure_has_a_basis,
        "R02": reporter.private_reporter_hears_of_receipt_alone,
        "R03": reporter.public_reporter_hears_what_it_needs,
        "R04": reporter.reporter_stays_unknown_to_parties,
        "R05": addresses.strictly_confidential_never_leaves,
        "R06": addresses.confidential_stays_with_public_bodies,
        "R07": addresses.hidden_address_stays_hidden,
        "R08": registers.register_was_asked_today,
        "R09": parties.parents_apart_get_letters_of_their_own,
        "R10": parties.reader_has_the_rights_of_a_party,
        "R11": parties.representative_has_authority_today,
        "R12": parties.child_gets_letters_by_decision,
        "R13": parties.childs_words_are_for_the_child,
        "R14": letters.person_takes_letters_digitally,
        "R15": letters.print_is_released_by_a_person,
        "R16": letters.envelope_tells_nothing,
        "R17": letters.notice_tells_nothing,
        "R18": recipients.new_and_special_have_four_eyes,
        "R19": recipients.recipient_is_exactly_known,
        "R20": documents.documents_speak_of_this_case_alone,
        "R21": documents.parents_numbers_stay_here,
        "R23": registers.nothing_has_changed_in_the_register,
        "R24": course.same_is_not_sent_twice,
        "R25": course.retraction_is_honoured,
    }
)
"""Every rule there is, by the name that the configuration lists it under."""


def decide(guards: Iterable[str], facts: Facts) -> Decision:
    """Ask the named rules in their order; the first stop that nobody has released decides. The names were checked at start.

    A stop that nobody can release comes before those that somebody can: no person releases anything in vain.
    """
    stops = [code for name in guards for code in GUARDS[name](facts) if not released(code, facts)]
    if not stops:
        return Allowed(facts.parcel, _MADE_BY_DECIDE)
    return Stopped(next((code for code in stops if code not in PERSONS), stops[0]))
