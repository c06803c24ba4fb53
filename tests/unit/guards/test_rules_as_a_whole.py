"""What all rules promise together: texts, releases, periods, and that no fact left out lets anything pass."""

import importlib
import pkgutil
import re
import tomllib
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config import Regel
from gateway.domain import guards
from gateway.domain.guards import ALWAYS, GUARDS, PAPER_CODES, PERSONS, Allowed, Facts, Period, Stopped, asked, decide
from gateway.domain.guards.facts import Secrecy
from gateway.domain.guards.recipients import KEY_CHANGED, approval_of_key
from gateway.domain.message_type import Audience
from gateway.errors import PolicyError
from gateway.pipeline.texts import HOLDS
from tests.conftest import ROOT
from tests.unit.guards import (
    test_rules_of_addresses,
    test_rules_of_parties,
    test_rules_of_reporters,
    test_rules_of_sending,
)
from tests.unit.guards.changes import EVERYBODY, NEEDED, changed, facts_near_passing, without
from tests.unit.guards.kit import (
    PAPER,
    STRICT,
    history,
    in_service,
    resident,
    to_mother,
    to_reporter,
    to_school,
)

MODULES = [
    importlib.import_module(f"gateway.domain.guards.{found.name}") for found in pkgutil.iter_modules(guards.__path__)
]
CODES = {
    value for one in MODULES for value in vars(one).values() if isinstance(value, str) and re.match(r"r\d\d-", value)
}
TABLES = (test_rules_of_addresses, test_rules_of_parties, test_rules_of_reporters, test_rules_of_sending)
ROWS = {rule: rows for table in TABLES for rule, rows in table.ROWS.items()}


def allowed(facts: Facts) -> bool:
    return isinstance(decide(GUARDS, facts), Allowed)


def stop_of(facts: Facts) -> str:
    decision = decide(GUARDS, facts)
    assert isinstance(decision, Stopped)
    return decision.code


@pytest.mark.parametrize("facts", [to_mother(), to_school(), to_reporter(), in_service()])
def test_what_no_rule_stops_is_allowed(facts):
    assert allowed(facts)


def test_only_the_rules_allow():
    with pytest.raises(PolicyError):
        Allowed("a-parcel", object())


def test_an_answer_is_good_for_the_parcel_it_was_asked_of():
    decision = decide(GUARDS, to_mother(parcel="a-parcel"))
    assert isinstance(decision, Allowed)
    assert decision.parcel == "a-parcel"


def test_every_rule_that_concerns_sending_is_there():
    assert set(GUARDS) == {f"R{number:02}" for number in range(1, 26)} - {"R22"}


def test_every_rule_has_rows_that_pass_and_rows_that_stop_and_every_stop_has_a_row():
    assert set(ROWS) == set(GUARDS)
    assert all({bool(codes) for _, _, codes in rows} == {True, False} for rows in ROWS.values())
    assert {code for rows in ROWS.values() for _, _, codes in rows for code in codes} == CODES


def test_every_stop_has_a_text_that_begins_with_its_rule():
    assert {code for code in HOLDS if re.match(r"r\d\d-", code)} == CODES
    assert [code for code in CODES if not re.fullmatch(rf"{code[:3].upper()}: [A-ZÆØÅ].*\.", HOLDS[code])] == []


def test_every_stop_that_persons_may_release_says_how_many():
    assert set(PERSONS) < CODES
    words = {1: "en navngitt person", 2: "to personer|to navngitte personer"}
    assert [code for code, number in PERSONS.items() if not re.search(words[number], HOLDS[code], re.IGNORECASE)] == []


def test_every_rule_has_its_law_and_only_what_was_read_is_confirmed():
    laws = {name: Regel(**law) for name, law in tomllib.loads((ROOT / "config" / "regler.toml").read_text()).items()}
    assert set(laws) == set(GUARDS)
    assert {name for name, law in laws.items() if law.bekreftet} == {"R05", "R06", "R21"}
    assert all(law.gyldig_fra <= date(2023, 1, 1) and law.gyldig_til == date.max for law in laws.values())


@pytest.mark.parametrize(
    ("day", "told"),
    [
        (date(2022, 12, 31), ("R01", "R05", "R15")),
        (date(2023, 1, 1), ("R01", "R05", "R04", "R15")),
        (date(2023, 6, 30), ("R01", "R05", "R04", "R15")),
        (date(2023, 7, 1), ("R01", "R05", "R15")),
    ],
)
def test_a_rule_is_asked_from_its_first_day_to_its_last_and_without_a_period_always(day, told):
    period = Period(date(2023, 1, 1), date(2023, 6, 30))
    periods = {"R04": period, "R05": period, "R15": period, "R02": period}
    assert asked(("R01", "R05", "R04", "R15"), periods, day) == told


