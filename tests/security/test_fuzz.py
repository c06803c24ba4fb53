"""S33: a short campaign over every parser, the same each time, and faults planted to see that they are found."""

import pytest

from gateway.errors import StructureError
from gateway.limits import MIB
from tests.security.fuzz import Bounds, Result, Target, campaign
from tests.security.fuzz_mutations import octets
from tests.security.fuzz_targets import targets

SEED = 33


def seen(target, bounds):
    result = Result(target.name)
    campaign(target, range(len(target.samples) + len(target.worst) + target.runs), SEED, result, bounds)
    return result


@pytest.mark.proves("S33")
def test_parsers_stay_in_the_tree():
    results = [seen(target, Bounds()) for target in targets()]
    assert [str(finding) for result in results for finding in result.findings] == []
    assert [result.name for result in results if not result.answers] == []  # the control: something was read


def sound(_data):
    pass


def leaks(data):
    if data[1:] == b"bc":
        raise ValueError("0d1c")


def hangs(data):
    while data[1:] == b"bc":
        pass


def grows(data):
    return bytearray(80 * MIB) if data[1:] == b"bc" else b""


def refuses(data):
    raise StructureError("no")


PLANTED = {sound: None, refuses: None, leaks: "leaked ValueError at test_fuzz.py", hangs: "took", grows: "grew by"}


@pytest.mark.proves("S33")
@pytest.mark.parametrize("read", PLANTED)
def test_a_planted_fault_is_found_and_nothing_else(read):
    target = Target("planted", read, [b"abc", b"xyz"], [octets], (StructureError,), 20)
    findings = seen(target, Bounds(cpu_s=0.05 if read is hangs else 1.0)).findings
    expected = PLANTED[read]
    assert bool(findings) == (expected is not None)
    assert all(expected in str(finding) and "0d1c" not in str(finding) for finding in findings)


def test_the_damage_follows_from_the_seed_and_the_number():
    def damaged(seed, samples=(b"abc" * 99, b"xyz")):
        target = Target("planted", sound, samples, [octets], (), 40)
        return [target.input(seed, number) for number in range(40)]

    assert damaged(1) == damaged(1)
    assert damaged(1) != damaged(2)
