"""What a check of the evidence looks through, page by page, and what it finds."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import orjson
from sqlalchemy import Connection

from gateway.limits import FINDINGS_KEPT_MAX
from gateway.store import coverage, entry_fields, journal
from gateway.store.database import Store
from gateway.store.tables import metadata

CHANGED: Final = "changed"
ADDED: Final = "added"
MISSING: Final = "missing"
REORDERED: Final = "reordered"

OF_NOBODY: Final = frozenset(
    table.name for table in metadata.tables.values() if coverage.covered(table) and coverage.named_by(table) is None
)
"""Tables whose rows are of no message."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One edit. ``row`` is its primary key as ``name=value``; texts hold ids of ours and numbers, never content."""

    kind: str
    table: str
    row: str
    detail: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, (f"{self.kind}:", self.table, self.row))) + (
            f": {self.detail}" if self.detail else ""
        )


@dataclass(slots=True)
class Told:
    """What entries commit to, by table and value; ``places``: leaf number, which entry, and the row's place in it."""

    entries: int = 0
    values: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    places: dict[tuple[str, str], tuple[int | None, int, int]] = field(default_factory=dict)

    def add(self, number: int | None, commit: Mapping[str, str], tables: Collection[str] | None = None) -> None:
        """Take in what an entry commits to, of these tables only or of all."""
        self.entries += 1
        for name, value in commit.items():
            verb, table, place = [*name.split(":"), "", ""][:3]
            if not place or (tables is not None and table not in tables):
                continue
            self.values[table][value] += 1 if verb == coverage.ROW else -1
            if verb == coverage.ROW:
                self.places[table, value] = (number, self.entries, int(place))


@dataclass(slots=True)
class Outcome:
    """What was looked at and found. Only the first findings are kept, and all are counted in ``found``.

    ``counts``: leaves, blocks, heads, messages, rows and records of content; ``uncovered`` are rows of messages from before
    schema 0005, for which nothing vouches.
    """

    findings: list[Finding] = field(default_factory=list)
    found: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    # for who goes on: what is broken in the tree, what entries say of rows of no message, how many entries are not as they
    # were, and which messages' rows cannot be judged for that
    broken: set[tuple[int, int]] = field(default_factory=set)
    told: Told = field(default_factory=Told)
    revoked: set[str] = field(default_factory=set)
    unread: int = 0
    unjudged: set[str] = field(default_factory=set)
    last_leaf: int = -1

    def find(self, *findings: Finding) -> None:
        """Count them, and keep them while there is room."""
        self.found += len(findings)
        self.findings.extend(findings[: max(0, FINDINGS_KEPT_MAX - len(self.findings))])

    def has(self, table: str) -> bool:
        """Whether something was found in this table."""
        return any(finding.table == table for finding in self.findings)

    def withdraw(self, tables: Collection[str]) -> None:
        """Take back what was found in these tables: it follows from something else."""
        kept = [finding for finding in self.findings if finding.table not in tables]
        self.found -= len(self.findings) - len(kept)
        self.findings = kept


Step = Callable[[Connection, Outcome, Any], Any]
"""Looks at one page from a place on; returns the next place, None at the end."""


def run(conn: Connection, steps: Iterable[Step]) -> Outcome:
    """Every step to its end, at one moment."""
    outcome = Outcome()
    for step in steps:
        place: Any = None
        while (place := step(conn, outcome, place)) is not None:
            pass
    return outcome


async def run_live(store: Store, steps: Iterable[Step]) -> Outcome:
    """As ``run``, each page at a moment of its own, so that writers are not held up."""
    outcome = Outcome()
    for step in steps:
        place: Any = None
        while (place := await store.read(partial(_page, step, outcome, place))) is not None:
            pass
    return outcome


def _page(step: Step, outcome: Outcome, place: Any, conn: Connection) -> Any:
    return step(conn, outcome, place)


def read_entry(text: str | bytes) -> dict[str, Any] | None:
    """An entry's fields; None for what is none."""
    try:
        body = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return body if isinstance(body, dict) and body.keys() == entry_fields.FIELDS else None


def collect(outcome: Outcome, number: int | None, body: Mapping[str, Any]) -> None:
    """What an entry says of rows of no message, and of clients shut out."""
    if body["event"] == journal.CLIENT_REVOKED:
        outcome.revoked.add(str(body["refs"]["client"]))
    outcome.told.add(number, body["commit"], OF_NOBODY)
