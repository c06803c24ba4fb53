"""No road can be reached past the gate: shown on the source, and on the values that open it."""

import ast
from pathlib import Path
from types import SimpleNamespace

import pytest

from gateway.domain.guards import Allowed, decide
from gateway.errors import PolicyError
from gateway.pipeline.call import call, call_with_receipt
from gateway.spi import Answered, Fate, Letter, Parcel
from tests.conftest import ROOT
from tests.unit.guards.kit import to_mother

OUTSIDE = {"testing", "simulators", "demo"}
"""Kits and stand-ins of partners: what they call is no gateway's road."""
SOURCES = [
    file
    for file in sorted((ROOT / "gateway").rglob("*.py"))
    if file.relative_to(ROOT / "gateway").parts[0] not in OUTSIDE
]


def parsed(file: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(file.read_text("utf-8"))))


def named(node: ast.AST, name: str) -> bool:
    """Whether it uses this name: bare, or as what something has."""
    return (isinstance(node, ast.Name) and node.id == name) or (isinstance(node, ast.Attribute) and node.attr == name)


def users(name: str) -> set[str]:
    """The files that call something of this name."""
    return {
        file.relative_to(ROOT).as_posix()
        for file in SOURCES
        if any(isinstance(node, ast.Call) and named(node.func, name) for node in parsed(file))
    }


def importers(name: str) -> set[str]:
    """The files that import this name from what adapters see."""
    return {
        file.relative_to(ROOT).as_posix()
        for file in SOURCES
        for node in parsed(file)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("gateway.spi")
        if any(alias.name == name for alias in node.names) and file.name != "__init__.py"
    }


def test_what_adapters_send_with_is_called_from_one_place():
    assert users("send") == {"gateway/spi/outbound.py"}
    assert importers("attempt") == {"gateway/pipeline/call.py"}
    assert users("call_with_receipt") == {"gateway/pipeline/answer.py"}
    assert "gateway/pipeline/send.py" in users("call")


def test_what_adapters_send_with_is_handed_to_nobody():
    """``outbound`` is read where it is called, asked, opened and watched; no other place could pass it on."""
    readers = {
        file.relative_to(ROOT).as_posix()
        for file in SOURCES
        if any(isinstance(node, ast.Attribute) and node.attr == "outbound" for node in parsed(file))
    }
    assert readers == {
        "gateway/app/__init__.py",
        "gateway/backup/asking.py",
        "gateway/pipeline/call.py",
        "gateway/pipeline/follow_up.py",
        "gateway/pipeline/roads.py",
        "gateway/pipeline/send.py",
    }


def test_only_the_rules_make_their_word():
    makers = {
        file.name for file in SOURCES if any(named(n.func, "Allowed") for n in parsed(file) if isinstance(n, ast.Call))
    }
    assert makers == {"__init__.py"}
    with pytest.raises(PolicyError):
        Allowed("key", object())
    with pytest.raises(TypeError):
        Allowed("key")  # type: ignore[call-arg]
    assert decide(["R01"], to_mother(parcel="key")).parcel == "key"


def parcel(**changes) -> Parcel:
    return Parcel("another", "prove.forsendelse.v1", "987654325", 0, content=None, **changes)


async def test_the_rules_word_is_good_for_one_parcel():
    allowed = decide(["R01"], to_mother(parcel="key"))
    with pytest.raises(PolicyError):
        await call(SimpleNamespace(), SimpleNamespace(), SimpleNamespace(), parcel(), allowed)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"answers": Answered("1", "x", {})},
        {"answers": Answered("1", "x", {}, Fate.RECEIVED), "letter": Letter("1", "x", ())},
    ],
)
async def test_what_is_no_receipt_does_not_pass_as_one(changes):
    with pytest.raises(PolicyError):
        await call_with_receipt(SimpleNamespace(), SimpleNamespace(), SimpleNamespace(), parcel(**changes))
