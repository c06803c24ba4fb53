"""S34: no pattern of ours takes more than linear time, on a mebibyte chosen against it."""

import ast
import re
import time

import pytest

from gateway.limits import MIB
from tests.conftest import ROOT

SHIPPED = sorted(path for folder in ("gateway", "adapters") for path in (ROOT / folder).rglob("*.py"))
SECONDS = 1.0


def patterns():
    """Every literal that is compiled, or given to a model's field, in what is shipped."""
    for path in SHIPPED:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            given = [word.value for word in node.keywords if word.arg == "pattern"]
            if name == "compile" and isinstance(node.func, ast.Attribute) and ast.unparse(node.func) == "re.compile":
                given.append(node.args[0])
            for one in given:
                if isinstance(one, ast.Constant):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", one.value


FOUND = dict(patterns())


def attacks(pattern):
    """Long runs of what the pattern likes, ended by what it does not."""
    text = pattern.decode("latin-1") if isinstance(pattern, bytes) else pattern
    liked = set(re.findall(r"[A-Za-z0-9 ./:@_\\-]", text)) | {"a", "0", " ", "-", ".", "/", '"', "="}
    for sign in sorted(liked):
        yield sign * MIB + "\x00"
        yield "\x00" + sign * MIB
    yield "a-" * (MIB // 2) + "\x00"
    yield "0 " * (MIB // 2) + "!"


@pytest.mark.proves("S34")
def test_there_are_patterns_to_try():
    assert len(FOUND) > 10


@pytest.mark.proves("S34")
@pytest.mark.timeout(170)
@pytest.mark.parametrize("place", FOUND)
def test_patterns_are_linear(place):
    pattern = FOUND[place]
    compiled = re.compile(pattern)
    used = compiled.search if ".search(" in (ROOT / place.partition(":")[0]).read_text() else compiled.fullmatch
    for attack in attacks(pattern):
        subject = attack.encode() if isinstance(pattern, bytes) else attack
        started = time.process_time()
        used(subject)
        assert time.process_time() - started < SECONDS


@pytest.mark.proves("S34")
def test_control_a_pattern_that_is_not_linear_would_be_found():
    bad = re.compile(r"(a|aa)+$")
    started = time.process_time()
    bad.fullmatch("a" * 32 + "!")
    assert time.process_time() - started > SECONDS / 20  # of 32 signs, where a mebibyte was to take a second
