"""A gateway without listeners, on a real store, and reports sealed as their senders seal them."""

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest

from gateway import config
from gateway.app import environment
from gateway.pipeline.accept import Intake
from gateway.pipeline.environment import Environment
from gateway.pipeline.hand_over import CaseSystemClient
from gateway.store import migrate
from gateway.store.postgres import PostgresStore
from gateway.testing.site import Site, make_site
from tests.postgres import server, settings_for
from tests.reports import Sender

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def pki_site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """One installation's configuration and keys; each test gets its own data folder."""
    folder = tmp_path_factory.mktemp("site")
    return make_site(
        folder, defaults=ROOT / "config", issuer="https://issuer.test/", jwks_uri="http://127.0.0.1:9/jwks"
    )


@pytest.fixture(params=["sqlite", "postgresql"])
async def env(request: pytest.FixtureRequest, pki_site: Site, tmp_path: Path) -> AsyncIterator[Environment]:
    """Everything a verb needs, on each store."""
    configuration = config.load(pki_site.configuration, settings_for(request.param, tmp_path))
    async with environment(configuration) as made:
        yield made


@pytest.fixture
def intake(env: Environment) -> Intake:
    return Intake(env)


@pytest.fixture
def sender(pki_site: Site, env: Environment) -> Sender:
    return Sender(pki_site, env)


@pytest.fixture
def client(pki_site: Site) -> CaseSystemClient:
    return CaseSystemClient("fagsystem-1", (pki_site.tenant,))


@pytest.fixture
def administrator(env: Environment) -> Callable[[str], None]:
    """Runs SQL as somebody who may do anything to the database, as no code of ours does."""

    def run(statements: str) -> None:
        if isinstance(env.store, PostgresStore):
            server().sql(statements, env.store._readers.url.database)
            return
        file = env.vault.folder.root.parent / migrate.SQLITE_FILE
        with closing(sqlite3.connect(file, timeout=5)) as conn:
            conn.executescript(statements)

    return run
