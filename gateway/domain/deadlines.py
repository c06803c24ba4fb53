"""Statutory clocks: from rules in ``config/frister.toml`` and what is known of a message to dates that ring.

All arithmetic is in Europe/Oslo. A week is seven days; "innen" means the end of that calendar day; months are calendar
months clamped to the month's end; nothing moves for weekends or holidays (``barnevern.md`` 8), but the post rests on them.
Clocks are recalculated from events, never edited.
"""

import calendar
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from gateway.domain.working_days import working_days_before

OSLO: Final = ZoneInfo("Europe/Oslo")
SENT_AT_AGE_MAX: Final = timedelta(days=30)
"""A sendingstidspunkt further back, or in the future, does not start F01 (decisions 6.5)."""

DELIVERED: Final = "levert"
RETURNED: Final = "retur"
FEEDBACK_DELIVERED: Final = "tilbakemelding_levert"
FEEDBACK_RETURNED: Final = "tilbakemelding_retur"
_UNDONE: Final = {DELIVERED: RETURNED, FEEDBACK_DELIVERED: FEEDBACK_RETURNED}
"""A letter that came back was not delivered: the second event has the time of the first one, which does not count then."""

_MONTHS: Final = 12
_MORNING: Final = time(8)
"""When the last day for print rings: there is a day left to release the letter in."""


class Outcome(StrEnum):
    """What the office concluded on a report; the codes are the register's ``Melding/Konklusjon`` (``barnevern.md`` 6.4)."""

    INVESTIGATION = "undersokelse"  # code 2: one begins
    UNDER_WAY = "pagaende_undersokelse"  # code 4: the report joins one that has begun, and no new clock does
    DROPPED = "henlagt"  # every other code: nobody investigates here


class ClockStatus(StrEnum):
    """How a clock stands."""

    WAITING = "VENTER"  # what starts it has not happened
    OPEN = "AAPEN"
    MET = "NADD"
    BREACHED = "BRUTT"
    LAPSED = "BORTFALT"  # cannot apply to this message


@dataclass(frozen=True, slots=True)
class ClockRule:
    """One clock as configured. ``levels`` are the moments, counted from the start or before the due date, that ring.

    ``print_days``: so many working days before the due date it rings too, the last day on which a letter can go to paper and
    come in time; 0: it has no such day. ``needs_event``: without this event of its message it cannot apply. ``expires``: a
    period that runs out, and nothing is broken then. ``alarm``: what rings.
    """

    id: str
    law: str
    title: str
    start: str
    length: timedelta
    months: int = 0
    months_extended: int = 0
    end_of_day: bool = True
    stop: tuple[str, ...] = ()
    levels_after_start: tuple[timedelta, ...] = ()
    levels_before_due: tuple[timedelta, ...] = ()
    public_reporter_only: bool = False
    needs_known_reporter: bool = False
    needs_event: str | None = None
    print_days: int = 0
    expires: bool = False
    alarm: str = "clock-rings"


@dataclass(frozen=True, slots=True)
class ClockFacts:
    """What is known of one message. ``events``: by each of its ``event_names``, every time that it happened."""

    arrived_at: datetime
    sent_at: datetime | None
    reporter_public: bool
    reporter_known: bool
    events: Mapping[str, Sequence[datetime]]


@dataclass(frozen=True, slots=True)
class ClockReading:
    """One clock of one message: ``start`` and ``due`` are UTC, or None while it waits or where it lapsed."""

    id: str
    law: str
    title: str
    status: ClockStatus
    start: datetime | None = None
    due: datetime | None = None
    stopped: datetime | None = None
    rings: tuple[datetime, ...] = ()


def event_names(kind: str, outcome: str | None = None) -> tuple[str, ...]:
    """What clocks know an event by: ``konklusjon``, and where it has an outcome ``konklusjon:undersokelse`` too."""
    return (kind,) if outcome is None else (kind, f"{kind}:{outcome}")


_INVESTIGATION: Final = (*event_names("konklusjon", Outcome.INVESTIGATION)[1:], "undersokelse_startet")


def sent_at_counts(sent_at: datetime, arrived_at: datetime) -> bool:
    """Whether the sender's own time lies 0-30 days before arrival, so that F01 may start at it."""
    # The sender's is not moved to UTC: on the first day of year 1 it cannot be.
    age = arrived_at.astimezone(UTC) - sent_at
    return timedelta(0) <= age <= SENT_AT_AGE_MAX


def end_of_day(moment: datetime) -> datetime:
    """The last second of the moment's calendar day in Oslo, as UTC."""
    local = moment.astimezone(OSLO)
    return datetime.combine(local.date(), time(23, 59, 59), tzinfo=OSLO).astimezone(UTC)


