"""A gateway that hands reports on, and another one, with keys of its own, that they go to."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway import config
from gateway.app import environment
from gateway.config import Configuration
from gateway.pipeline.environment import Environment
from gateway.testing.site import Site, make_site
from tests.conftest import ROOT
from tests.postgres import settings_for

QUICK = {"BUDSTIKKE__ENGINE__BACKOFF_FIRST_S": "0"}


@pytest.fixture(scope="session")
def sites(tmp_path_factory: pytest.TempPathFactory) -> tuple[Site, Site]:
    """Who sends, and who receives."""
    issuer = {"issuer": "https://issuer.test/", "jwks_uri": "http://127.0.0.1:9/jwks", "defaults": ROOT / "config"}
    made = [make_site(tmp_path_factory.mktemp(name) / "site", **issuer) for name in ("avsender", "mottaker")]
    return made[0], made[1]


@asynccontextmanager
async def opened(site: Site, folder: Path, kind: str = "sqlite") -> AsyncIterator[tuple[Configuration, Environment]]:
    folder.mkdir()
    configuration = config.load(site.configuration, settings_for(kind, folder) | QUICK)
    async with environment(configuration) as env:
        yield configuration, env


@pytest.fixture
async def sending(request, sites, tmp_path) -> AsyncIterator[tuple[Configuration, Environment]]:
    async with opened(sites[0], tmp_path / "avsender", getattr(request, "param", "sqlite")) as made:
        yield made


@pytest.fixture
async def receiving(sites, tmp_path) -> AsyncIterator[Environment]:
    async with opened(sites[1], tmp_path / "mottaker") as (_, env):
        yield env
