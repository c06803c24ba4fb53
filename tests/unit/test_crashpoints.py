"""No commit without its crash point, and no crash point that nobody is killed at."""

import ast
from pathlib import Path

from gateway.crashpoints import Point, Side
from tests.acceptance import (
    test_crash_matrix,
    test_crash_matrix_decisions,
    test_crash_matrix_fiks,
    test_crash_matrix_outbound,
)
from tests.conftest import ROOT

MATRICES = (test_crash_matrix, test_crash_matrix_decisions, test_crash_matrix_outbound, test_crash_matrix_fiks)
ONE_SIDED = {(Point.SPOOL_WRITTEN, Side.BEFORE)}
"""Before the spool is written nothing is durable yet, and nothing of ours was said: there is no such passage."""


def calls(name: str) -> list[tuple[Path, ast.Call]]:
    return [
        (path, node)
        for path in (ROOT / "gateway").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == name
    ]


def points(node: ast.AST) -> set[str]:
    return {
        one.attr
        for one in ast.walk(node)
        if isinstance(one, ast.Attribute) and isinstance(one.value, ast.Name) and one.value.id == "Point"
    }


def test_every_commit_of_the_store_names_its_point():
    writes = [
        (path, call)
        for path, call in calls("write")
        if isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value).endswith("store")
    ]
    assert len(writes) > 20
    for path, call in writes:
        given = points(call) or any(ast.unparse(argument) == "point" for argument in call.args)
        assert given, f"{path.name}:{call.lineno} commits without a point"


OUTSIDE = {"attempt", "status", "ring_one", "blob"}
"""How the pipeline calls others: to send, to ask, to ring, to fetch."""
BETWEEN_COMMITS = {
    "webhooks.put": "the challenge of an address is sent before anything is stored, and stored by ADMIN",
    "open._fetch_blob": "reads alone: BEGIN_ATTEMPT is passed just before it and FETCHED just after it",
}


def test_every_call_of_others_passes_a_point():
    callers = {
        f"{path.stem}.{function.name}": {ast.unparse(call.func).rpartition(".")[2] for call in calls_in(function)}
        for path in (ROOT / "gateway/pipeline").rglob("*.py")
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(function, ast.AsyncFunctionDef)
    }
    outside = {name for name, called in callers.items() if called & OUTSIDE}
    assert {name for name in outside if "crashpoint" not in callers[name]} == set(BETWEEN_COMMITS)
    assert len(outside) > len(BETWEEN_COMMITS) + 2


def calls_in(function: ast.AST) -> list[ast.Call]:
    return [node for node in ast.walk(function) if isinstance(node, ast.Call)]


def test_every_point_is_used_by_the_gateway():
    used = {name for path in (ROOT / "gateway").rglob("*.py") for name in points(ast.parse(path.read_text("utf-8")))}
    assert used == {point.name for point in Point}


def test_somebody_is_killed_on_both_sides_of_every_point():
    """Each matrix runs its kills on both stores."""
    killed = {kill for matrix in MATRICES for kill in matrix.KILLS}
    assert {(point, side) for point in Point for side in Side} - killed == ONE_SIDED
