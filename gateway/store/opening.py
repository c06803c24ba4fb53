"""Which store the configuration names, and its opening: checked, or refused."""

import fcntl
import ipaddress
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from gateway import config
from gateway.config import Configuration
from gateway.errors import ConfigError
from gateway.store import migrate
from gateway.store.database import Store
from gateway.store.postgres import PostgresStore, check_server
from gateway.store.sqlite import SqliteStore

_EMBEDDED: Final = "sqlite"
_DRIVER: Final = "postgresql+asyncpg"


def embedded(configuration: Configuration) -> bool:
    """Whether the store is one file of ours: then one process alone may run."""
    return configuration.settings.store.url == _EMBEDDED


def postgres_url(configuration: Configuration) -> URL:
    """Where PostgreSQL is, with its password. Raises ConfigError."""
    settings = configuration.settings.store
    try:
        url = make_url(settings.url)
    except ArgumentError:
        message = "store.url: neither sqlite nor an address of PostgreSQL"
        raise ConfigError(message) from None
    faults = []
    if url.drivername not in {"postgresql", _DRIVER}:
        faults.append("store.url: only sqlite and postgresql are known")
    if url.password is not None:
        faults.append("store.url: the password belongs behind store.password")
    if configuration.settings.mode == "production" and not _on_this_host(url) and url.query.get("ssl") != "verify-full":
        faults.append("store.url: production needs ?ssl=verify-full to another host")
    if faults:
        raise ConfigError(*faults)
    password = config.read_secret(configuration.folder, settings.password).decode() if settings.password else None
    return url.set(drivername=_DRIVER, password=password)


@asynccontextmanager
async def opened_store(configuration: Configuration, data_dir: Path) -> AsyncIterator[Store]:
    """The configured store, checked. Raises ConfigError when there is none yet, StoreError when it is not reached."""
    settings = configuration.settings
    if embedded(configuration):
        file = data_dir / migrate.SQLITE_FILE
        if not file.exists():
            raise ConfigError(migrate.MISSING)
        store: Store = SqliteStore(file, busy_timeout_s=settings.store.busy_timeout_s)
    else:
        store = PostgresStore(postgres_url(configuration), timeout_s=settings.store.busy_timeout_s)
    try:
        if isinstance(store, PostgresStore):
            production = settings.mode == "production"
            await store.read(lambda conn: check_server(conn, production=production))
        await store.read(migrate.check)
        yield store
    finally:
        await store.close()


async def migrate_store(
    configuration: Configuration, data_dir: Path, *, origin: str, create: bool, role: str | None
) -> None:
    """Make the configured database, or bring it to this program's schema; ``role`` is given the service's rights."""
    if embedded(configuration):
        if role is not None:
            message = "SQLite knows no roles"
            raise ConfigError(message)
        if create:
            migrate.create_sqlite(data_dir, origin)
        else:
            migrate.upgrade_sqlite(data_dir)
    elif create:
        await migrate.create_postgres(postgres_url(configuration), origin, role=role)
    else:
        await migrate.upgrade_postgres(postgres_url(configuration), role=role)


@contextmanager
def engine_lock(folder: Path) -> Iterator[None]:
    """One engine per SQLite data folder; the lock dies with the process. Raises ConfigError."""
    with (folder / "engine.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            message = "another gateway runs on this data folder"
            raise ConfigError(message) from None
        yield


def _on_this_host(url: URL) -> bool:
    """A socket in the file system, or loopback."""
    host = url.query.get("host") or url.host or ""
    if not isinstance(host, str):
        return False
    if host in {"", "localhost"} or host.startswith("/"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
