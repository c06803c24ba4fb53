"""A message type: data read from ``schemas/`` by ``gateway.catalogue``, frozen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

TypeName = str
"""Name and version, e.g. ``bekymringsmelding.offentlig.v2``."""


class Direction(StrEnum):
    """Which way it travels, seen from the child-welfare office."""

    IN = "inn"
    OUT = "ut"


class Lane(StrEnum):
    """Who may wait for whom. Concern reports have workers, a connection and disk of their own (decisions 6.8)."""

    CONCERN = "bekymring"
    ORDINARY = "ordinaer"


class Audience(StrEnum):
    """Whom a type is written for; the rules of ``barnevern.md`` 9 differ by it."""

    PARTY = "part"
    REPORTER = "melder"
    BODY = "etat"


@dataclass(frozen=True, slots=True)
class LetterForm:
    """How a type becomes a letter, by language (``nb``, ``nn``).

    ``subjects``: what shows outside, so it tells nothing. ``templates``: Typst, from which the letter is written where the
    case system brings no PDF; empty where it must.
    """

    subjects: Mapping[str, str]
    templates: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class MessageType:
    """One version of one type, as declared in its ``meldingstype.toml``."""

    name: str
    version: str
    navn: str
    direction: Direction
    lane: Lane
    gradering: str
    hjemmel: tuple[str, ...]
    frister: tuple[str, ...]
    skjermes_for: tuple[str, ...]
    oppbevares_dager: int
    documents: tuple[str, ...]
    schema_document: str | None
    channels: dict[str, str] = field(hash=False)
    audience: Audience = Audience.BODY
    letter: LetterForm | None = field(default=None, hash=False)

    @property
    def key(self) -> TypeName:
        """``name.version``; how messages refer to their type."""
        return f"{self.name}.{self.version}"
