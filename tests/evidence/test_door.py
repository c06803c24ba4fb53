"""Rows that the log vouches for come and go through one door alone, and are never changed where they are evidence."""

import ast
import re

import orjson
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from gateway.store import coverage
from gateway.store.tables import metadata
from tests.conftest import ROOT

COVERED = {table.name: table for table in metadata.sorted_tables if coverage.covered(table)}
SOURCES = [file for file in (ROOT / "gateway").rglob("*.py") if "migrations" not in file.parts]


def calls(name):
    """Every ``table.name()`` of our tables in the code, as (table, source)."""
    for file in SOURCES:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == name:
                owner = node.func.value
                while isinstance(owner, ast.Attribute):
                    owner = owner.value
                if isinstance(owner, ast.Name) and owner.id in metadata.tables:
                    yield owner.id, file.name


@pytest.mark.parametrize("verb", ["insert", "delete"])
def test_no_covered_table_is_written_beside_the_door(verb):
    assert [call for call in calls(verb) if call[0] in COVERED] == []
    assert list(calls(verb))  # the control: those of other tables are seen


def test_no_statement_changes_a_column_that_is_evidence():
    """``table.update()...values(column=...)`` and ``change_rows(conn, table, by, column=...)``, by the names of columns."""
    changed = []
    for file in SOURCES:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            source = ast.unparse(node)
            match = re.match(r"(?:change_rows\(conn, (\w+),|(\w+)\.update\(\).*\.values\()", source, re.DOTALL)
            table = COVERED.get(match[1] or match[2]) if match else None
            if table is not None:
                changed += [
                    (file.name, table.name, word.arg) for word in node.keywords if word.arg in coverage.columns(table)
                ]
    assert changed == []


TEXTS = st.text(st.characters(codec="utf-8"))
ENTRIES = st.fixed_dictionaries(
    {
        "at": TEXTS, "code": st.none() | TEXTS, "v": st.just(1),
        "refs": st.dictionaries(st.sampled_from(["from", "size", "to"]), TEXTS | st.integers(-(2**53) + 1, 2**53 - 1)),
        "commit": st.dictionaries(st.from_regex(r"[ -~]{1,20}", fullmatch=True), TEXTS),
    }
)  # fmt: skip


@given(ENTRIES)
def test_an_entry_is_written_as_rfc_8785_has_it(body):
    """The journal sorts keys and writes without blanks; with ASCII keys and whole numbers that is all there is to it."""
    assert orjson.dumps(body, option=orjson.OPT_SORT_KEYS) == rfc8785.dumps(body)


def test_two_rows_that_differ_in_one_column_have_two_digests_and_null_is_as_if_it_were_not_there():
    receipt = metadata.tables["receipt"]
    row = {"tenant": "4601-02", "message_id": "m", "kind": "transport", "value": "accepted", "at": 1, "entry_id": None}
    known = coverage.digest(receipt, row)
    assert coverage.digest(receipt, row | {"id": 7}) == known
    assert coverage.digest(receipt, {name: value for name, value in row.items() if value is not None}) == known
    others = {coverage.digest(receipt, row | {name: "x"}) for name in row}
    assert len(others | {known}) == len(row) + 1
    assert coverage.value(known) != coverage.value(known, b"s" * 32)
