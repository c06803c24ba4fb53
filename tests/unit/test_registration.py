"""What a person may register by hand: judged before anything is stored."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.domain.registration import AGE_MAX, CameBy, Registration, Reporter

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def fault(**changes):
    told = {"tenant": "4601-02", "reporter": Reporter.PRIVATE, "came_by": CameBy.LETTER, "person": "kari"}
    return Registration(**told | changes).fault(NOW)


@pytest.mark.parametrize(
    "changes",
    [
        {"came_at": NOW + SECOND},
        {"came_at": NOW - AGE_MAX - SECOND},
        {"came_at": NOW - AGE_MAX - SECOND, "reason": " "},
        {"person": ""},
        {"person": " kari"},
        {"person": "k" * 65},
        {"person": "01010112345"},
        {"bekymringsmelding_id": "01010112345"},
        {"melding_id": "Kari Nordmann"},
        {"melding_id": ""},
        {"reference": " "},
    ],
)
def test_what_cannot_be_right_is_told(changes):
    assert fault(**changes)


def test_what_is_at_the_edge_is_right():
    assert fault() is None
    assert fault(came_at=NOW) is None
    assert fault(came_at=NOW - AGE_MAX) is None
    assert fault(came_at=NOW - AGE_MAX - SECOND, reason="it lay on the wrong shelf") is None
    assert fault(melding_id="01a202cb-6869-73fd-8fa8-a7db4b37b10c", reference="SAK-1") is None


@pytest.mark.parametrize(("came_by", "seen"), [("brev", NOW), ("telefon", NOW - SECOND), ("personlig", NOW - SECOND)])
def test_a_voice_is_heard_when_it_comes_and_a_letter_is_read_when_it_is_registered(came_by, seen):
    told = Registration("4601-02", Reporter.PUBLIC, CameBy(came_by), "kari")
    assert told.seen_at(NOW - SECOND, NOW) == seen
