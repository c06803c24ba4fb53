"""S95: whatever a database administrator edits, `check-log` finds it and says where."""
# ruff: noqa: S608  the statements are made of our own tables' names

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import LargeBinary
from typer.testing import CliRunner

from gateway import config
from gateway.app import environment
from gateway.cli import app
from gateway.pipeline.content_check import content_steps
from gateway.pipeline.findings import MISSING, run
from gateway.pipeline.row_check import evidence_steps
from gateway.store.migrate import SQLITE_FILE
from gateway.store.sqlite import sqlite_engine
from gateway.store.tables import metadata
from gateway.testing.site import make_site
from tests.conftest import ROOT
from tests.evidence.history import live_through
from tests.postgres import settings_for

EVIDENCE = {
    table.name: [c.name for c in table.c if c.info["kind"] == "evidence" and not c.info.get("given")]
    for table in metadata.sorted_tables
}
EVIDENCE = {name: columns for name, columns in EVIDENCE.items() if columns}


class Lived:
    """A store after its history, its gateway closed; ``execute`` is the administrator."""

    def __init__(self, folder: Path, env, site) -> None:
        self.folder, self.env, self.site = folder, env, site
        self.file = folder / "var" / SQLITE_FILE
        self.payloads = folder / "var" / "payloads"
        self.engine = sqlite_engine(self.file, 5)

    def execute(self, statement, *values):
        with closing(sqlite3.connect(self.file, isolation_level=None)) as conn:
            conn.execute("PRAGMA ignore_check_constraints = ON")
            conn.execute("PRAGMA synchronous = OFF")
            return conn.execute(statement, values).fetchall()

    def findings(self, *, content=False):
        with self.engine.connect() as conn:
            more = content_steps(self.env.vault) if content else []
            return run(conn, [*evidence_steps(self.env.heads.signer), *more])

    def found(self, **how):
        return {(finding.table, finding.row) for finding in self.findings(**how).findings}