def test_no_period_ends_the_rules_that_guard_lives_and_paper():
    ended = Period(date(2000, 1, 1), date(2000, 1, 2))
    assert asked(GUARDS, dict.fromkeys(GUARDS, ended), date(2026, 3, 2)) == ("R05", "R15")
    assert {"R05", "R15"} == ALWAYS


def test_a_stop_that_nobody_can_release_is_told_before_one_that_somebody_can():
    facts = to_mother(history=history(retracted=True, repeated=True))
    assert stop_of(facts) == "r25-retracted"
    assert stop_of(to_mother(history=history(repeated=True))) == "r24-repeated"


@pytest.mark.parametrize(("code", "number"), PERSONS.items())
def test_a_stop_is_released_by_so_many_different_persons_and_by_no_fewer(code, number):
    facts = next(facts for rows in ROWS.values() for _, facts, codes in rows if codes == (code,))
    rule = code[:3].upper()
    kept = approval_of_key(facts.key.now) if code == KEY_CHANGED else code
    one = {"kari", "Kari", " KARI "}
    assert isinstance(decide([rule], replace(facts, approvals={kept: frozenset(one)})), Allowed) == (number == 1)
    assert isinstance(decide([rule], replace(facts, approvals={kept: frozenset({"", " "})})), Stopped)
    assert isinstance(decide([rule], replace(facts, approvals={kept: frozenset({"kari", "ola"})})), Allowed)
    others = {other: frozenset({"kari", "ola"}) for other in PERSONS if other != code}
    assert isinstance(decide([rule], replace(facts, approvals=others)), Stopped)


@pytest.mark.parametrize("code", sorted(CODES - set(PERSONS)))
def test_what_is_not_for_persons_to_release_nobody_releases(code):
    facts = next(facts for rows in ROWS.values() for _, facts, codes in rows if code in codes)
    approvals = {code: frozenset({"kari", "ola", "per"})}
    assert isinstance(decide([code[:3].upper()], replace(facts, approvals=approvals)), Stopped)


@pytest.mark.parametrize(
    ("secrecy", "persons", "told"),
    [
        (Secrecy.SECRET, {"kari"}, None),
        (Secrecy.SPECIAL, {"kari"}, "r15-print-needs-two"),
        (Secrecy.SPECIAL, {"kari", "ola"}, None),
    ],
)
def test_releasing_a_letter_to_paper_counts_whatever_class_it_has(secrecy, persons, told):
    approvals = dict.fromkeys(PAPER_CODES, frozenset(persons))
    decision = decide(["R15"], to_mother(road=PAPER, secrecy=secrecy, approvals=approvals))
    assert (decision.code if isinstance(decision, Stopped) else None) == told


@settings(deadline=None)
@given(facts_near_passing(), st.sampled_from(NEEDED))
def test_a_needed_fact_that_is_left_out_never_lets_a_stopped_message_pass(facts, path):
    if path.endswith("resident") and not facts.road.letter and facts.audience is not Audience.PARTY:
        return  # Folkeregisteret is not asked there (R08)
    assert allowed(facts) or not allowed(without(facts, path))


@settings(deadline=None)
@given(
    facts_near_passing(),
    st.sampled_from(
        [
            ("parties.0.grading", STRICT),
            ("parties.0.resident", resident(grading=STRICT)),
            ("recipient.resident", resident(grading=STRICT)),
        ]
    ),
)
def test_nothing_about_somebody_strictly_confidential_leaves_the_office(facts, change):
    graded = changed(replace(facts, approvals=EVERYBODY), *change)
    assert graded.in_service or not allowed(graded)


@settings(deadline=None)
@given(facts_near_passing())
def test_nothing_goes_on_paper_without_a_persons_release_of_just_that(facts):
    approvals = {code: persons for code, persons in EVERYBODY.items() if code not in PAPER_CODES}
    assert not allowed(replace(facts, road=PAPER, approvals=approvals))


def test_a_letter_goes_on_paper_by_a_persons_release_of_just_that():
    assert stop_of(to_mother(road=PAPER)) == "r15-print-not-released"
    assert allowed(to_mother(road=PAPER, approvals={"r15-print-not-released": frozenset({"kari"})}))


@settings(deadline=None)
@given(facts_near_passing(), st.permutations(list(GUARDS)))
def test_the_order_of_the_rules_decides_nothing(facts, order):
    assert isinstance(decide(order, facts), Allowed) == allowed(facts)


@settings(deadline=None)
@given(facts_near_passing(), st.sets(st.sampled_from(sorted(GUARDS))))
def test_fewer_rules_never_stop_more(facts, some):
    assert not allowed(facts) or isinstance(decide(some, facts), Allowed)
