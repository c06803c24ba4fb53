"""S48: where a query forgets whose rows it may see, PostgreSQL does not; S93: no role that would escape it runs here."""

import subprocess
from functools import partial

import pytest
from sqlalchemy import LargeBinary, String, select, text
from sqlalchemy.pool import NullPool

from gateway.crashpoints import Point
from gateway.domain.flow import Flow
from gateway.errors import ConfigError, RowRefusedError, StoreError
from gateway.store import migrate, partners, row_security
from gateway.store.postgres import PostgresStore, check_server, postgres_engine
from gateway.store.tables import metadata, queue_item
from tests.postgres import ADMIN, OWNER, server

A, B = "4601-02", "4601-03"
TABLES = metadata.sorted_tables


@pytest.fixture
def database():
    name = server().database()
    yield name
    server().drop(name)


@pytest.fixture
async def store(database):
    """A row of each of two offices in every table."""
    made = PostgresStore(server().url(database), timeout_s=5)
    await made.write(fill, Point.ADMIN)
    yield made
    await made.close()


@pytest.fixture
async def owned(database, store):
    """The same as the tables' owner sees it, who may do more than the service."""
    made = PostgresStore(server().url(database, OWNER), timeout_s=5)
    yield made
    await made.close()


def fill(conn):
    for table in TABLES:
        for number, tenant in enumerate((A, B), start=2):
            conn.execute(table.insert().values(row(table, tenant, number)))


def row(table, tenant, number):
    """Some values for what must have one; ``number`` makes them different where they must be."""

    def value(column):
        if isinstance(column.type, LargeBinary):
            return b"x"
        return f"{number}" if isinstance(column.type, String) else number

    given = [one for one in table.c if one.autoincrement is not True and (not one.nullable or one.name == "record")]
    fixed = {"tenant": tenant, "direction": "inn"}
    return {one.name: fixed.get(one.name, value(one)) for one in given}


def offices_seen(conn):
    """By table, whose rows come when the query does not say whose."""
    return {table.name: set(conn.execute(select(table.c.tenant)).scalars()) - {"*"} for table in TABLES}


def everywhere(*tenants):
    return {table.name: set(tenants) for table in TABLES}


@pytest.mark.proves("S48")
async def test_second_line_holds_alone(store):
    for tenants in ((A,), (B,), (A, B), ()):
        assert await store.for_tenants(tenants).read(offices_seen) == everywhere(*tenants)
        assert await store.for_tenants(tenants).write(offices_seen, Point.ADMIN) == everywhere(*tenants)
    assert await store.read(offices_seen) == everywhere(A, B)  # the control: claiming and sweeping see all


@pytest.mark.proves("S48")
async def test_a_connection_that_says_nothing_sees_nobody(store, database):
    engine = postgres_engine(server().url(database), 5, poolclass=NullPool)
    async with engine.connect() as conn:
        assert await conn.run_sync(offices_seen) == everywhere()
        raw = (await conn.get_raw_connection()).driver_connection
        await raw.execute(row_security.begun("BEGIN", A) + "; COMMIT")
        assert await conn.scalar(text("SELECT current_setting('bs.tenant', true)")) == ""  # from now on it is empty
        assert await conn.run_sync(offices_seen) == everywhere()
    await engine.dispose()


@pytest.mark.proves("S48")
async def test_the_setting_ends_with_its_transaction_and_never_stays_on_a_pooled_connection(store):
    def fails(conn):
        conn.execute(text("SELECT 1 / 0"))

    own = store.for_tenants([A])
    await own.read(offices_seen)
    await own.write(offices_seen, Point.ADMIN)
    for refused in (own.read(fails), own.write(fails, Point.ADMIN)):
        with pytest.raises((StoreError, RowRefusedError)):
            await refused
    for pool in (store._readers, *store._pools.values()):
        async with pool.connect() as conn:
            assert (await conn.scalar(text("SELECT current_setting('bs.tenant', true)"))) in {None, ""}


@pytest.mark.proves("S48")
async def test_a_foreign_row_is_not_inserted_and_a_row_of_nobody_never(store):
    def insert(table, tenant, conn):
        conn.execute(table.insert().values(row(table, tenant, 9)))

    for table in TABLES:
        with pytest.raises(StoreError) as refused:
            await store.for_tenants([A]).write(partial(insert, table, B), Point.ADMIN)
        assert "row-level security" in str(refused.value.__cause__), table.name
        with pytest.raises(RowRefusedError):
            await store.write(partial(insert, table, ""), Point.ADMIN)
        await store.for_tenants([A]).write(partial(insert, table, A), Point.ADMIN)  # the control