@pytest.fixture(scope="session")
def lived(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lived")
    site = make_site(
        tmp_path_factory.mktemp("site"),
        defaults=ROOT / "config",
        issuer="https://issuer.test/",
        jwks_uri="http://127.0.0.1:9/jwks",
    )

    async def live():
        settings = settings_for("sqlite", folder) | {"BUDSTIKKE__ENGINE__BACKOFF_FIRST_S": "0"}
        async with environment(config.load(site.configuration, settings)) as env:
            await live_through(env, site)
            return env

    made = Lived(folder, asyncio.run(live()), site)
    yield made
    made.engine.dispose()


def check_log(lived, monkeypatch, *more):
    """The command's exit code, and what it prints."""
    monkeypatch.setenv("BUDSTIKKE__DATA_DIR", str(lived.folder / "var"))
    found = CliRunner().invoke(app, ["check-log", "--config", str(lived.site.configuration), *more])
    return found.exit_code, found.stdout.splitlines()


def test_the_command_says_what_it_looked_at_and_names_each_edit(lived, monkeypatch):
    code, lines = check_log(lived, monkeypatch)
    assert (code, lines[-1]) == (0, "ok")
    assert check_log(lived, monkeypatch, "--no-content")[1][-1] == "ok, content not checked"
    ((row_id, message_id),) = lived.execute("SELECT id, message_id FROM receipt WHERE value = 'refused'")
    lived.execute("UPDATE receipt SET value = 'delivered' WHERE id = ?", row_id)
    code, lines = check_log(lived, monkeypatch)
    told = json.loads("\n".join(check_log(lived, monkeypatch, "--json")[1]))
    lived.execute("UPDATE receipt SET value = 'refused' WHERE id = ?", row_id)
    assert (code, lines[0], lines[-1]) == (
        1,
        f"changed: receipt id={row_id}: of message {message_id}",
        "failed: 1 found",
    )
    assert (told["found"], told["findings"][0]["row"]) == (1, f"id={row_id}")


def keys(table):
    return [column.name for column in metadata.tables[table].primary_key]


def other(table, name, value):
    """Another value that the column can hold."""
    if value is None:
        return b"x" if isinstance(metadata.tables[table].c[name].type, LargeBinary) else "1"
    if isinstance(value, bytes):
        return bytes([value[0] ^ 1]) + value[1:]
    if isinstance(value, int):
        return value + 1_000_003
    if (table, name) == ("message", "direction"):
        return "ut" if value == "inn" else "inn"
    return ("y" if value[:1] == "x" else "x") + value[1:]


def test_a_store_that_nobody_touched_is_as_it_was_told(lived):
    outcome = lived.findings(content=True)
    assert list(map(str, outcome.findings)) == []
    assert outcome.counts["uncovered"] == 0
    assert min(outcome.counts[name] for name in ("leaves", "heads", "messages", "rows", "contents")) > 0


def test_every_table_with_evidence_has_a_row(lived):
    empty = [name for name in EVIDENCE if not lived.execute(f'SELECT 1 FROM "{name}" LIMIT 1')]
    assert empty == []


@pytest.mark.proves("S95")
@pytest.mark.parametrize("table", EVIDENCE)
def test_every_table_every_edit(lived, table):
    """Each evidence column of a row in turn: the check names exactly that table and row, and nothing once it is put back."""
    names = keys(table)
    quoted = ", ".join(f'"{name}"' for name in [*names, *EVIDENCE[table]])
    *_, row = lived.execute(f'SELECT {quoted} FROM "{table}" ORDER BY 1 LIMIT 3')
    key, values = row[: len(names)], row[len(names) :]
    for name, value in zip(EVIDENCE[table], values, strict=True):
        new = other(table, name, value)
        where = " AND ".join(f'"{one}" IS ?' for one in names)
        changed = tuple(new if one == name else old for one, old in zip(names, key, strict=True))
        statement = f'UPDATE "{table}" SET "{name}" = ? WHERE {where}'
        lived.execute(statement, new, *key)
        found = lived.found()
        lived.execute(statement, value, *changed)
        rows = {named(names, place) for place in (key, changed)}
        assert {one for one, _ in found} == {table}, (name, found)
        assert {at for _, at in found} - {""} <= rows, (name, found)
        assert {at for _, at in found} & rows, (name, found)
    assert lived.found() == set()  # the control: as it was


def named(names, values):
    return " ".join(f"{name}={value}" for name, value in zip(names, values, strict=True))


@pytest.mark.proves("S95")
@pytest.mark.parametrize("table", set(EVIDENCE) - {"head"})
def test_a_row_that_is_taken_out_is_missed_and_one_that_is_put_in_is_named(lived, table):
    """But heads: one less is a head that nobody need hold, and a newer one covers it."""
    columns = [column.name for column in metadata.tables[table].c]
    quoted, marks = ", ".join(f'"{name}"' for name in columns), ", ".join("?" * len(columns))
    *_, row = lived.execute(f'SELECT {quoted} FROM "{table}" ORDER BY 1 LIMIT 3')
    place = dict(zip(columns, row, strict=True))
    where = " AND ".join(f'"{name}" IS ?' for name in keys(table))
    put, key = f'INSERT INTO "{table}" ({quoted}) VALUES ({marks})', [place[name] for name in keys(table)]
    lived.execute(f'DELETE FROM "{table}" WHERE {where}', *key)
    missed = lived.findings().findings
    lived.execute(put, *row)
    assert (MISSING, table) in {(finding.kind, finding.table) for finding in missed}
    forged = place | {name: other(table, name, place[name]) for name in columns if name not in {"tenant", "direction"}}
    if table == "payload":
        forged |= {"record": None, "file": "4601-02/ab/cd"}
    if "message_id" in columns:
        forged["message_id"] = place["message_id"]
        forged |= (
            {name: forged[name] for name in ("message_id",)} if keys(table) != ["message_id"] else {"message_id": "x"}
        )
    lived.execute(put, *forged.values())
    found = lived.found()
    lived.execute(f'DELETE FROM "{table}" WHERE {where}', *[forged[name] for name in keys(table)])
    assert (table, named(keys(table), [forged[name] for name in keys(table)])) in found
    assert lived.found() == set()


@pytest.mark.proves("S95")
def test_rows_that_are_shown_in_another_order_are_named(lived):
    """The documents of a message are counted in the order of their rows."""
    (first,), _ = lived.execute(
        "SELECT id FROM document WHERE message_id = (SELECT message_id FROM document GROUP BY 1 HAVING count(*) = 2 LIMIT 1)"
    )
    change = "UPDATE document SET id = ? WHERE id = ?"
    lived.execute(change, 10_000, first)
    found = [str(finding) for finding in lived.findings().findings]
    lived.execute(change, first, 10_000)
    assert [line.partition(" of message")[0] for line in found] == ["reordered: document id=10000:"]


@pytest.mark.proves("S95")
def test_a_client_that_was_shut_out_and_is_let_in_again_is_named(lived):
    ((client, at),) = lived.execute("SELECT id, revoked_at FROM client WHERE revoked_at IS NOT NULL")
    lived.execute("UPDATE client SET revoked_at = NULL WHERE id = ?", client)
    found = lived.found()
    lived.execute("UPDATE client SET revoked_at = ? WHERE id = ?", at, client)
    assert found == {("client", f"id={client}")}


@pytest.mark.proves("S95")
def test_every_payload_file_every_edit(lived):
    rows = lived.execute("SELECT id, file FROM payload WHERE file IS NOT NULL")
    assert len(rows) > 1
    for row_id, name in rows:
        file = lived.payloads / name
        whole = file.read_bytes()
        for edited in (
            bytes([whole[0] ^ 1]) + whole[1:],
            whole[:-1] + bytes([whole[-1] ^ 1]),
            whole[:-1],
            whole + b"x",
            b"",
        ):
            file.write_bytes(edited)
            assert lived.found(content=True) == {("payload", f"id={row_id}")}
        file.unlink()
        missed = lived.findings(content=True).findings
        file.write_bytes(whole)
        assert [(one.kind, one.row) for one in missed] == [(MISSING, f"id={row_id}")]
    assert lived.found(content=True) == set()


@pytest.mark.proves("S95")
def test_a_key_or_a_record_that_was_put_in_another_s_place_does_not_open(lived):
    (one, other_one) = lived.execute("SELECT message_id, wrapped FROM payload_key ORDER BY 1 LIMIT 2")
    put = "UPDATE payload_key SET wrapped = ? WHERE message_id = ?"
    lived.execute(put, other_one[1], one[0])
    found = lived.found(content=True)
    lived.execute(put, one[1], one[0])
    assert found == {("payload_key", f"message_id={one[0]}")}
    ((first, name), (second, _)) = lived.execute("SELECT id, file FROM payload WHERE file IS NOT NULL LIMIT 2")
    put = "UPDATE payload SET file = ? WHERE id = ?"
    ((instead,),) = lived.execute("SELECT file FROM payload WHERE id = ?", second)
    lived.execute(put, instead, first)
    found = lived.found(content=True)
    lived.execute(put, name, first)
    assert found == {("payload", f"id={first}")}
