"""Norwegian working days: what the post goes by. Monday to Friday without public holidays, computed for any year.

The movable ones hang on Easter Sunday. Christmas Eve and New Year's Eve are working days by law, short as they are.
"""

from datetime import date, timedelta
from functools import cache
from typing import Final

_FIXED: Final = ((1, 1), (5, 1), (5, 17), (12, 25), (12, 26))  # lov om 1. og 17. mai; helligdagsfredloven § 2
_FROM_EASTER: Final = (-3, -2, 0, 1, 39, 49, 50)
"""Maundy Thursday, Good Friday, Easter Sunday and Monday, Ascension Day, Whit Sunday and Monday (helligdagsfredloven § 2)."""
_SATURDAY: Final = 5
_DAY: Final = timedelta(days=1)


def easter_sunday(year: int) -> date:
    """Easter Sunday of the Gregorian calendar: the Sunday after the paschal full moon (Gauss's rule as mended by Lichtenberg)."""
    century = year // 100
    moon = 15 + (3 * century + 3) // 4 - (8 * century + 13) // 25
    solar = 2 - (3 * century + 3) // 4
    golden = year % 19
    raw = (19 * golden + moon) % 30
    correction = (raw + golden // 11) // 29
    full_moon = 21 + raw - correction
    first_sunday = 7 - (year + year // 4 + solar) % 7
    return date(year, 3, 1) + _DAY * (full_moon + 7 - (full_moon - first_sunday) % 7 - 1)


@cache
def public_holidays(year: int) -> frozenset[date]:
    """Every public holiday of a year, those on Sundays too."""
    easter = easter_sunday(year)
    return frozenset(date(year, *day) for day in _FIXED) | {easter + _DAY * days for days in _FROM_EASTER}


def is_working_day(day: date) -> bool:
    """Whether the post is carried on it."""
    return day.weekday() < _SATURDAY and day not in public_holidays(day.year)


def working_days_before(day: date, count: int) -> date:
    """The last day on which something that takes ``count`` working days can be sent and come no later than ``day``.

    So five before a Friday is the Friday before it, and five before the Sunday after it is that same Friday.
    """
    while not is_working_day(day):
        day -= _DAY
    while count > 0:
        day -= _DAY
        count -= is_working_day(day)
    return day