@pytest.mark.proves("S48")
async def test_a_foreign_row_is_neither_changed_nor_deleted_and_the_owner_does_not_escape(owned):
    def meddle(table, conn):
        foreign = table.c.tenant == B
        changed = conn.execute(table.update().where(foreign).values(tenant=table.c.tenant)).rowcount
        return changed + conn.execute(table.delete().where(foreign)).rowcount

    def move(table, conn):
        conn.execute(table.update().where(table.c.tenant == A).values(tenant=B))

    assert await owned.for_tenants([A]).read(offices_seen) == everywhere(A)
    for table in TABLES:
        assert await owned.for_tenants([A]).write(partial(meddle, table), Point.ADMIN) == 0, table.name
        with pytest.raises(StoreError) as refused:
            await owned.for_tenants([A]).write(partial(move, table), Point.ADMIN)
        assert "row-level security" in str(refused.value.__cause__), table.name
        assert await owned.for_tenants([B]).write(partial(meddle, table), Point.ADMIN) == 2, table.name  # the control


@pytest.mark.proves("S48")
async def test_only_names_of_tenants_reach_the_setting_and_a_view_never_widens(store):
    for wrong in ("*", "", f"{A},{B}", f"{A}'; SET bs.tenant = '*", f"{A}\n", A.replace("0", "\u0660")):
        with pytest.raises(StoreError):
            store.for_tenants([wrong])
    assert await store.for_tenants([A]).for_tenants([A, B]).read(offices_seen) == everywhere(A)


@pytest.mark.proves("S48")
@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE note DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE note NO FORCE ROW LEVEL SECURITY",
        "DROP POLICY own_tenant ON note",
        "CREATE POLICY more ON note USING (true)",
    ],
)
async def test_the_start_refuses_a_table_without_the_rule(store, database, change):
    names = (
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm') AND relnamespace = 'public'::regnamespace"
    )
    assert set(server().sql(names, database).split()) == {table.name for table in TABLES} | {"alembic_version"}
    await store.read(migrate.check)
    server().sql(change, database)
    with pytest.raises(ConfigError, match="widened on note:"):
        await store.read(migrate.check)


@pytest.mark.proves("S93")
@pytest.mark.parametrize(
    ("role", "attribute", "fault"),
    [
        (ADMIN, None, "the role is a superuser"),
        (OWNER, None, "the role owns the tables"),
        ("bs_bypass", "BYPASSRLS", "the role bypasses row-level security"),
        ("bs_member", "IN ROLE bs_dump", "the role bypasses row-level security"),
    ],
)
async def test_production_refuses_a_role_that_escapes_the_rule(database, role, attribute, fault):
    if attribute is not None:
        server().sql("CREATE ROLE bs_dump BYPASSRLS")
        server().sql(f"CREATE ROLE {role} LOGIN PASSWORD '{server().password}' {attribute}")
    strong = PostgresStore(server().url(database, role), timeout_s=5)
    try:
        with pytest.raises(ConfigError) as refused:
            await strong.read(partial(check_server, production=True))
        assert any(fault in one for one in refused.value.faults)
    finally:
        await strong.close()
        if attribute is not None:
            server().sql(f"DROP ROLE {role}")
            server().sql("DROP ROLE bs_dump")


def test_a_dump_by_a_role_under_the_rule_fails_instead_of_missing_rows(store, database):
    found = server()
    command = [
        found.binaries / "pg_dump",
        "-h",
        found.folder,
        "-p",
        "5432",
        "-d",
        database,
        "--data-only",
        "-t",
        "note",
    ]
    environ = {"PGPASSWORD": found.password}
    by_owner = subprocess.run([*command, "-U", OWNER], env=environ, check=False, capture_output=True, text=True)
    assert (by_owner.returncode, "row-level security" in by_owner.stderr) == (1, True)
    whole = subprocess.run([*command, "-U", ADMIN], env=environ, check=True, capture_output=True, text=True).stdout
    assert A in whole
    assert B in whole


async def test_one_office_s_answer_wakes_what_every_office_has_waiting_for_the_partner(store):
    def comes_up(conn):
        partners.ensure(conn, "post", 4)
        partners.save(conn, "post", Flow(4, down_until=1), Flow(4), 2)
        return offices_seen(conn)

    def waits(conn):
        conn.execute(queue_item.update().values(partner="post", run_at=2**60))

    await store.write(waits, Point.ADMIN)
    assert await store.for_tenants([A]).write(comes_up, Point.SENT) == everywhere(A)  # and it is as narrow as before
    times = await store.read(lambda conn: conn.execute(select(queue_item.c.tenant, queue_item.c.run_at)).all())
    assert {tenant for tenant, at in times if at < 2**60} == {A, B}
