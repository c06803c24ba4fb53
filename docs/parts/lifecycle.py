"""The two tables of the life cycle, drawn."""

from collections import defaultdict

from gateway.domain.lifecycle import FINAL, INBOUND, OUTBOUND, REST_LIMITS, Table
from gateway.pipeline.texts import STATES
from parts.text import duration, table


def inbound() -> str:
    """What comes in."""
    return _part(INBOUND)


def outbound() -> str:
    """What goes out."""
    return _part(OUTBOUND)


def states() -> str:
    """Each state as people read it, and when it rings."""
    limits = {
        state.value: ", ".join(duration(each.total_seconds()) for each in all_) for state, all_ in REST_LIMITS.items()
    }
    rows = [(state, text, limits.get(state, "never: it is an end")) for state, text in STATES.items()]
    return table(("state", "shown as", "`rests-too-long` rings after"), rows)


def _part(rows: Table) -> str:
    return _drawing(rows) + "\n\n" + _transitions(rows)


def _drawing(rows: Table) -> str:
    arrows: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in rows:
        arrows[row.state.value, row.target.value].append(row.event.value)
    lines = [f"    [*] --> {rows[0].state.value}"]
    lines += [f"    {before} --> {after}: {', '.join(events)}" for (before, after), events in arrows.items()]
    lines += [f"    {state.value} --> [*]" for state in sorted(FINAL & {row.target for row in rows})]
    return "\n".join(["```mermaid", "stateDiagram-v2", *lines, "```"])


def _transitions(rows: Table) -> str:
    cells = [(row.state.value, row.event.value, row.target.value, ", ".join(row.effects) or "-") for row in rows]
    return table(("state", "event", "next state", "owed"), cells)
