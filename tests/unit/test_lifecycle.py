"""What the two tables promise of every message."""

import itertools

import pytest

from gateway.domain.history import BUFDIR, FIKS_LEDGER
from gateway.domain.lifecycle import (
    FINAL,
    FROM_OUTSIDE,
    INBOUND,
    OUTBOUND,
    REST_LIMITS,
    Effect,
    Event,
    State,
    advance,
)
from gateway.errors import IllegalTransitionError
from gateway.pipeline.texts import STATES

TABLES = {"inbound": INBOUND, "outbound": OUTBOUND}
ENTRY = {"inbound": State.RECEIVED, "outbound": State.ACCEPTED}
PROOF_OF_END = {
    Event.RECEIPT_SENT,  # our receipt is out: the other side confirmed, a person decided, or the first one did
    Event.RECEIPT_CAME,
    Event.TAKEN_FINAL,
    Event.WITHDREW,
    Event.PERSON_WITHDREW,
}


@pytest.fixture(params=TABLES)
def name(request) -> str:
    return request.param


def states(name: str) -> set[State]:
    return {row.state for row in TABLES[name]} | {row.target for row in TABLES[name]}


def test_every_state_and_event_has_one_row_at_most(name):
    keys = [(row.state, row.event) for row in TABLES[name]]
    assert len(keys) == len(set(keys))


def test_every_state_can_be_reached_from_the_entry(name):
    seen, frontier = set(), {ENTRY[name]}
    while frontier:
        seen |= frontier
        frontier = {row.target for row in TABLES[name] if row.state in frontier} - seen
    assert seen == states(name)


def test_every_state_reaches_an_end(name):
    good = set(FINAL)
    while more := {row.state for row in TABLES[name] if row.target in good} - good:
        good |= more
    assert states(name) <= good


def test_an_end_is_an_end(name):
    assert not {row.state for row in TABLES[name]} & FINAL


def test_a_message_ends_only_with_proof_or_by_a_named_person(name):
    assert {row.event for row in TABLES[name] if row.target in FINAL} <= PROOF_OF_END


def test_no_receipt_is_owed_before_somebody_decided():
    owing = {row.event for row in INBOUND if {Effect.RECEIPT_POSITIVE, Effect.RECEIPT_NEGATIVE} & set(row.effects)}
    assert owing == {Event.READ_BACK_RIGHT, Event.PERSON_CONFIRMED, Event.PERSON_REFUSED}


def test_only_a_named_person_refuses():
    assert {row.event for row in INBOUND if row.target is State.REFUSED} == {Event.PERSON_REFUSED}


def test_confirm_is_legal_where_the_message_was_offered_or_held():
    legal = {row.state for row in INBOUND if row.event is Event.READ_BACK_RIGHT}
    assert legal == {State.READY, State.OFFERED, State.HELD}


def test_a_receipt_is_legal_from_every_state_but_the_ends():
    legal = {row.state for row in OUTBOUND if row.event is Event.RECEIPT_CAME}
    assert legal == states("outbound") - FINAL


def test_every_state_that_is_no_end_has_a_time_limit_that_grows(name):
    for state in states(name) - FINAL:
        limits = REST_LIMITS[state]
        assert list(limits) == sorted(limits)
        assert all(one < other for one, other in itertools.pairwise(limits))


def test_an_event_without_a_row_is_a_bug_of_ours():
    for table in TABLES.values():
        for state, event in itertools.product(State, Event):
            if not any((row.state, row.event) == (state, event) for row in table):
                with pytest.raises(IllegalTransitionError):
                    advance(table, state, event)


def test_the_events_of_people_and_partners_are_those_from_outside():
    assert {event for event in Event if event.name.startswith("PERSON_")} <= FROM_OUTSIDE
    assert not {Event.OPENED, Event.CLAIM_LAPSED, Event.RECEIPT_SENT} & FROM_OUTSIDE


def test_every_state_has_a_word_in_each_vocabulary_that_shows_it():
    assert set(STATES) == {state.value for state in State}
    assert set(FIKS_LEDGER) == states("inbound")
    assert set(BUFDIR) == set(State)
