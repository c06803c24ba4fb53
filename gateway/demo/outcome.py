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
class Outcome:
    """The rows, and whether every promise that was shown held."""

    holds: bool
    rows: tuple[Row, ...]

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {"holds": self.holds, "reports": [asdict(row) for row in self.rows]}


def print_rows(rows: Sequence[Row], named: str, told: str) -> None:
    """The table under its two titles, for people."""
    print(f"\n{named:38}{told:40}in the case system's own file")
    for row in rows:
        print(f"{row.id:38}{' > '.join(row.told) or '-':40}{row.stored} time{'s' if row.stored != 1 else ''}")
