"""Letters of one carrier are begun at a steady pace, and a few that come after a pause are not kept waiting."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.limits import LETTERS_AT_ONCE
from gateway.pipeline.pace import Pace
from gateway.testing.clock import HandClock

PAUSES = st.lists(st.floats(0, 100), min_size=1, max_size=50)


def test_the_first_few_letters_wait_for_nobody():
    assert Pace(1.0, HandClock()).room() == LETTERS_AT_ONCE


@given(per_s=st.floats(0.01, 100), pauses=PAUSES)
def test_no_more_are_begun_than_a_few_and_so_many_a_second(per_s, pauses):
    clock = HandClock()
    pace, begun, elapsed = Pace(per_s, clock), 0, 0.0
    for pause_s in pauses:
        clock.turn(pause_s)
        elapsed += pause_s
        room = pace.room()
        assert 0 <= room <= LETTERS_AT_ONCE
        pace.begun(room)
        begun += room
        assert begun <= LETTERS_AT_ONCE + elapsed * per_s + 1e-6


@given(per_s=st.floats(0.1, 100))
def test_a_queue_is_worked_off_at_its_pace(per_s):
    clock = HandClock()
    pace = Pace(per_s, clock)
    begun, seconds = 0, 0
    while begun < LETTERS_AT_ONCE + 5:
        room = pace.room()
        pace.begun(room)
        begun += room
        clock.turn(1)
        seconds += 1
        assert seconds <= 2 + 5 / per_s * 2
