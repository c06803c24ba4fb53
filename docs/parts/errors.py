"""The error tree, with what a caller sees of it."""

import ast
from collections.abc import Iterator

from gateway import errors
from gateway.http.problems import Problem
from parts.text import ROOT, first_line, table


def tree() -> str:
    """Every class, indented below its parent."""
    return table(("class", "code", "disposition", "HTTP", "means"), list(_below(errors.GatewayError, 0)))


def codes() -> str:
    """Every ``code="..."`` that the sources give to a single request error."""
    found: dict[str, set[str]] = {}
    for file in sorted((ROOT / "gateway").rglob("*.py")):
        for code, kind in _narrowed(ast.parse(file.read_text("utf-8"))):
            place = f"`{file.relative_to(ROOT).as_posix()}`"
            found.setdefault(f"`{code}` | {Problem.of(kind('', code=code)).status} | `{kind.__name__}`", set()).add(
                place
            )
    rows = [(*line.split(" | "), ", ".join(sorted(places))) for line, places in sorted(found.items())]
    return table(("code", "HTTP", "class", "given in"), rows)


def _below(kind: type[errors.GatewayError], depth: int) -> Iterator[tuple[str, ...]]:
    status = Problem.of(kind("")).status
    name = "&nbsp;" * 4 * depth + f"`{kind.__name__}`"
    yield name, f"`{kind.code}`", kind.disposition.value, str(status), first_line(kind).replace("``", "`")
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from _below(child, depth + 1)


def _narrowed(module: ast.Module) -> Iterator[tuple[str, type[errors.RequestError]]]:
    for node in ast.walk(module):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        kind = getattr(errors, node.func.id, None)
        if isinstance(kind, type) and issubclass(kind, errors.RequestError):
            for keyword in node.keywords:
                if keyword.arg == "code" and isinstance(keyword.value, ast.Constant):
                    yield str(keyword.value.value), kind
