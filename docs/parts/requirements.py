"""The product's promises and the security requirements (``docs/requirements.toml``), each beside the tests that prove it."""

import ast
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

from parts.text import ROOT, table

Test = ast.FunctionDef | ast.AsyncFunctionDef

NUMBERS: Final = tuple(f"S{number:02}" for number in range(1, 112))

PROMISES: Final = {
    "promise-1": "Nothing is lost and nothing handed over twice, whenever a process, disk, database or partner dies",
    "promise-2": "No false receipt: delivered is said when the case system has read the report back, or a named person says so",
    "promise-3": "Every message is accounted for, every day, and a difference rings",
    "promise-4": "Nobody gets what they must not see",
    "promise-5": "No clock of the law runs out unseen",
    "promise-6": "What happened can be proven without us, also when the content is gone",
    "promise-7": "Sealed end to end: seals and signers are verified, a key a message at rest, no content in any log",
    "promise-8": "One partner's trouble is its own, and no other traffic fills the lane of concern reports",
    "promise-9": "A new partner is quickly written, and its counterpart can be simulated",
    "promise-10": "The same code runs on one machine with SQLite and as several processes on PostgreSQL",
}


def promises() -> str:
    """One row a promise, with its tests."""
    proofs = proving_tests()
    rows = [
        (promise.removeprefix("promise-"), text, _tests(proofs.get(promise, {})) or "later, with the rules for letters")
        for promise, text in PROMISES.items()
    ]
    return table(("no.", "promise", "tests"), rows)


def requirements() -> str:
    """One row a number: tested, or later."""
    told, proofs = read(), proving_tests()
    rows = [_row(number, told[number], proofs.get(number, {})) for number in NUMBERS]
    tested = sum(row[2] == "tested" for row in rows)
    head = ("no.", "demand", "state", "tests, and what is left; or what it waits for")
    return f"{tested} of {len(rows)} have a test; what a test leaves open stands beside it.\n\n" + table(head, rows)


def read() -> dict[str, dict[str, str]]:
    """Per number: ``demand``; ``later`` what one without a test waits for; ``left`` what the tests do not cover."""
    found: dict[str, dict[str, str]] = tomllib.loads((ROOT / "docs/requirements.toml").read_text("utf-8"))
    return found


def proving_tests() -> dict[str, dict[str, list[str]]]:
    """Per requirement the tests that carry its marker, by file."""
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        for number, test in marked_tests(ast.parse(file.read_text("utf-8"))):
            found[number][file.relative_to(ROOT).as_posix()].append(test.name)
    return found


def marked_tests(module: ast.Module) -> Iterator[tuple[str, Test]]:
    """Each marker of each test of a file: what it proves, and the test."""
    shared = [node.value for node in module.body if isinstance(node, ast.Assign)]
    for node in ast.walk(module):
        if isinstance(node, Test) and node.name.startswith("test_"):
            for number in sorted(_marked([*shared, *node.decorator_list])):
                yield number, node


def _row(number: str, entry: dict[str, str], proofs: dict[str, list[str]]) -> tuple[str, str, str, str]:
    if not proofs:
        return number, entry["demand"], "later", entry["later"]
    left = [f"*Left:* {entry['left']}"] if "left" in entry else []
    return number, entry["demand"], "tested", "<br>".join([_tests(proofs), *left])


def _tests(proofs: dict[str, list[str]]) -> str:
    return "<br>".join(
        f"`{file}`: " + ", ".join(name.removeprefix("test_") for name in names) for file, names in proofs.items()
    )


def _marked(expressions: Iterable[ast.expr]) -> set[str]:
    """What ``pytest.mark.proves(...)`` names in decorators and ``pytestmark``."""
    nodes = [node for expression in expressions for node in ast.walk(expression)]
    proves = [
        node
        for node in nodes
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "proves"
    ]
    return {str(arg.value) for call in proves for arg in call.args if isinstance(arg, ast.Constant)}
