"""The case systems' listener over a real store, with reports sealed as senders seal them."""

from contextlib import asynccontextmanager
from dataclasses import replace

import aiohttp
import pytest

from gateway import config
from gateway.app import environment
from gateway.app.parts import data_dir
from gateway.crypto.tokens import TokenVerifier
from gateway.http.authentication import CaseSystemDoor
from gateway.http.case_system import case_system_routes
from gateway.http.connection import Listening
from gateway.http.server import Listener, application
from gateway.pipeline.accept import Intake
from gateway.store import migrate
from gateway.testing.site import make_site
from tests.conftest import ROOT
from tests.edge_kit import Client, Directory, Lines, TokenIssuer, recording_log
from tests.reports import Sender

SCOPE = "test:barnevern/fagsystem"
AUDIENCE = "https://budstikke.example"


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    return make_site(
        folder, defaults=ROOT / "config", issuer="https://issuer.test/", jwks_uri="http://127.0.0.1:9/jwks"
    )


@pytest.fixture
async def env(site, tmp_path):
    """Everything a verb needs."""
    configuration = config.load(site.configuration, {"BUDSTIKKE__DATA_DIR": str(tmp_path / "var")})
    migrate.create_sqlite(data_dir(configuration), origin="test")
    async with environment(configuration) as made:
        yield made


@pytest.fixture
def intake(env):
    return Intake(env)


@pytest.fixture
def sender(site, env):
    return Sender(site, env)


class CaseSystem:
    """A case system's side of the running listener."""

    def __init__(self, port, issuer, directory, lines, env):
        self.port, self.issuer, self.directory, self.lines, self.env = port, issuer, directory, lines, env
        self.base = f"http://127.0.0.1:{port}/api/v1"

    def token(self, client_id="fagsystem-1", **changes):
        values = {"client_id": client_id, "scope": SCOPE, "aud": AUDIENCE} | changes
        return self.issuer.token(self.env.clock.now(), **values)

    async def call(self, method, path, client_id="fagsystem-1", headers=None, **more):
        """Status, body (JSON where it is) and headers."""
        sent = {"Authorization": f"Bearer {self.token(client_id)}"} | (headers or {})
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, self.base + path, headers=sent, **more) as answer,
        ):
            kind = answer.content_type
            body = await (
                answer.json(content_type=None) if kind.endswith("json") and answer.status != 206 else answer.read()
            )
            return answer.status, body, answer.headers


@asynccontextmanager
async def case_system_listener(env, tenant, *, rate_per_minute=6000, tls=None):
    issuer, directory, lines = TokenIssuer(), Directory(), Lines()
    directory["fagsystem-1"] = Client(id="fagsystem-1", kind="fagsystem", tenants=frozenset({tenant}))
    directory["fagsystem-2"] = replace(directory["fagsystem-1"], id="fagsystem-2", tenants=frozenset({"9999-00"}))
    settings = issuer.settings(audience=AUDIENCE, scope_fagsystem=SCOPE)
    door = CaseSystemDoor(
        TokenVerifier([settings], issuer.fetch, env.clock), directory, env.clock, rate_per_minute=rate_per_minute
    )
    app = application(case_system_routes(env, door), Listener(clock=env.clock, log=recording_log(lines)))
    async with Listening(app, "127.0.0.1", 0, tls) as listening:
        yield CaseSystem(listening.port, issuer, directory, lines, env)


@pytest.fixture
async def case_system(env, site):
    async with case_system_listener(env, site.tenant) as running:
        yield running
