"""One throw-away PKI, issuer and producer for all simulator tests."""

import aiohttp
import pytest

from gateway.crypto.keys import SoftwareKey
from gateway.simulators.issuer import RegisteredClient, TokenIssuer
from gateway.testing.pki import Pki

ORGANISATION = "310000000"
NAME = "https://issuer.example/"


@pytest.fixture(scope="session")
def pki():
    return Pki()


@pytest.fixture(scope="session")
def school(pki):
    """A school's organisation certificate with its key."""
    return pki.organisation(ORGANISATION, "Prøveskolen")


@pytest.fixture(scope="session")
def school_key(school):
    return SoftwareKey(school.key, school.chain)


@pytest.fixture
def issuer(school_key):
    from gateway.crypto.certificate_facts import facts_of

    certificate = facts_of(school_key.certificate).sha256
    school = RegisteredClient(
        "skole", ORGANISATION, frozenset({"ks:fiks", "prove:fagsystem"}), frozenset({certificate}),
        acts_for=frozenset({"987654325"}),
    )  # fmt: skip
    return TokenIssuer(NAME, [school])


@pytest.fixture
async def session():
    async with aiohttp.ClientSession() as opened:
        yield opened
