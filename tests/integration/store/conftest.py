"""Stores of both kinds, each on a database of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.store import migrate
from gateway.store.database import Store
from gateway.store.postgres import PostgresStore
from gateway.store.sqlite import SqliteStore
from tests.postgres import PostgresServer, server


@pytest.fixture
def postgres() -> PostgresServer:
    return server()


@pytest.fixture
def database(postgres: PostgresServer):
    name = postgres.database()
    yield name
    postgres.drop(name)


@pytest.fixture(params=["sqlite", "postgresql"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """A store with our schema and nothing in it."""
    if request.param == "sqlite":
        made: Store = SqliteStore(migrate.create_sqlite(tmp_path, "test"), busy_timeout_s=5)
    else:
        found = request.getfixturevalue("postgres")
        made = PostgresStore(found.url(request.getfixturevalue("database")), timeout_s=5)
    yield made
    await made.close()
