"""One throw-away PKI, issuer and producer for all simulator tests, and the producer client before a producer API."""

import aiohttp
import pytest

from gateway.crypto.keys import SoftwareKey
from gateway.simulators.issuer import RegisteredClient, TokenIssuer
from gateway.simulators.ledger import Ledger
from gateway.simulators.produsent import Integration, Produsent
from gateway.simulators.token_source import TokenRequest, TokenSource
from gateway.testing.pki import Pki, receive_key
from gateway.testing.sha1 import sha1_signer
from tests.integration.simulators.producer_api import FIKS_ORG_ID, PASSWORD, ProducerApi
from tests.integration.simulators.produsent_kit import INTEGRATION, ROWS

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


@pytest.fixture(scope="module")
def receive_keys():
    return receive_key("Prove mottak"), receive_key("Prove utskrift")


@pytest.fixture
def api(receive_keys):
    return ProducerApi(*receive_keys, rows=list(ROWS))


@pytest.fixture
async def base(api):
    async with api.serve() as address:
        yield f"{address}/bekymringsmelding/api"


@pytest.fixture
async def make(issuer, session, school, school_key, base, tmp_path):
    """A producer, as often as wanted over the same ledger."""
    opened = []

    async with issuer.serve() as issuer_base:

        def made(**settings):
            tokens = TokenSource(session, TokenRequest(f"{issuer_base}/token", NAME, "skole", "ks:fiks"), school_key)
            integration = Integration(base, FIKS_ORG_ID, INTEGRATION, PASSWORD, retry_first_s=0.01, **settings)
            opened.append(Ledger(tmp_path / "produsent.jsonl"))
            return Produsent(
                session, integration, tokens, school_key, opened[-1], sign_sha1=sha1_signer(school.key_pem)
            )

        yield made
    for ledger in opened:
        ledger.close()


@pytest.fixture
def produsent(make):
    return make()
