"""A database of each earlier schema, with real rows in it, is brought to today's and read by today's code.

The rows lie in ``tests/vectors/schema-NNNN.json``, as the code of that time wrote them; ``record_rows.py`` beside them
records the newest schema's. There was never a release with 0001 alone: its rows are those of 0002 without what that added.
"""

import ast
import asyncio
import base64
import json
from types import SimpleNamespace

import pytest
from sqlalchemy import MetaData, func, select, text

from gateway import config
from gateway.app import environment
from gateway.backup import checks
from gateway.crashpoints import Point
from gateway.domain.lifecycle import State
from gateway.domain.merkle import leaf_hash
from gateway.errors import ConfigError
from gateway.evidence import verify
from gateway.pipeline import confirm, hand_over, proofs
from gateway.pipeline.hand_over import CaseSystemClient
from gateway.pipeline.people import Decision, decide
from gateway.store import consistency, journal, migrate, row_security
from gateway.store.postgres import PostgresStore
from tests.integration.pipeline.test_journey import read_all, readback
from tests.integration.store.test_migrations import VERSIONS
from tests.postgres import OWNER, SERVICE
from tests.vectors.record_rows import FOLDER, site_with_known_keys
from tests.work import state_of, work_off

RECORDED = {file.stem.removeprefix("schema-"): file for file in sorted(FOLDER.glob("schema-*.json"))}
MORE = 300  # entries: more than a block of the tree
CLIENT = CaseSystemClient("fagsystem-1", ("4601-02",))


def revisions():
    """Every migration, the oldest first."""
    found = {}
    for file in VERSIONS.glob("v*.py"):
        for line in ast.parse(file.read_text()).body:
            if isinstance(line, ast.Assign) and getattr(line.targets[0], "id", None) == "revision":
                found[ast.literal_eval(line.value)] = file
    return sorted(found)


def test_rows_of_each_schema_before_the_newest_are_kept():
    missing = set(revisions()[:-1]) - set(RECORDED)
    assert not missing, "record them with the code of that time: python -m tests.vectors.record_rows"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return site_with_known_keys(tmp_path_factory.mktemp("site"))


def fill(conn, revision, recorded):
    """The tables of that time, and these rows in them."""
    migrate.step_to(conn, revision)
    old = MetaData()
    old.reflect(conn)
    for table in old.sorted_tables:
        rows = [{key: read(value) for key, value in row.items()} for row in recorded["tables"].get(table.name, ())]
        if rows:
            conn.execute(table.insert(), rows)
    more_leaves(conn, old)
    if conn.dialect.name == "postgresql":
        number_on(conn, old)
    return old


def read(value):
    return base64.b64decode(value["base64"]) if isinstance(value, dict) else value


def more_leaves(conn, old):
    """Entries of no message, so that blocks of the tree are full, where no head yet covers the log."""
    if "head" in old.tables:
        return
    first = conn.execute(text("SELECT size FROM log_state")).scalar_one()
    row = conn.execute(text("SELECT max(id) FROM journal")).scalar_one() + 1
    entries = [entry_of_nobody(number) for number in range(MORE)]
    common = {"tenant": "*", "event": "clock-jumped", "at": 1}
    conn.execute(
        old.tables["journal"].insert(),
        [{"id": row + step, "entry": entry} | common for step, entry in enumerate(entries)],
    )
    conn.execute(
        old.tables["leaf"].insert(),
        [
            {"index": first + step, "tenant": "*", "journal_id": row + step, "hash": leaf_hash(entry.encode())}
            for step, entry in enumerate(entries)
        ],
    )
    conn.execute(text("UPDATE log_state SET size = size + :more"), {"more": MORE})


def entry_of_nobody(number):
    body = {"v": 1, "id": str(number), "at": "1970-01-01T00:00:00.000001Z", "tenant": "*", "message_id": None}
    told = {"event": "clock-jumped", "actor": "gateway", "code": None, "refs": {"seconds": number}, "commit": {}}
    return json.dumps(body | told, sort_keys=True, separators=(",", ":"))


