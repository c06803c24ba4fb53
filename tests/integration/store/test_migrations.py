"""The database is made once, by the written steps, and refused when it is not ours."""

import ast
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

import gateway.store.migrations
from gateway.crashpoints import Point
from gateway.errors import ConfigError, RowRefusedError, StoreError
from gateway.store import journal, migrate
from gateway.store.postgres import PostgresStore, check_server
from gateway.store.tables import metadata
from tests.postgres import ADMIN, OWNER, SERVICE

VERSIONS = Path(gateway.store.migrations.__file__).parent / "versions"


def differences(conn):
    options = {"compare_type": True, "compare_server_default": True}
    return compare_metadata(MigrationContext.configure(conn, opts=options), metadata)


async def test_the_written_steps_make_exactly_the_tables_that_the_code_uses(store):
    assert await store.read(differences) == []


async def test_the_program_needs_the_newest_step_there_is(store):
    written = {}
    for file in VERSIONS.glob("v*.py"):
        names = {}
        for line in ast.parse(file.read_text()).body:
            if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
                names[line.targets[0].id] = ast.literal_eval(line.value)
        written[names["revision"]] = names["down_revision"]
    assert set(written) - set(written.values()) == {migrate.HEAD}
    await store.read(migrate.check)


async def test_a_database_of_another_schema_is_refused(store, postgres, request):
    def other(conn):
        conn.execute(text("UPDATE alembic_version SET version_num = 'older'"))
        migrate.check(conn)

    if isinstance(store, PostgresStore):  # the service itself may not touch it
        with pytest.raises(StoreError):
            await store.write(other, Point.ADMIN)
        postgres.sql("UPDATE alembic_version SET version_num = 'older'", request.getfixturevalue("database"))
        with pytest.raises(ConfigError):
            await store.read(migrate.check)
    else:
        with pytest.raises(ConfigError):
            await store.write(other, Point.ADMIN)


async def test_a_database_is_made_once(tmp_path, postgres):
    migrate.create_sqlite(tmp_path, "test")
    with pytest.raises(ConfigError):
        migrate.create_sqlite(tmp_path, "test")
    migrate.upgrade_sqlite(tmp_path)  # nothing to do, and nothing done
    url = postgres.url(postgres.empty_database(), OWNER)
    with pytest.raises(ConfigError):
        await migrate.upgrade_postgres(url)
    await migrate.create_postgres(url, "test", role=SERVICE)
    with pytest.raises(ConfigError):
        await migrate.create_postgres(url, "test")
    await migrate.upgrade_postgres(url, role=SERVICE)


async def test_an_empty_database_is_refused(postgres):
    store = PostgresStore(postgres.url(postgres.empty_database()), timeout_s=5)
    with pytest.raises(ConfigError, match="migrate --create"):
        await store.read(migrate.check)
    await store.close()


@pytest.mark.proves("S93")
@pytest.mark.parametrize("role", [ADMIN, OWNER])
async def test_production_does_not_run_as_superuser_or_owner(postgres, database, role):
    store = PostgresStore(postgres.url(database, role), timeout_s=5)
    await store.read(lambda conn: check_server(conn, production=False))  # the control: for trying out it may
    with pytest.raises(ConfigError):
        await store.read(lambda conn: check_server(conn, production=True))
    await store.close()


async def test_production_runs_as_the_service_on_a_server_that_syncs(postgres, database):
    store = PostgresStore(postgres.url(database), timeout_s=5)
    await store.read(lambda conn: check_server(conn, production=True))
    await store.close()


async def test_a_server_that_acknowledges_before_it_is_durable_is_refused(postgres, database):
    postgres.sql(f"ALTER DATABASE {database} SET synchronous_commit = off")
    store = PostgresStore(postgres.url(database), timeout_s=5)
    with pytest.raises(ConfigError, match="synchronous_commit"):
        await store.read(lambda conn: check_server(conn, production=False))
    await store.close()


@pytest.mark.proves("S93")
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE journal SET entry = '{}'",
        "DELETE FROM journal",
        "DELETE FROM message",
        "UPDATE message SET tenant = '0000-00'",
        "UPDATE receipt SET value = 'refused'",
        "DELETE FROM history",
        "UPDATE leaf SET hash = ''",
        "TRUNCATE journal",
        "DROP TABLE alarm",
        "ALTER TABLE journal ADD COLUMN more text",
        "CREATE TABLE mine (id int)",
    ],
)
async def test_the_service_s_role_cannot_alter_evidence_or_tables(postgres, database, statement):
    store = PostgresStore(postgres.url(database), timeout_s=5)
    await store.write(lambda conn: journal.write(conn, journal.Entry(journal.ARRIVED, "4601-02", 1, "x")), Point.ACCEPT)
    with pytest.raises(StoreError, match="42501"):
        await store.write(lambda conn: conn.execute(text(statement)), Point.ADMIN)
    await store.close()


async def test_a_row_that_the_database_refuses_is_a_fault_of_ours_on_both_stores(store):
    def work(conn):
        conn.execute(metadata.tables["leaf_pending"].insert().values(journal_id=1, tenant=None))

    with pytest.raises(RowRefusedError):
        await store.write(work, Point.ADMIN)
