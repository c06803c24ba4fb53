"""Norwegian working days, held against the almanac."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.working_days import easter_sunday, is_working_day, public_holidays, working_days_before

DAY = timedelta(days=1)
ALMANAC = {  # Easter Sunday, Ascension Day, Whit Sunday, as printed
    2024: (date(2024, 3, 31), date(2024, 5, 9), date(2024, 5, 19)),
    2025: (date(2025, 4, 20), date(2025, 5, 29), date(2025, 6, 8)),
    2026: (date(2026, 4, 5), date(2026, 5, 14), date(2026, 5, 24)),
    2027: (date(2027, 3, 28), date(2027, 5, 6), date(2027, 5, 16)),
    2028: (date(2028, 4, 16), date(2028, 5, 25), date(2028, 6, 4)),
    2029: (date(2029, 4, 1), date(2029, 5, 10), date(2029, 5, 20)),
    2030: (date(2030, 4, 21), date(2030, 5, 30), date(2030, 6, 9)),
}


@pytest.mark.parametrize("year", ALMANAC)
def test_each_year_has_the_holidays_of_the_almanac_and_no_others(year: int) -> None:
    easter, ascension, whit = ALMANAC[year]
    fixed = {date(year, 1, 1), date(year, 5, 1), date(year, 5, 17), date(year, 12, 25), date(year, 12, 26)}

    assert easter_sunday(year) == easter
    movable = {easter - 3 * DAY, easter - 2 * DAY, easter, easter + DAY, ascension, whit, whit + DAY}
    assert public_holidays(year) == fixed | movable


@pytest.mark.parametrize("year", [1954, 1981, 2038, 2049, 2076])
def test_easter_keeps_within_its_bounds_in_the_years_that_simple_rules_get_wrong(year: int) -> None:
    known = {
        1954: date(1954, 4, 18),
        1981: date(1981, 4, 19),
        2038: date(2038, 4, 25),
        2049: date(2049, 4, 18),
        2076: date(2076, 4, 19),
    }

    assert easter_sunday(year) == known[year]


@pytest.mark.parametrize(
    ("due", "count", "last"),
    [
        (date(2026, 11, 20), 5, date(2026, 11, 13)),  # a Friday: the Friday before
        (date(2026, 11, 22), 5, date(2026, 11, 13)),  # its Sunday: must be there on the Friday
        (date(2026, 11, 23), 1, date(2026, 11, 20)),  # over a weekend
        (date(2026, 4, 7), 5, date(2026, 3, 26)),  # over Easter: Thursday to Monday carry nothing
        (date(2027, 5, 18), 3, date(2027, 5, 12)),  # Whit Sunday and Monday, 17 May on the Monday itself
        (date(2027, 1, 4), 5, date(2026, 12, 24)),  # over Christmas and the year's end
    ],
)
def test_the_last_day_for_print_is_counted_back_over_weekends_and_holidays(due: date, count: int, last: date) -> None:
    assert working_days_before(due, count) == last


@given(due=st.dates(date(2000, 1, 1), date(2090, 1, 1)), count=st.integers(0, 30))
def test_what_is_sent_on_the_last_day_comes_in_time_and_a_working_day_later_would_not(due: date, count: int) -> None:
    last = working_days_before(due, count)

    def arrival(sent: date) -> date:
        days, left = sent, count
        while left:
            days += DAY
            left -= is_working_day(days)
        return days

    assert is_working_day(last)
    assert arrival(last) <= due
    later = last + DAY
    while not is_working_day(later):
        later += DAY
    assert arrival(later) > due
