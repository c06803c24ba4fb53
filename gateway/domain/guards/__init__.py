"""Confidentiality rules (``barnevern.md`` 9): facts in, a decision out. They run before every attempt to send.

A rule stops or lets pass; it never changes what is sent. Without a stop of any rule the message may go. A stop has a code;
some stops can be released by named persons, and ``PERSONS`` says by how many.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import InitVar, dataclass
from types import MappingProxyType
from typing import Final

from gateway.domain.guards.facts import Facts, GivenBasis, LegalBasis
from gateway.domain.guards.law import disclosure_has_a_basis
from gateway.errors import PolicyError

__all__ = ["GUARDS", "PERSONS", "Allowed", "Decision", "Facts", "GivenBasis", "LegalBasis", "Stopped", "decide"]


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

GUARDS: Final[Mapping[str, Guard]] = MappingProxyType({"R01": disclosure_has_a_basis})
"""Every rule there is, by the name that the configuration lists it under."""

PERSONS: Final[Mapping[str, int]] = MappingProxyType({})
"""How many different persons must release a stop of this code. A code that is not here cannot be released: only other facts
let the message pass."""


def decide(guards: Iterable[str], facts: Facts) -> Decision:
    """Ask the named rules in their order; the first stop that nobody has released decides. The names were checked at start."""
    for name in guards:
        code = next((code for code in GUARDS[name](facts) if not _released(code, facts)), None)
        if code is not None:
            return Stopped(code)
    return Allowed(facts.parcel, _MADE_BY_DECIDE)


def _released(code: str, facts: Facts) -> bool:
    needed = PERSONS.get(code)
    return needed is not None and len(facts.approvals.get(code, frozenset())) >= needed
