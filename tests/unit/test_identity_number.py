"""Identity numbers: which can be, when their people were born, and how old they are."""

from datetime import date

import pytest

from gateway.domain.identity_number import age, born, is_identity_number, is_made_up

DAY = date(2026, 3, 2)


@pytest.mark.parametrize(
    ("number", "birth"),
    [
        ("01010750160", date(2007, 1, 1)),  # individual number from 500: this century
        ("05068907693", date(1989, 6, 5)),
        ("41060094231", date(2000, 6, 1)),  # a D-number: 40 is added to the day
        ("17912099997", date(2020, 11, 17)),  # made up: 80 is added to the month
    ],
)
def test_a_number_tells_the_day_of_birth(number, birth):
    assert is_identity_number(number)
    assert born(number) == birth


@pytest.mark.parametrize(
    ("stem", "birth"),
    [
        ("0101005" + "00", date(2000, 1, 1)),
        ("0101544" + "99", date(1954, 1, 1)),
        ("0101545" + "00", date(1854, 1, 1)),
        ("0101409" + "00", date(1940, 1, 1)),
        ("0101399" + "00", date(2039, 1, 1)),
        ("0101406" + "00", None),  # no century has these
        ("0141850" + "01", date(1985, 1, 1)),  # a help number
        ("0166850" + "01", date(1985, 1, 1)),
        ("7101850" + "01", date(1985, 1, 31)),
        ("7201850" + "01", None),
        ("0013850" + "01", None),
        ("3002850" + "01", None),
    ],
)
def test_centuries_and_marks_follow_the_table(stem, birth):
    assert born(stem + "00") == birth


@pytest.mark.parametrize(
    "number", ["", "1", "0101075016", "010107501600", "0101075016a", "٠١٠١٠٧٥٠١٦٠", "01010750161", "01010750170"]
)
def test_what_is_no_number_is_none(number):
    assert not is_identity_number(number)


@pytest.mark.parametrize(
    ("number", "years"), [("02031150000", 15), ("03031150000", 14), ("03032650000", None), ("99999999999", None)]
)
def test_an_age_is_whole_years_and_nobody_is_unborn(number, years):
    assert age(number, DAY) == years


def test_made_up_people_are_told_from_real_ones():
    assert is_made_up("17912099997")
    assert is_made_up("0166850010" + "0")
    assert not is_made_up("01010750160")
    assert not is_made_up("no number!!")
