"""What a demonstration came to, for people and for programs; both forms are made from the same rows."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One report: its id, what its sender was told, and how often it is in the case system's own file."""

    id: str
    told: tuple[str, ...]
    stored: int


@dataclass(frozen=True, slots=True)
class Seen:
    """One letter from both ends. ``state``, ``hold``, ``text``, ``ticks``: the case system's interface tells them.

    ``there``: how often the carrier's own store has it. ``calls``: what the carrier was asked to do while it was on its way.
    """

    id: str
    state: str
    hold: str | None
    text: str | None
    ticks: tuple[str, ...]
    there: int
    calls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """The rows, and whether every promise that was shown held."""

    holds: bool
    rows: tuple[Row, ...]
    letters: tuple[Seen, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        letters = [asdict(letter) for letter in self.letters]
        return {"holds": self.holds, "reports": [asdict(row) for row in self.rows], "letters": letters}


def print_rows(rows: Sequence[Row], named: str, told: str) -> None:
    """The table under its two titles, for people."""
    print(f"\n{named:38}{told:40}in the case system's own file")
    for row in rows:
        print(f"{row.id:38}{' > '.join(row.told) or '-':40}{row.stored} time{'s' if row.stored != 1 else ''}")
