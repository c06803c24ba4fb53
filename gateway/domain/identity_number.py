"""National identity numbers: whether one can be, what kind it is, and when its person was born.

Eleven digits ``DDMMYYIIIKK`` with two modulus-11 control digits. A D-number has 40 added to the day; 40 added to the month is a
help number (or a made-up one of Nav); 65 and 80 are added to the month of people that are made up for tests. The individual
number ``III`` tells the century.
"""

import re
from datetime import date
from typing import Final

_DIGITS: Final = re.compile(r"[0-9]{11}")
_FIRST_WEIGHTS: Final = (3, 7, 6, 1, 8, 9, 4, 5, 2, 1)
_SECOND_WEIGHTS: Final = (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)
_MODULUS: Final = 11
_D_NUMBER: Final = 40
_MADE_UP: Final = (80, 65)
_HELP_NUMBER: Final = 40
_CENTURIES: Final = ((0, 499, 0, 99, 1900), (500, 749, 54, 99, 1800), (500, 999, 0, 39, 2000), (900, 999, 40, 99, 1900))
"""Individual numbers from and to, years of the century from and to, and the century (Skatteetaten's table)."""


def is_identity_number(text: str) -> bool:
    """Eleven digits with a day of birth that can be and the right control digits, made-up people's included."""
    return born(text) is not None and _controlled(text, _FIRST_WEIGHTS) and _controlled(text, _SECOND_WEIGHTS)


def is_made_up(text: str) -> bool:
    """Whether it is a number of nobody, made for tests."""
    return _DIGITS.fullmatch(text) is not None and int(text[2:4]) > min(_MADE_UP)


def born(text: str) -> date | None:
    """The day of birth that the number tells; None where it tells none."""
    if _DIGITS.fullmatch(text) is None:
        return None
    day, month = int(text[:2]), int(text[2:4])
    century = _century(int(text[6:9]), int(text[4:6]))
    added = next((step for step in (*_MADE_UP, _HELP_NUMBER) if month > step), 0)
    try:
        return None if century is None else date(century + int(text[4:6]), month - added, day - _d_number(day))
    except ValueError:
        return None


def age(text: str, day: date) -> int | None:
    """Whole years on that day; None where the number tells no birth, or one that has not been."""
    birth = born(text)
    if birth is None or birth > day:
        return None
    return day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))


def _d_number(day: int) -> int:
    return _D_NUMBER if day > _D_NUMBER else 0


def _century(individual: int, year: int) -> int | None:
    for first, last, year_from, year_to, century in _CENTURIES:
        if first <= individual <= last and year_from <= year <= year_to:
            return century
    return None


def _controlled(text: str, weights: tuple[int, ...]) -> bool:
    return sum(weight * int(digit) for weight, digit in zip(weights, text, strict=False)) % _MODULUS == 0
