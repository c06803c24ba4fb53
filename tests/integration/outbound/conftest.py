"""A gateway with a way out, on each store, without listeners."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway import config
from gateway.app import environment
from gateway.pipeline.environment import Environment
from gateway.pipeline.hand_over import CaseSystemClient
from gateway.testing.site import Site, make_site
from tests.conftest import ROOT
from tests.postgres import settings_for

QUICK = {"BUDSTIKKE__ENGINE__BACKOFF_FIRST_S": "0", "BUDSTIKKE__FLOW__SEND_S_MAX": "0.5"}


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("site")
    return make_site(
        folder,
        defaults=ROOT / "config",
        issuer="https://issuer.test/",
        jwks_uri="http://127.0.0.1:9/jwks",
        adapters=("fiks", "loopback"),
    )


@pytest.fixture(params=["sqlite", "postgresql"])
async def env(request: pytest.FixtureRequest, site: Site, tmp_path: Path) -> AsyncIterator[Environment]:
    configuration = config.load(site.configuration, settings_for(request.param, tmp_path) | QUICK)
    async with environment(configuration) as made:
        yield made


@pytest.fixture
def client(site: Site) -> CaseSystemClient:
    return CaseSystemClient("fagsystem-1", (site.tenant,))
