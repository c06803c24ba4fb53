"""Letters of one carrier are begun at a steady pace, and a few that come after a pause are not kept waiting."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.limits import LETTERS_AT_ONCE
from gateway.pipeline.pace import Pace
from gateway.testing.clock import HandClock

PAUSES = st.lists(st.floats(0, 100), min_size=1, max_size=50)


def test_the_first_few_letters_wait_for_nobody():
    assert Pace(1.0, HandClock()).room(reports_come=True) == LETTERS_AT_ONCE


@given(per_s=st.floats(0.01, 100), pauses=PAUSES, reports_come=st.booleans())
def test_no_more_are_begun_than_a_few_and_so_many_a_second_and_a_tenth_while_reports_come(per_s, pauses, reports_come):
    clock, allowed = HandClock(), per_s / 10 if reports_come else per_s
    pace, begun, elapsed = Pace(per_s, clock), 0, 0.0
    for pause_s in pauses:
        clock.turn(pause_s)
        elapsed += pause_s
        room = pace.room(reports_come=reports_come)
        assert 0 <= room <= LETTERS_AT_ONCE
        pace.begun(room)
        begun += room
        assert begun <= LETTERS_AT_ONCE + elapsed * allowed + 1e-6


@given(per_s=st.floats(0.1, 100))
def test_a_queue_is_worked_off_at_its_pace(per_s):
    clock = HandClock()
    pace = Pace(per_s, clock)
    begun, seconds = 0, 0
    while begun < LETTERS_AT_ONCE + 5:
        room = pace.room(reports_come=False)
        pace.begun(room)
        begun += room
        clock.turn(1)
        seconds += 1
        assert seconds <= 2 + 5 / per_s * 2


def test_letters_that_wait_while_reports_come_are_not_forgotten():
    clock = HandClock()
    pace = Pace(1.0, clock)
    pace.begun(LETTERS_AT_ONCE)
    clock.turn(10.5)
    assert pace.room(reports_come=True) == 1
