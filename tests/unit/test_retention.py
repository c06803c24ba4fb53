"""When content may go: whatever the policy says, never too early."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.lifecycle import FINAL, State
from gateway.domain.message_type import Lane
from gateway.domain.retention import Age, RetentionPolicy, may_shred, policy_faults, policy_for

DAY = 86_400_000_000
TIMES = st.builds(lambda days, more: days * DAY + more, st.integers(0, 90), st.sampled_from([-1, 0, 1]))
STATES = st.sampled_from([*FINAL, *State])
AGES = st.builds(Age, STATES, st.sampled_from(Lane), TIMES, st.none() | TIMES)
POLICIES = st.builds(RetentionPolicy, st.integers(-1, 60), st.booleans())


@pytest.mark.proves("S94")
@given(AGES, POLICIES, TIMES)
def test_content_goes_when_every_condition_holds_and_never_before(age, policy, now):
    concern = age.lane is Lane.CONCERN
    least = max(30, policy.days) if concern else policy.days
    conditions = [age.state in FINAL, policy.days >= 1, now - age.ended_at >= least * DAY]
    if concern or policy.confirmed:
        conditions.append(age.confirmed_at is not None and now - age.confirmed_at >= least * DAY)
    assert may_shred(age, policy, now) == all(conditions)


@pytest.mark.proves("S94")
def test_control_a_confirmed_concern_report_goes_on_its_day():
    age = Age(State.RECEIPTED, Lane.CONCERN, ended_at=0, confirmed_at=DAY)
    assert may_shred(age, RetentionPolicy(30), 31 * DAY)
    assert not may_shred(age, RetentionPolicy(30), 31 * DAY - 1)


def test_a_policy_that_would_shred_a_concern_report_too_early_is_a_fault():
    assert policy_faults(RetentionPolicy(29), Lane.CONCERN, 1) == ["kept at least 30 days"]
    assert policy_faults(RetentionPolicy(30), Lane.CONCERN, 90) == ["kept at least 90 days"]
    assert policy_faults(RetentionPolicy(30, confirmed=False), Lane.CONCERN, 30) == [
        "a concern report is kept until the case system has confirmed it"
    ]
    assert policy_faults(RetentionPolicy(30), Lane.CONCERN, 30) == []
    assert policy_faults(RetentionPolicy(1, confirmed=False), Lane.ORDINARY, 1) == []


def test_a_policy_is_found_by_the_type_s_name_in_every_version_and_by_no_other_name():
    policies = [("a.b", RetentionPolicy(30))]
    assert policy_for("a.b.v1", policies) == policy_for("a.b.v12", policies) == RetentionPolicy(30)
    assert policy_for("a.bc.v1", policies) is None
    assert policy_for("a.v1", policies) is None
