"""Making, upgrading and checking the database. ``run`` refuses a missing or empty one: no start makes a second truth."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

import alembic.command
from alembic.config import Config
from sqlalchemy import URL, Connection, inspect, text

from gateway.crashpoints import Point
from gateway.errors import ConfigError
from gateway.store import roles, row_security
from gateway.store.postgres import PostgresStore
from gateway.store.sqlite import sqlite_engine
from gateway.store.tables import log_state

SQLITE_FILE: Final = "budstikke.sqlite3"
HEAD: Final = "0007"  # the newest migration; a test compares it with the folder of migrations
COVERED_SINCE: Final = "0005"  # entries commit to rows from this step on
MISSING: Final = "there is no database; make it once with: budstikke migrate --create"

_FILE_MODE: Final = 0o600
_PATIENCE_S: Final = 10.0
_MIGRATION_LOCK: Final = 0x62756D69  # one number for the whole database


def create_sqlite(data_dir: Path, origin: str) -> Path:
    """Make the database once. Raises ConfigError when it is there already."""
    file = data_dir / SQLITE_FILE
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    if file.exists():
        message = f"{file.name}: the database is there already"
        raise ConfigError(message)
    sqlite3.connect(file).close()
    file.chmod(_FILE_MODE)
    _on_sqlite(file, lambda conn: create(conn, origin))
    return file


def upgrade_sqlite(data_dir: Path) -> None:
    """Bring the database to this program's schema. Raises ConfigError when there is none."""
    file = data_dir / SQLITE_FILE
    if not file.exists():
        raise ConfigError(MISSING)
    _on_sqlite(file, upgrade)


async def create_postgres(url: URL, origin: str, *, role: str | None = None) -> None:
    """Make the tables once, and give ``role`` the service's rights. Raises ConfigError when there are any."""

    def work(conn: Connection) -> None:
        create(conn, origin)
        if role is not None:
            roles.grant(conn, role)

    await _on_postgres(url, work)


async def upgrade_postgres(url: URL, *, role: str | None = None) -> None:
    """Bring the database to this program's schema, ``role`` to its rights. Raises ConfigError when it is empty."""

    def work(conn: Connection) -> None:
        upgrade(conn)
        if role is not None:
            roles.grant(conn, role)

    await _on_postgres(url, work)


def create(conn: Connection, origin: str) -> None:
    """All tables, and the first row of the log. Raises ConfigError when there are any."""
    _alone(conn)
    if inspect(conn).get_table_names():
        message = "the database is not empty"
        raise ConfigError(message)
    run_migrations(conn)
    conn.execute(log_state.insert().values(id=1, origin=origin, base=0, size=0, shifted_at=0, shifted_by=0))


def upgrade(conn: Connection) -> None:
    """From an older schema of ours to this program's."""
    _alone(conn)
    _version(conn)
    run_migrations(conn)


def check(conn: Connection) -> None:
    """Raises ConfigError unless the database is one of ours at the right version."""
    version = _version(conn)
    if version != HEAD:
        message = f"the database has schema {version}, this program needs {HEAD}: budstikke migrate"
        raise ConfigError(message)
    if conn.dialect.name == "postgresql":
        row_security.check(conn)


def run_migrations(conn: Connection) -> None:
    """Every step that the database lacks, in the caller's transaction; then every table under row-level security."""
    step_to(conn, "head")
    if conn.dialect.name == "postgresql":
        row_security.enforce(conn)


def step_to(conn: Connection, revision: str) -> None:
    """The written steps up to a revision, without row-level security: of its own use to tests of old databases only."""
    settings = Config()
    settings.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    settings.attributes["connection"] = conn
    alembic.command.upgrade(settings, revision)


def _version(conn: Connection) -> str | None:
    if not inspect(conn).has_table("alembic_version"):
        message = "the database is empty; make it once with: budstikke migrate --create"
        raise ConfigError(message)
    return conn.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def _alone(conn: Connection) -> None:
    """One migration at a time; a step may take longer than a unit of work. SQLite has one writer, without a limit."""
    if conn.dialect.name == "postgresql":
        conn.exec_driver_sql("SET LOCAL statement_timeout = 0")
        conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})


def _on_sqlite(file: Path, work: Callable[[Connection], None]) -> None:
    engine = sqlite_engine(file, _PATIENCE_S)
    try:
        with engine.connect() as conn:
            conn.exec_driver_sql("BEGIN IMMEDIATE")
            work(conn)
            conn.exec_driver_sql("COMMIT")
    finally:
        engine.dispose()


async def _on_postgres(url: URL, work: Callable[[Connection], None]) -> None:
    store = PostgresStore(url, timeout_s=_PATIENCE_S)
    try:
        await store.write(work, Point.ADMIN)
    finally:
        await store.close()
