"""PostgreSQL's own tools, as subprocesses: ``pg_dump`` and ``pg_restore``.

What they log in with stands in a file of the data folder that only we may read: arguments and environment of a process
are seen by others of its user.
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from sqlalchemy import URL, Connection, inspect

from gateway.errors import ConfigError, StoreError

_FILE_MODE: Final = 0o600
_PASSWORDS: Final = "database-password"
_TOLD_CHARS_MAX: Final = 300


def dump(url: URL, snapshot: str, target: Path, folder: Path) -> None:
    """Copy what a transaction's exported snapshot sees. Raises ConfigError without the tool, StoreError."""
    arguments = ["--format=custom", "--compress=1", "--no-owner", "--no-privileges"]
    _run("pg_dump", [*arguments, f"--snapshot={snapshot}", f"--file={target}"], url, folder)


def load(url: URL, source: Path, folder: Path) -> None:
    """Fill an empty database, all or nothing. Raises ConfigError without the tool, StoreError."""
    arguments = ["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", f"--dbname={url.database}"]
    _run("pg_restore", [*arguments, str(source)], url, folder)


def require_empty(conn: Connection) -> None:
    """Raises ConfigError for a database that holds a table."""
    if inspect(conn).get_table_names():
        message = "a backup is restored into an empty database only; this one holds tables"
        raise ConfigError(message)


def clear(conn: Connection) -> None:
    """Drop every table: after a restore into what was empty, and which failed."""
    for name in inspect(conn).get_table_names():
        conn.exec_driver_sql(f'DROP TABLE "{name}" CASCADE')


def _run(tool: str, arguments: list[str], url: URL, folder: Path) -> None:
    found = shutil.which(tool)
    if found is None:
        message = f"{tool} is not installed; it comes with PostgreSQL's client"
        raise ConfigError(message)
    passwords = folder / _PASSWORDS
    passwords.touch(mode=_FILE_MODE)
    passwords.write_text(f"*:*:*:*:{_escaped(url.password)}\n", encoding="utf-8")
    try:
        done = subprocess.run(  # noqa: S603  a tool of the system's path, arguments of our own
            [found, "--no-password", *arguments],
            env=os.environ | _login(url) | {"PGPASSFILE": str(passwords)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    finally:
        passwords.unlink()
    if done.returncode:
        lines = done.stderr.decode(errors="replace").splitlines()
        told = next((line for line in lines if "error:" in line), "no reason was given")
        message = f"{tool} failed: {told[:_TOLD_CHARS_MAX]}"
        raise StoreError(message)


def _login(url: URL) -> dict[str, str]:
    """What libpq reads; ``ssl`` is what the driver of the service calls its ``sslmode``."""
    query = {name: value for name, value in url.query.items() if isinstance(value, str)}
    values = {
        "PGHOST": query.get("host") or url.host,
        "PGPORT": query.get("port") or (str(url.port) if url.port else None),
        "PGUSER": url.username,
        "PGDATABASE": url.database,
        "PGSSLMODE": query.get("ssl"),
    }
    return {name: value for name, value in values.items() if value}


def _escaped(password: object) -> str:
    return str(password or "").replace("\\", "\\\\").replace(":", "\\:")
