"""A message type: data read from ``schemas/`` by ``gateway.catalogue``, frozen."""

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

    @property
    def key(self) -> TypeName:
        """``name.version``; how messages refer to their type."""
        return f"{self.name}.{self.version}"