def number_on(conn, old):
    """Numbers that the database gives go on after those that came with the rows, as a dump's do."""
    for table in old.sorted_tables:
        for column in table.primary_key:
            sequence = conn.execute(func.pg_get_serial_sequence(f'"{table.name}"', column.name).select()).scalar_one()
            if sequence:
                conn.execute(func.setval(sequence, select(func.max(column)).scalar_subquery()).select())


async def sqlite_of(folder, revision, recorded):
    """Settings of an old database that was brought to today's schema."""
    settings = old_sqlite(folder, revision, recorded)
    await asyncio.to_thread(migrate.upgrade_sqlite, folder / "var")
    return settings


def old_sqlite(folder, revision, recorded):
    """Settings of a database of that time."""
    file = folder / "var" / migrate.SQLITE_FILE
    file.parent.mkdir(mode=0o700)
    file.touch(mode=0o600)
    migrate._on_sqlite(file, lambda conn: fill(conn, revision, recorded))
    return {"BUDSTIKKE__DATA_DIR": str(file.parent)}


async def postgresql_of(folder, revision, recorded, postgres, monkeypatch):
    """The same; with row-level security on the old tables, as it stood then: a step must see past it."""
    url = postgres.url(postgres.empty_database(), OWNER)

    def work(conn):
        old = fill(conn, revision, recorded)
        of_then = MetaData()
        for table in old.sorted_tables:
            if table.name != "alembic_version":
                table.to_metadata(of_then)
        with monkeypatch.context() as then:
            then.setattr(row_security, "tables", SimpleNamespace(metadata=of_then))
            row_security.enforce(conn)

    store = PostgresStore(url, timeout_s=10)
    await store.write(work, Point.ADMIN)
    await store.close()
    await migrate.upgrade_postgres(url, role=SERVICE)
    (folder / "var").mkdir()
    password = folder / "password"
    password.touch(mode=0o600)
    password.write_text(postgres.password)
    return {
        "BUDSTIKKE__DATA_DIR": str(folder / "var"),
        "BUDSTIKKE__STORE__URL": postgres.address(url.database).render_as_string(),
        "BUDSTIKKE__STORE__PASSWORD": f"file:{password}",
    }


@pytest.mark.parametrize("revision", RECORDED)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_a_message_of_an_earlier_schema_is_claimed_confirmed_and_proven_by_today_s_code(
    kind, revision, site, tmp_path, request, monkeypatch, capsys
):
    recorded = json.loads(RECORDED[revision].read_text("utf-8"))
    if kind == "sqlite":
        settings = await sqlite_of(tmp_path, revision, recorded)
    else:
        settings = await postgresql_of(tmp_path, revision, recorded, request.getfixturevalue("postgres"), monkeypatch)
    async with environment(config.load(site.configuration, settings)) as env:
        held, receipted = recorded["held"], recorded["receipted"]
        assert (await state_of(env, held), await state_of(env, receipted)) == (State.HELD, State.RECEIPTED)
        await decide(env, held, Decision("release", "kari", "the office was right"))
        assert [claim.message_id for claim in await hand_over.claim(env, CLIENT, 10, 600, ())] == [held]
        await confirm.confirm(env, CLIENT, held, readback(await read_all(env, CLIENT, held), "SAK-2"))
        await work_off(env)
        assert await state_of(env, held) is State.RECEIPTED
        while await env.store.write(journal.number_pending, Point.NUMBER):
            pass
        await env.heads.publish(env.store, env.now())
        for message_id in (held, receipted):
            proof = tmp_path / "proof"
            proof.write_text((await proofs.prove(env, message_id, proofs.Wish("kari"))).text(), encoding="utf-8")
            assert verify.main(["proof", str(proof), "--key", str(env.heads.signer.public)]) == 0, capsys.readouterr()
        assert await env.store.read(consistency.faults) == []
        assert await env.store.read(lambda conn: checks.evidence_faults(conn, env.heads.signer)) == []


async def test_a_database_that_lacks_a_step_is_refused_until_it_is_taken(site, tmp_path):
    settings = old_sqlite(tmp_path, "0001", json.loads(RECORDED["0001"].read_text("utf-8")))
    with pytest.raises(ConfigError, match="schema 0001, this program needs"):
        async with environment(config.load(site.configuration, settings)):
            pytest.fail("it opened")
