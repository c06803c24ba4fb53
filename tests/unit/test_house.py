"""The bounds of the house: whoever opens a file or a function sees all of it soon."""

import ast
from statistics import median

from tests.conftest import ROOT

PLACES = ("gateway", "adapters", "schemas", "bench", "docs", "tests")
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
MEDIAN_LINES_MAX = 10


def sources():
    for place in PLACES:
        for path in sorted((ROOT / place).rglob("*.py")):
            yield path.relative_to(ROOT), path.read_text("utf-8")


def test_no_file_and_no_function_is_longer_than_the_house_allows():
    long, lengths = [], []
    for path, source in sources():
        if (lines := source.count("\n")) > FILE_LINES_MAX:
            long.append(f"{path}: {lines} lines")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lengths.append(node.end_lineno - node.lineno + 1)
                if lengths[-1] > FUNCTION_LINES_MAX:
                    long.append(f"{path}: {node.name}, {lengths[-1]} lines")
    assert long == []
    assert median(lengths) <= MEDIAN_LINES_MAX
