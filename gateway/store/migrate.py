"""Making and checking the database. ``run`` refuses a missing or empty one: no start creates a second truth."""

import sqlite3
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect, select

from gateway.errors import ConfigError
from gateway.store.sqlite import sqlite_engine
from gateway.store.tables import SCHEMA_VERSION, log_state, metadata

SQLITE_FILE: Final = "budstikke.sqlite3"
_FILE_MODE: Final = 0o600


def create_sqlite(data_dir: Path, origin: str) -> Path:
    """Make the database once. Raises ConfigError when it is there already."""
    file = data_dir / SQLITE_FILE
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    if file.exists():
        message = f"{file.name}: the database is there already"
        raise ConfigError(message)
    sqlite3.connect(file).close()
    file.chmod(_FILE_MODE)
    engine = sqlite_engine(file, busy_timeout_s=10)
    try:
        with engine.connect() as conn:
            conn.exec_driver_sql("BEGIN IMMEDIATE")
            create(conn, origin)
            conn.exec_driver_sql("COMMIT")
    finally:
        engine.dispose()
    return file


def create(conn: Connection, origin: str) -> None:
    """All tables, and the first row of the log."""
    metadata.create_all(conn)
    conn.execute(log_state.insert().values(id=1, origin=origin, size=0, schema_version=SCHEMA_VERSION, wall=0))


def check(conn: Connection) -> None:
    """Raises ConfigError unless the database is one of ours at the right version."""
    if not inspect(conn).has_table("log_state"):
        message = "the database is empty; make it once with: budstikke migrate --create"
        raise ConfigError(message)
    version = conn.execute(select(log_state.c.schema_version).where(log_state.c.id == 1)).scalar_one_or_none()
    if version != SCHEMA_VERSION:
        message = f"the database has schema version {version}, this program needs {SCHEMA_VERSION}: budstikke migrate"
        raise ConfigError(message)
