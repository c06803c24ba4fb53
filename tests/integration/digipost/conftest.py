"""Keys that all tests of Digipost share, and an office with a road to it."""

from contextlib import closing

import pytest

from gateway import config
from gateway.app import environment
from gateway.letters.reader import Reader
from gateway.pipeline.hand_over import CaseSystemClient
from gateway.testing.site import make_site
from tests.conftest import ROOT
from tests.digipost_kit import Keys
from tests.integration.digipost.office import office
from tests.integration.outbound.conftest import QUICK
from tests.postgres import settings_for


@pytest.fixture(scope="session")
def keys():
    return Keys.make()


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    return make_site(
        tmp_path_factory.mktemp("site"),
        defaults=ROOT / "config",
        issuer="https://issuer.test/",
        jwks_uri="http://127.0.0.1:9/jwks",
    )


@pytest.fixture
def configuration(site, tmp_path):
    return config.load(site.configuration, settings_for("sqlite", tmp_path) | QUICK)


@pytest.fixture
def client(site):
    return CaseSystemClient("fagsystem-1", (site.tenant,))


@pytest.fixture(scope="session")
def pdfs():
    """One process that reads every letter: none of them may end it."""
    with closing(Reader()) as reader:
        yield reader


@pytest.fixture
async def bergen(configuration, client, keys, pdfs):
    """An office whose road to Digipost is open."""
    async with environment(configuration) as bare, office(configuration, bare, client, keys, pdfs=pdfs) as here:
        yield here
