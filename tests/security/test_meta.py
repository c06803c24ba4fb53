"""S01: each number has a test that attacks it and a control; and a number without a test says what it waits for.

A control is the request in which the attacked property is put right, and which succeeds. It is a test whose name begins
with ``test_control_``, or a line in the attacking test whose comment says ``the control``: so a reader finds it.
"""

import ast
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable

import pytest

from tests.conftest import ROOT

sys.path.insert(0, str(ROOT / "docs"))
from parts import requirements

CONTROL = re.compile(r"#.*\bthe control\b", re.IGNORECASE)


def lacking(sources: Iterable[str]):
    """What each number that is marked there lacks: an attack, a control, or nothing."""
    attacked, controlled = defaultdict(list), set()
    for source in sources:
        lines = source.splitlines()
        for number, test in requirements.marked_tests(ast.parse(source)):
            body = lines[test.lineno - 1 : test.end_lineno]
            if test.name.startswith("test_control_") or any(CONTROL.search(line) for line in body):
                controlled.add(number)
            if not test.name.startswith("test_control_"):
                attacked[number].append(test.name)
    return {
        number: "a control" if number in attacked else "an attack"
        for number in sorted(attacked.keys() ^ controlled)
        if number in requirements.NUMBERS
    }


def sources():
    return [file.read_text("utf-8") for file in sorted((ROOT / "tests").rglob("test_*.py"))]


@pytest.mark.proves("S01")
def test_every_number_has_attack_and_control():
    assert lacking(sources()) == {}


@pytest.mark.proves("S01")
def test_control_a_number_without_one_of_the_two_is_found():
    attack = '@pytest.mark.proves("S02")\ndef test_a_token_is_refused():\n    assert refused\n'
    control = '@pytest.mark.proves("S02")\nasync def test_control_a_token_is_believed():\n    assert believed\n'
    beside = attack.replace("assert refused", "assert refused  # the control: and this one is not")
    shared = 'pytestmark = pytest.mark.proves("S03")\n\ndef test_a_record_moved_does_not_open():\n    assert 1\n'
    assert lacking([attack]) == {"S02": "a control"}
    assert lacking([control]) == {"S02": "an attack"}
    assert lacking([shared, attack, control]) == {"S03": "a control"}
    assert lacking([attack, control]) == lacking([beside]) == {}
    assert lacking([attack, '"""the control"""\n' + control.replace("S02", "S03")]).keys() == {"S02", "S03"}


def test_every_promise_that_is_kept_today_has_its_tests():
    assert requirements.PROMISES.keys() <= requirements.proving_tests().keys()


@pytest.mark.proves("S01")
def test_every_number_is_tested_or_says_what_it_waits_for():
    told, proven = requirements.read(), requirements.proving_tests()
    assert list(told) == list(requirements.NUMBERS)
    assert unsaid(told, proven) == []


@pytest.mark.proves("S01")
def test_control_a_number_that_is_neither_or_both_is_found():
    told = tomllib.loads('S02 = {demand = "a"}\nS03 = {demand = "b", later = "c"}\nS04 = {demand = "d", left = "e"}')
    assert unsaid(told, {"S02": {"f": ["t"]}}) == ["S04: not tested, and it does not say what it waits for"]
    assert unsaid(told, {"S02": {"f": ["t"]}, "S03": {"f": ["t"]}, "S04": {"f": ["t"]}}) == [
        "S03: tested, and it says that it waits"
    ]


def unsaid(told, proven):
    """The numbers whose entry does not fit whether they are tested."""
    waits = "not tested, and it does not say what it waits for"
    return [
        f"{number}: {'tested, and it says that it waits' if 'later' in entry else waits}"
        for number, entry in told.items()
        if ("later" in entry) == (number in proven)
    ]
