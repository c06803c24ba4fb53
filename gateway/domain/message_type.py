"""A message type: data read from ``schemas/`` by ``gateway.catalogue``, frozen."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

TypeName = str
"""Name and version, e.g. ``bekymringsmelding.offentlig.v2``."""

ANY_DOCUMENT: Final = "*"
ANY_PDF: Final = "*.pdf"
"""What may stand among a type's ``documents`` instead of a name: any that there are, none too."""


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

    def takes(self, names: Collection[str]) -> bool:
        """Whether these may be a message's documents: each one that the type names, and no other that it does not let in."""
        if ANY_DOCUMENT in self.documents:
            return True
        named = set(self.documents) - {ANY_PDF}
        others = set(names) - named
        return named <= set(names) and all(ANY_PDF in self.documents and name.endswith(".pdf") for name in others)