def add_months(moment: datetime, months: int) -> datetime:
    """Calendar months in Oslo, clamped to the month's end."""
    local = moment.astimezone(OSLO)
    index = local.month - 1 + months
    year, month = local.year + index // _MONTHS, index % _MONTHS + 1
    day = min(local.day, calendar.monthrange(year, month)[1])
    return local.replace(year=year, month=month, day=day, fold=0).astimezone(UTC)


def add_days(moment: datetime, length: timedelta) -> datetime:
    """Whole days are calendar days in Oslo, so that summer time does not move the hour; the rest is exact."""
    days = timedelta(days=int(length / timedelta(days=1)))  # towards zero: an hour back is an hour, not a day less 23
    if not days:  # local arithmetic would turn the second of two equal autumn hours into the first
        return moment.astimezone(UTC) + length
    return (moment.astimezone(OSLO) + days).astimezone(UTC) + (length - days)


def read_clocks(rules: Iterable[ClockRule], facts: ClockFacts, now: datetime) -> tuple[ClockReading, ...]:
    """How each clock of a message stands at ``now``."""
    return tuple(_read(rule, facts, now) for rule in rules)


def _read(rule: ClockRule, facts: ClockFacts, now: datetime) -> ClockReading:
    if _lapsed(rule, facts):
        return ClockReading(rule.id, rule.law, rule.title, ClockStatus.LAPSED)
    start = _start(rule, facts)
    if start is None:
        return ClockReading(rule.id, rule.law, rule.title, ClockStatus.WAITING)
    start = start.astimezone(UTC)  # two times of one zone are compared by their faces, twice the same in autumn
    due = _due(rule, start, facts)
    stopped = _stopped(rule, start, facts)
    if rule.expires and (stopped or now) >= due:
        stopped = due  # it ran out, whatever came after
    in_time = (stopped or now).replace(microsecond=0) <= due  # the last second of a day lasts until it is over
    kept = ClockStatus.OPEN if stopped is None else ClockStatus.MET
    status = kept if in_time else ClockStatus.BREACHED
    return ClockReading(rule.id, rule.law, rule.title, status, start, due, stopped, _rings(rule, start, due))


def _lapsed(rule: ClockRule, facts: ClockFacts) -> bool:
    return (
        (rule.public_reporter_only and not facts.reporter_public)
        or (rule.needs_known_reporter and not facts.reporter_known)
        or (rule.needs_event is not None and rule.needs_event not in facts.events)
    )


def _rings(rule: ClockRule, start: datetime, due: datetime) -> tuple[datetime, ...]:
    rings = {add_days(start, level) for level in rule.levels_after_start}
    rings |= {add_days(due, -level) for level in rule.levels_before_due} | {due}
    if rule.print_days:
        last = working_days_before(due.astimezone(OSLO).date(), rule.print_days)
        rings.add(datetime.combine(last, _MORNING, tzinfo=OSLO).astimezone(UTC))
    return tuple(sorted(rings))


def _start(rule: ClockRule, facts: ClockFacts) -> datetime | None:
    match rule.start:
        case "ankomst":
            return facts.arrived_at
        case "sending":
            sent_at = facts.sent_at
            return sent_at if sent_at and sent_at_counts(sent_at, facts.arrived_at) else facts.arrived_at
        case "undersokelse":
            # The register's own definition: the earlier of the conclusion and a week after arrival. A case system that
            # tells of the start only has concluded by then; a report that was dropped starts nothing.
            known = _moments(facts, _INVESTIGATION)
            return min(*known, add_days(facts.arrived_at, timedelta(days=7))) if known else None
        case event:
            return min(_moments(facts, (event,)), default=None)


def _moments(facts: ClockFacts, names: Iterable[str]) -> list[datetime]:
    return [at for name in names for at in facts.events.get(name, ()) if not _undone(facts, name, at)]


def _undone(facts: ClockFacts, name: str, at: datetime) -> bool:
    undoing = _UNDONE.get(name.partition(":")[0])
    return undoing is not None and at in facts.events.get(undoing, ())


def _stopped(rule: ClockRule, start: datetime, facts: ClockFacts) -> datetime | None:
    """The first stop event since the day of the start: case systems may know the day only, and an older one is another's."""
    since = datetime.combine(start.astimezone(OSLO).date(), time(0), tzinfo=OSLO).astimezone(UTC)
    return min((at for at in _moments(facts, rule.stop) if at >= since), default=None)


def _due(rule: ClockRule, start: datetime, facts: ClockFacts) -> datetime:
    months = rule.months
    if rule.months_extended and "undersokelse_utvidet" in facts.events:
        months = rule.months_extended
    due = add_days(add_months(start, months) if months else start, rule.length)
    return end_of_day(due) if rule.end_of_day else due
