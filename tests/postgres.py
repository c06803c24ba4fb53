"""A throw-away PostgreSQL for tests: one server per test run, one database per test, durable as in production."""

import asyncio
import atexit
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import URL

from gateway.store import migrate

ADMIN = "postgres"
OWNER = "budstikke_owner"
SERVICE = "budstikke"
_PORT = "5432"  # only names the socket's file: the server listens on no network address
_TEMPLATE = "budstikke_template"
_STARTED_S = 30


@dataclass
class PostgresServer:
    """A running server. Every role but the administrator logs in with ``password``."""

    binaries: Path
    folder: Path
    password: str
    numbers: count = field(default_factory=lambda: count(1))
    process: subprocess.Popen | None = None

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = ["-D", str(self.data), "-k", str(self.folder), "-p", _PORT, "-h", ""]
        with (self.folder / "server.log").open("ab") as log:
            command = [self.binaries / "postgres", *options]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, **_as_server_user())
        ready = [self.binaries / "pg_isready", "-q", "-h", self.folder, "-p", _PORT, "-t", str(_STARTED_S)]
        for _ in range(_STARTED_S * 20):
            if subprocess.run(ready, check=False).returncode == 0:
                return
            if self.process.poll() is not None:
                break
            _pause()
        pytest.fail("PostgreSQL did not start: " + (self.folder / "server.log").read_text()[-2000:])

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """Stop it: SIGQUIT at once, as a crash would; SIGINT in order, cutting connections."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(_STARTED_S)
            self.process = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def sql(self, statement: str, database: str = ADMIN) -> str:
        """Run a statement as the administrator; returns its rows as lines."""
        where = ["-h", self.folder, "-p", _PORT, "-U", ADMIN, "-d", database]
        command = [self.binaries / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", *where, "-c", statement]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            pytest.fail(f"PostgreSQL refused {statement!r}: {done.stderr.strip()}")
        return done.stdout.strip()

    def address(self, database: str, role: str = SERVICE) -> URL:
        """Where a store connects, without password."""
        query = {"host": str(self.folder), "port": _PORT}
        return URL.create("postgresql+asyncpg", role, database=database, query=query)

    def url(self, database: str, role: str = SERVICE) -> URL:
        """Where a store connects, and by what password."""
        return self.address(database, role).set(password=self.password)

    def empty_database(self) -> str:
        """A new database with nothing in it, owned by the schema's owner."""
        name = f"empty_{next(self.numbers)}"
        self.sql(f"CREATE DATABASE {name} OWNER {OWNER}")
        return name

    def database(self) -> str:
        """A new database with our schema."""
        name = f"test_{next(self.numbers)}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE {self._template()} OWNER {OWNER}")
        return name

    def drop(self, name: str) -> None:
        self.sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    @cache  # noqa: B019  a server lives as long as the run
    def _template(self) -> str:
        self.sql(f"CREATE DATABASE {_TEMPLATE} OWNER {OWNER}")
        making = migrate.create_postgres(self.url(_TEMPLATE, OWNER), origin="test", role=SERVICE)
        _outside_any_loop(making)
        return _TEMPLATE

    def __hash__(self) -> int:
        return id(self)


def _outside_any_loop(coroutine) -> None:
    """Run to its end in a thread: the caller may stand inside a test's event loop."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, coroutine).result()


def _pause() -> None:
    import time

    time.sleep(0.05)


def _as_server_user() -> dict[str, object]:
    """The server refuses to run as root; then it runs as its own system user."""
    return {"user": ADMIN, "group": ADMIN} if os.geteuid() == 0 else {}


def binaries() -> Path | None:
    """Where the newest installed server is."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("postgres")
    if found:
        return found[-1].parent
    return Path(on_path).resolve().parent if on_path else None


def _new_server() -> PostgresServer | None:
    found = binaries()
    if found is None:
        return None
    folder = Path(tempfile.mkdtemp(prefix="bspg"))
    if os.geteuid() == 0:
        shutil.chown(folder, ADMIN, ADMIN)
    server = PostgresServer(found, folder, secrets.token_hex(12))
    # Without --no-sync, and with fsync on: what these tests prove is durability.
    command = [found / "initdb", "-D", server.data, "-U", ADMIN, "-A", "trust", "-E", "UTF8", "--no-locale"]
    subprocess.run(command, check=True, capture_output=True, **_as_server_user())
    (server.data / "pg_hba.conf").write_text(f"local all {ADMIN} trust\nlocal all all scram-sha-256\n")
    with (server.data / "postgresql.conf").open("a") as conf:
        conf.write("max_connections = 200\nlog_error_verbosity = terse\nlog_parameter_max_length_on_error = 0\n")
        conf.write("shared_buffers = 64MB\nlog_lock_waits = off\n")
    atexit.register(server.remove)
    server.start()
    for role in (OWNER, SERVICE):
        server.sql(f"CREATE ROLE {role} LOGIN PASSWORD '{server.password}'")
    return server


_shared = cache(_new_server)


def server() -> PostgresServer:
    """The run's server. Without PostgreSQL the test is skipped; in CI that is a failure."""
    return _or_skip(_shared())


@contextmanager
def mortal_server() -> Iterator[PostgresServer]:
    """A server of one's own, to crash: it holds one database, so that it is up again at once."""
    found = _or_skip(_new_server())
    try:
        yield found
    finally:
        found.remove()


def _or_skip(found: PostgresServer | None) -> PostgresServer:
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("CI must prove the promises on PostgreSQL, and there is none here")
        pytest.skip("no PostgreSQL server is installed here")
    return found


def settings_for(kind: str, folder: Path, on: PostgresServer | None = None) -> dict[str, str]:
    """What a configuration needs to use a fresh database of this kind, as environment variables.

    Makes the database, on PostgreSQL on the run's server unless another is given, where it stays until the server
    ends. ``folder`` becomes the data folder.
    """
    settings = {"BUDSTIKKE__DATA_DIR": str(folder / "var")}
    if kind == "sqlite":
        migrate.create_sqlite(folder / "var", origin="test")
        return settings
    found = on or server()
    (folder / "var").mkdir(parents=True)
    password = folder / "database-password"
    password.touch(mode=0o600)
    password.write_text(found.password)
    settings["BUDSTIKKE__STORE__URL"] = found.address(found.database()).render_as_string()
    settings["BUDSTIKKE__STORE__PASSWORD"] = f"file:{password}"
    return settings
