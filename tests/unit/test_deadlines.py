"""Statutory clocks: the law's own counting, through summer time, month ends and repeated hours."""

import calendar
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.app.parts import clock_rules
from gateway.config import load
from gateway.domain.deadlines import (
    OSLO,
    SENT_AT_AGE_MAX,
    ClockFacts,
    ClockReading,
    ClockRule,
    ClockStatus,
    Outcome,
    add_days,
    add_months,
    end_of_day,
    event_names,
    read_clocks,
    sent_at_counts,
)
from tests.conftest import ROOT

moments = st.datetimes(
    datetime(2000, 1, 1),  # noqa: DTZ001  hypothesis wants naive bounds and adds the zone
    datetime(2090, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
SPRING = date(2026, 3, 29)  # 02:00 becomes 03:00
AUTUMN = date(2026, 10, 25)  # 03:00 becomes 02:00
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def oslo(day: date, hour: int = 10, minute: int = 0, *, fold: int = 0) -> datetime:
    return datetime.combine(day, time(hour, minute), tzinfo=OSLO).replace(fold=fold)


@pytest.fixture(scope="module")
def rules() -> dict[str, ClockRule]:
    """The clocks as shipped, read as the gateway reads them."""
    return clock_rules(load(ROOT / "config" / "gateway.toml", {}).frister, print_days=5)


ARRIVED = oslo(date(2026, 1, 12)).astimezone(UTC)
INVESTIGATE = "konklusjon:undersokelse"
FACTS = ClockFacts(ARRIVED, None, reporter_public=True, reporter_known=True, events={})


def read(rule: ClockRule, now: datetime = ARRIVED, facts: ClockFacts = FACTS, **events: datetime) -> ClockReading:
    once = {name: (at,) for name, at in events.items()}
    (reading,) = read_clocks([rule], replace(facts, events={**facts.events, **once}), now)
    return reading


# --- counting -------------------------------------------------------------------------------------------------------


@given(moment=moments, days=st.integers(0, 400))
def test_a_number_of_days_keeps_the_oslo_hour_unless_that_hour_is_missing(moment: datetime, days: int) -> None:
    began, ended = moment.astimezone(OSLO), add_days(moment, days * DAY).astimezone(OSLO)

    assert ended.date() == began.date() + days * DAY
    missing = ended.replace(tzinfo=None) - datetime.combine(ended.date(), began.time().replace(fold=0))
    assert missing in {timedelta(0), timedelta(hours=1)}
    if missing:
        assert began.hour == 2


@given(moment=moments, minutes=st.integers(-23 * 60, 23 * 60))
def test_less_than_a_day_is_exact_time_in_both_directions(moment: datetime, minutes: int) -> None:
    assert add_days(moment, timedelta(minutes=minutes)) - moment == timedelta(minutes=minutes)


@pytest.mark.parametrize("fold", [0, 1])
def test_fifteen_minutes_in_either_of_the_repeated_autumn_hours_are_fifteen_minutes(fold: int) -> None:
    began = oslo(AUTUMN, 2, 30, fold=fold)

    assert add_days(began, timedelta(minutes=15)) - began.astimezone(UTC) == timedelta(minutes=15)


@given(moment=moments)
def test_the_end_of_a_day_is_its_last_whole_second_in_oslo(moment: datetime) -> None:
    end = end_of_day(moment)

    assert end.astimezone(OSLO).date() == moment.astimezone(OSLO).date()
    assert (end + timedelta(seconds=1)).astimezone(OSLO).date() == moment.astimezone(OSLO).date() + DAY
    assert end >= moment.replace(microsecond=0)


@pytest.mark.parametrize(("day", "hours"), [(SPRING, 23), (AUTUMN, 25), (date(2026, 1, 12), 24)])
def test_the_days_of_the_clock_change_are_23_and_25_hours_long(day: date, hours: int) -> None:
    assert end_of_day(oslo(day)) - end_of_day(oslo(day - DAY)) == timedelta(hours=hours)


@given(moment=moments, months=st.integers(1, 36))
def test_months_land_in_the_right_month_on_the_same_day_or_the_months_last(moment: datetime, months: int) -> None:
    began, ended = moment.astimezone(OSLO), add_months(moment, months).astimezone(OSLO)

    assert (ended.year * 12 + ended.month) - (began.year * 12 + began.month) == months
    assert ended.day == min(began.day, calendar.monthrange(ended.year, ended.month)[1])
    assert began.hour == ended.hour or (began.hour == 2 and ended.hour == 3)  # only the missing hour moves


@pytest.mark.parametrize(
    ("began", "months", "ends"),
    [
        (date(2026, 11, 30), 3, date(2027, 2, 28)),
        (date(2027, 11, 30), 3, date(2028, 2, 29)),
        (date(2026, 3, 31), 3, date(2026, 6, 30)),
        (date(2026, 12, 31), 6, date(2027, 6, 30)),
        (date(2026, 1, 12), 3, date(2026, 4, 12)),
    ],
)
def test_months_are_clamped_to_the_end_of_the_month(began: date, months: int, ends: date) -> None:
    assert add_months(oslo(began), months).astimezone(OSLO).date() == ends


@given(arrived=moments, age=st.timedeltas(-2 * SENT_AT_AGE_MAX, 2 * SENT_AT_AGE_MAX))
def test_the_senders_time_counts_from_none_to_thirty_days_before_arrival(arrived: datetime, age: timedelta) -> None:
    expected = timedelta(0) <= age <= SENT_AT_AGE_MAX

    assert sent_at_counts(arrived - age, arrived) is expected
    assert sent_at_counts((arrived - age).astimezone(OSLO), arrived.astimezone(OSLO)) is expected


# --- the five clocks ------------------------------------------------------------------------------------------------


def test_a_report_is_due_for_review_at_the_end_of_the_seventh_day(rules: dict[str, ClockRule]) -> None:
    reading = read(rules["F01"])

    assert reading.due == end_of_day(oslo(date(2026, 1, 19)))
    assert [ring.astimezone(OSLO).date().day for ring in reading.rings] == [15, 17, 19]


@pytest.mark.parametrize(
    ("sent_at", "starts"),
    [(ARRIVED - 3 * DAY, ARRIVED - 3 * DAY), (ARRIVED - 31 * DAY, ARRIVED), (ARRIVED + DAY, ARRIVED), (None, ARRIVED)],
)
def test_review_starts_at_the_senders_time_only_where_that_is_plausible(
    rules: dict[str, ClockRule], sent_at: datetime | None, starts: datetime
) -> None:
    assert read(rules["F01"], facts=replace(FACTS, sent_at=sent_at)).start == starts


def test_a_start_given_in_local_time_is_read_back_as_utc(rules: dict[str, ClockRule]) -> None:
    reading = read(rules["F01"], facts=replace(FACTS, sent_at=oslo(date(2026, 1, 11))))

    assert reading.start is not None
    assert reading.start.tzinfo is UTC


@given(arrived=moments)
def test_immediate_follow_up_is_due_15_minutes_after_arrival_and_rings_again_at_30(arrived: datetime) -> None:
    rule = ClockRule("F02", "", "", "ankomst", timedelta(minutes=15), end_of_day=False, stop=("levert", "person_sett"))
    rule = replace(rule, levels_after_start=(timedelta(minutes=15), timedelta(minutes=30)))

    reading = read(rule, facts=replace(FACTS, arrived_at=arrived))

    assert reading.due == arrived + timedelta(minutes=15)
    assert reading.rings == (arrived + timedelta(minutes=15), arrived + timedelta(minutes=30))


def test_the_configured_follow_up_clock_is_that_one(rules: dict[str, ClockRule]) -> None:
    assert rules["F02"].length == timedelta(minutes=15)
    assert not rules["F02"].end_of_day
    assert rules["F02"].stop == ("levert", "person_sett")


@pytest.mark.parametrize("seen", ["levert", "person_sett"])
def test_either_confirmation_or_a_person_meets_the_follow_up_clock(rules: dict[str, ClockRule], seen: str) -> None:
    at = ARRIVED + timedelta(minutes=14)

    assert read(rules["F02"], now=ARRIVED + DAY, **{seen: at}).status is ClockStatus.MET


def test_feedback_lapses_where_nobody_can_be_answered(rules: dict[str, ClockRule]) -> None:
    anonymous = replace(FACTS, reporter_public=False, reporter_known=False)

    assert read(rules["F03"], facts=anonymous).status is ClockStatus.LAPSED
    assert read(rules["F03"], facts=replace(anonymous, reporter_known=True)).status is ClockStatus.OPEN


def test_an_investigation_waits_until_one_is_known_of(rules: dict[str, ClockRule]) -> None:
    assert read(rules["F04"]).status is ClockStatus.WAITING


@pytest.mark.parametrize(
    ("events", "starts"),
    [
        ({INVESTIGATE: ARRIVED + 2 * DAY}, ARRIVED + 2 * DAY),
        ({INVESTIGATE: ARRIVED + 9 * DAY}, ARRIVED + 7 * DAY),
        ({"undersokelse_startet": ARRIVED + 2 * DAY}, ARRIVED + 2 * DAY),
        ({"undersokelse_startet": ARRIVED + 9 * DAY}, ARRIVED + 7 * DAY),
        ({INVESTIGATE: ARRIVED + 3 * DAY, "undersokelse_startet": ARRIVED + 4 * DAY}, ARRIVED + 3 * DAY),
    ],
)
def test_an_investigation_starts_at_the_conclusion_to_have_one_or_a_week_after_arrival(
    rules: dict[str, ClockRule], events: dict[str, datetime], starts: datetime
) -> None:
    assert read(rules["F04"], **events).start == starts


@pytest.mark.parametrize("outcome", set(Outcome) - {Outcome.INVESTIGATION})
def test_a_report_that_is_dropped_or_joins_another_is_reviewed_and_starts_no_investigation(
    rules: dict[str, ClockRule], outcome: Outcome
) -> None:
    concluded = dict.fromkeys(event_names("konklusjon", outcome), ARRIVED + 2 * DAY)

    assert read(rules["F01"], **concluded).status is ClockStatus.MET
    assert read(rules["F04"], now=ARRIVED + 365 * DAY, **concluded).status is ClockStatus.WAITING
    assert read(rules["F05"], now=ARRIVED + 365 * DAY, **concluded).status is ClockStatus.WAITING


def test_a_report_that_was_dropped_and_taken_up_again_has_its_investigation_counted(
    rules: dict[str, ClockRule],
) -> None:
    dropped, resumed = ARRIVED + 2 * DAY, ARRIVED + 5 * DAY
    events = {"konklusjon": (dropped, resumed), "konklusjon:henlagt": (dropped,), INVESTIGATE: (resumed,)}

    assert read(rules["F04"], facts=replace(FACTS, events=events)).start == resumed


def test_an_investigation_may_take_three_months_and_six_when_extended(rules: dict[str, ClockRule]) -> None:
    concluded = {INVESTIGATE: oslo(date(2026, 1, 14))}

    assert read(rules["F04"], **concluded).due == end_of_day(oslo(date(2026, 4, 14)))
    extended = read(rules["F04"], **concluded, undersokelse_utvidet=oslo(date(2026, 4, 1)))
    assert extended.due == end_of_day(oslo(date(2026, 7, 14)))


def test_the_feedback_that_answered_the_arrival_does_not_stop_the_one_owed_after_the_investigation(
    rules: dict[str, ClockRule],
) -> None:
    done = oslo(date(2026, 4, 10))
    first = ARRIVED + 10 * DAY
    facts = replace(FACTS, events={"tilbakemelding_sendt": (first,), "undersokelse_avsluttet": (done,)})

    assert read(rules["F03"], facts=facts).status is ClockStatus.MET
    assert read(rules["F05"], now=done, facts=facts).status is ClockStatus.OPEN
    assert read(rules["F05"], now=done + 30 * DAY, facts=facts).status is ClockStatus.BREACHED
    events = {**facts.events, "tilbakemelding_sendt": (first, done + 20 * DAY, done + 25 * DAY)}
    reading = read(rules["F05"], now=done + 30 * DAY, facts=replace(facts, events=events))
    assert (reading.status, reading.stopped) == (ClockStatus.MET, done + 20 * DAY)


def test_a_stop_that_is_known_by_its_day_only_counts_on_the_day_of_the_start(rules: dict[str, ClockRule]) -> None:
    done = oslo(date(2026, 4, 10), 14)

    reading = read(rules["F05"], undersokelse_avsluttet=done, tilbakemelding_sendt=oslo(date(2026, 4, 10), 0))

    assert reading.status is ClockStatus.MET


def test_feedback_after_the_investigation_is_owed_to_public_reporters_only(rules: dict[str, ClockRule]) -> None:
    assert read(rules["F05"], facts=replace(FACTS, reporter_public=False)).status is ClockStatus.LAPSED


# --- of letters -----------------------------------------------------------------------------------------------------


def test_feedback_that_is_delivered_stops_both_clocks_only_if_it_says_what_the_second_one_asks(
    rules: dict[str, ClockRule],
) -> None:
    done = oslo(date(2026, 1, 20))
    told = replace(FACTS, events={"undersokelse_avsluttet": (done,)})

    for says, meets in (("mottatt", False), ("undersokelse_apnet", False), ("henlagt", True), ("folges_opp", True)):
        events = {**told.events, **dict.fromkeys(event_names("tilbakemelding_levert", says), (done + DAY,))}
        facts = replace(told, events=events)
        assert read(rules["F03"], facts=facts).status is ClockStatus.MET
        assert (read(rules["F05"], facts=facts).status is ClockStatus.MET) is meets, says


def test_both_clocks_of_feedback_ring_in_the_morning_of_the_last_day_for_print(rules: dict[str, ClockRule]) -> None:
    last = oslo(date(2026, 1, 26), 8)  # due on Monday 2 February: five working days before it

    assert read(rules["F03"]).due == end_of_day(oslo(date(2026, 2, 2)))
    assert last.astimezone(UTC) in read(rules["F03"]).rings
    over_easter = read(rules["F05"], undersokelse_avsluttet=oslo(date(2026, 3, 20)))
    assert over_easter.due == end_of_day(oslo(date(2026, 4, 10)))
    assert oslo(date(2026, 3, 31), 8).astimezone(UTC) in over_easter.rings, "the Monday after Easter carries nothing"


def test_the_period_for_complaining_counts_from_the_delivery_and_runs_out_unbroken(rules: dict[str, ClockRule]) -> None:
    delivered = oslo(date(2026, 1, 14), 13)
    due = end_of_day(oslo(date(2026, 2, 4)))

    assert read(rules["F12"], now=ARRIVED + 300 * DAY).status is ClockStatus.WAITING
    assert read(rules["F12"], now=due - DAY, levert=delivered).status is ClockStatus.OPEN
    over = read(rules["F12"], now=due, levert=delivered)
    assert (over.due, over.status, over.stopped) == (due, ClockStatus.MET, due)
    complained = read(rules["F12"], now=due, levert=delivered, klage=delivered + DAY)
    assert (complained.status, complained.stopped) == (ClockStatus.MET, delivered + DAY)
    too_late = read(rules["F12"], now=due + DAY, levert=delivered, klage=due + HOUR)
    assert too_late.stopped == due


def test_a_plan_is_to_be_delivered_on_the_day_it_is_handed_in_and_rings_at_three(rules: dict[str, ClockRule]) -> None:
    reading = read(rules["F10D"])

    assert reading.due == end_of_day(ARRIVED)
    assert reading.rings[0].astimezone(OSLO).hour in {14, 15}
    assert read(rules["F10D"], now=ARRIVED + DAY, levert=ARRIVED + HOUR).status is ClockStatus.MET
    assert read(rules["F10D"], now=ARRIVED + DAY).status is ClockStatus.BREACHED


def test_an_unopened_letter_reminds_after_two_and_five_days_and_only_where_opening_is_told(
    rules: dict[str, ClockRule],
) -> None:
    digital = dict.fromkeys(event_names("levert", "digitalt"), ARRIVED)

    assert read(rules["R15"], **digital).status is ClockStatus.LAPSED
    asked = read(rules["R15"], **digital, apning_bedt=ARRIVED)
    assert asked.rings == (ARRIVED + 2 * DAY, ARRIVED + 5 * DAY)
    assert read(rules["R15"], **digital, apning_bedt=ARRIVED, apnet=ARRIVED + DAY).status is ClockStatus.MET
    on_paper = dict.fromkeys(event_names("levert", "papir"), ARRIVED)
    assert read(rules["R15"], **on_paper, apning_bedt=ARRIVED).status is ClockStatus.WAITING
    assert rules["R15"].alarm == "letter-unopened"


@given(delivered=st.lists(moments, min_size=1, max_size=4), data=st.data())
def test_a_delivery_counts_unless_just_that_one_came_back(delivered: list[datetime], data: st.DataObject) -> None:
    rule = ClockRule("X", "", "", "levert", DAY)
    returned = data.draw(st.lists(st.sampled_from(delivered), unique=True))
    facts = replace(FACTS, events={"levert": tuple(delivered), "retur": tuple(returned)})

    standing = [at for at in delivered if at not in returned]
    assert read(rule, facts=facts).start == min(standing, default=None)


# --- standing -------------------------------------------------------------------------------------------------------


@given(late=st.timedeltas(timedelta(days=-30), timedelta(days=30)), done=st.booleans())
def test_a_clock_is_breached_exactly_when_its_last_day_is_over(late: timedelta, done: bool) -> None:
    rule = ClockRule("F01", "", "", "ankomst", 7 * DAY, stop=("konklusjon",))
    day_over = datetime.combine(date(2026, 1, 20), time(0), tzinfo=OSLO)
    moment = day_over + late

    reading = read(rule, now=moment, **({"konklusjon": moment} if done else {}))

    in_time = ClockStatus.MET if done and moment >= oslo(date(2026, 1, 12), 0) else ClockStatus.OPEN
    assert reading.status is (in_time if moment < day_over else ClockStatus.BREACHED)


@given(arrived=moments, levels=st.lists(st.timedeltas(timedelta(0), 60 * DAY), max_size=5))
def test_rings_are_in_order_and_always_hold_the_due_time(arrived: datetime, levels: list[timedelta]) -> None:
    rule = ClockRule("X", "", "", "ankomst", 21 * DAY, levels_after_start=tuple(levels), levels_before_due=(DAY,))

    reading = read(rule, facts=replace(FACTS, arrived_at=arrived))

    assert list(reading.rings) == sorted(set(reading.rings))
    assert reading.due in reading.rings
