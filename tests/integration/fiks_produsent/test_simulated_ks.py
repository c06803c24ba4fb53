"""The same road against the simulated KS, whose producer API is not ours: tokens bought, both versions, and its history."""

import uuid
from datetime import UTC, datetime
from types import SimpleNamespace

import aiohttp
import pytest

from gateway import config
from gateway.app import running
from gateway.crypto.certificate_facts import facts_of
from gateway.crypto.keys import SoftwareKey
from gateway.domain.lifecycle import State
from gateway.pipeline import people
from gateway.pipeline.hand_over import CaseSystemClient
from gateway.simulators.fiks.access import Access
from gateway.simulators.fiks.answers import refusals
from gateway.simulators.fiks.faults import Faults
from gateway.simulators.fiks.offices import Bydel, Offices
from gateway.simulators.fiks.parcel import Keys, open_parcel
from gateway.simulators.fiks.portal import Portal, Status
from gateway.simulators.fiks.producer_api import BYTES_MAX, ProducerApi
from gateway.simulators.fiks.register import Account, Integration, Register
from gateway.simulators.issuer import RegisteredClient, TokenIssuer
from gateway.simulators.sample import JSON_NAME
from gateway.simulators.serving import serving
from gateway.simulators.token_source import TokenRequest, TokenSource
from gateway.testing.pki import receive_key
from gateway.testing.site import make_site
from tests.conftest import ROOT
from tests.edge_kit import CLIENT_ID, PASSWORD
from tests.integration.fiks_produsent.conftest import QUICK
from tests.integration.fiks_produsent.kit import OFFENTLIG, Server, envelope, forwarding, report
from tests.integration.outbound.kit import alarms_of, attempts_of, cause_of, hand_in, until
from tests.postgres import settings_for
from tests.work import state_of, work_off

ISSUER = "https://test.maskinporten.no/"
OURS = "964338531"


class BoughtTokens:
    """``spi.Tokens`` over a real grant."""

    def __init__(self, source):
        self._source = source

    async def token(self):
        return await self._source.token()

    def refused(self, token):
        raise AssertionError("a good token was refused")


@pytest.fixture(scope="module")
def office_key():
    credential = receive_key("Mottak hos KS")
    return SoftwareKey(credential.key, credential.chain)


@pytest.fixture
async def ks(sites, office_key, tmp_path):
    """KS's producer API of the simulator; what would go over Fiks IO stays where it is."""
    signing = SoftwareKey(sites[0].sender.key, sites[0].sender.chain)
    client = RegisteredClient(
        "oss", OURS, frozenset({"ks:fiks"}), certificates=frozenset({facts_of(signing.certificate).sha256})
    )
    issuer, register, offices, fiks_org_id = TokenIssuer(ISSUER, [client]), Register(), Offices(), str(uuid.uuid4())
    account = Account(str(uuid.uuid4()), "Årstad", fiks_org_id, OURS, facts_of(office_key.certificate))
    register.add_account(account)
    register.add_integration(Integration(CLIENT_ID, PASSWORD, OURS, frozenset({account.konto_id})))
    offices.add(Bydel("4601", "Bergen", "03", "Årstad", account.konto_id))

    async def delivered(message, payload):
        return SimpleNamespace(melding_id=str(uuid.uuid4()))

    portal = Portal(account.konto_id, Keys(signing, office_key), delivered, Faults(), tmp_path / "portal")
    api = ProducerApi(Access(register, issuer), register, offices, portal, facts_of(office_key.certificate))
    server = Server("", None, fiks_org_id)
    async with (
        serving(
            [*issuer.routes(), *api.routes()], body_bytes_max=2 * BYTES_MAX, middlewares=[refusals, server.watch]
        ) as base,
        aiohttp.ClientSession() as session,
    ):
        request = TokenRequest(f"{base}/token", ISSUER, "oss", "ks:fiks")
        server.url, server.tokens = base, BoughtTokens(TokenSource(session, request, signing))
        yield SimpleNamespace(server=server, portal=portal, offices=offices, konto_id=account.konto_id)


@pytest.fixture
async def way(sending, ks):
    async with forwarding(*sending, ks.server) as made:
        yield made


@pytest.mark.parametrize("version", ["V1", "V2"])
async def test_a_report_is_taken_in_the_version_that_the_office_reads_and_followed_to_levert(
    way, ks, office_key, version
):
    ks.offices.add(Bydel("4601", "Bergen", "03", "Årstad", ks.konto_id, stottet_versjon=version))
    documents = report()
    message_id = await way.hand_in(envelope(), documents)
    assert await state_of(way.env, message_id) == State.SENT
    (followed,) = ks.portal.reports()
    assert followed.type == f"no.ks.fiks.bekymringsmelding.offentlig.{version.lower()}"
    got = open_parcel(followed.container.read_bytes(), office_key, datetime.now(UTC))
    assert list(got) == list(documents)
    assert (got == documents) is (version == "V2")
    assert (b"andreSynspunkter" in got[JSON_NAME]) is (version == "V2")

    await way.hears_nothing()
    followed.history.append(Status(datetime.now(UTC), "LEVERT"))
    await way.receipts()
    assert await state_of(way.env, message_id) == State.DELIVERED


async def test_a_report_that_could_not_be_printed_is_for_a_person_and_delivered_if_ks_manages_by_hand(way, ks):
    message_id = await way.hand_in(envelope(), report())
    (followed,) = ks.portal.reports()
    followed.history += [Status(datetime.now(UTC), told) for told in ("AVVIST_FAGSYSTEM", "SENDT_PRINT")]
    await way.hears_nothing()
    followed.history.append(Status(datetime.now(UTC), "AVVIST_PRINT"))
    await way.receipts(2)  # the same again changes nothing
    assert await state_of(way.env, message_id) == State.HELD
    assert await cause_of(way.env, message_id) == "partner-refused"
    assert await alarms_of(way.env, message_id) == ["outbound-held"]

    followed.history.append(Status(datetime.now(UTC), "LEVERT"))
    await way.receipts()
    assert await state_of(way.env, message_id) == State.DELIVERED


async def test_what_became_of_the_first_try_does_not_stop_a_second_one_that_a_person_ordered(way, ks):
    message_id = await way.hand_in(envelope(), report())
    ks.portal.reports()[0].history.append(Status(datetime.now(UTC), "AVVIST_PRINT"))
    await way.receipts()
    await people.decide(way.env, message_id, people.Decision("release", "kari", "KS ber oss sende den om igjen"))
    await work_off(way.env)
    assert await state_of(way.env, message_id) == State.SENT
    await way.hears_nothing()

    first, second = ks.portal.reports()
    assert first.container.read_bytes() == second.container.read_bytes()
    second.history.append(Status(datetime.now(UTC), "LEVERT"))
    await way.receipts()
    assert await state_of(way.env, message_id) == State.DELIVERED


async def test_what_ks_itself_finds_too_large_is_proof_that_this_road_cannot_take_it(sending, ks):
    async with forwarding(*sending, ks.server, body_bytes_max=100_000_000) as way:
        documents = report()
        documents["bekymringsmelding.pdf"] += b"\n%" + b"x" * (BYTES_MAX // 2)
        message_id = await way.hand_in(envelope(), documents)
        assert await attempts_of(way.env, message_id) == ["refused:too-large"]
        assert ks.portal.reports() == []


async def test_the_whole_gateway_buys_tokens_sends_asks_and_hears(sites, ks, tmp_path):
    site = configured(ks.server, tmp_path / "site")
    sites[0].sender.write_pem(site.folder / "keys" / "ks.pem")
    (tmp_path / "hele").mkdir()
    configuration = config.load(site.configuration, settings_for("sqlite", tmp_path / "hele") | QUICK)
    async with running(configuration) as gateway:
        client = CaseSystemClient("fagsystem-1", (site.tenant,))
        message_id = await hand_in(gateway.env, client, envelope(), report())

        async def has_state(state):
            await until(lambda: _is(gateway.env, message_id, state))

        await has_state(State.SENT)
        (followed,) = ks.portal.reports()
        followed.history.append(Status(datetime.now(UTC), "LEVERT"))
        await has_state(State.DELIVERED)


async def _is(env, message_id, state):
    return await state_of(env, message_id) == state


def configured(server, folder):
    """An installation that sends reports over this road alone."""
    token = f'audience = "{ISSUER}"\ntoken_endpoint = "{server.url}/token"\nclient_id = "oss"'
    site = make_site(
        folder,
        defaults=ROOT / "config",
        issuer="https://issuer.test/",
        jwks_uri="http://127.0.0.1:9/jwks",
        lines='guards = ["R01"]\n',
        sections=f'[maskinporten.fiks]\n{token}\nkey = {{ key = "file:keys/ks.pem" }}\n',
        adapters=("ks-produsent",),
    )
    (folder / "routes.toml").write_text(f'"{OFFENTLIG}" = ["ks-produsent:bydel"]\n')
    (folder / "keys" / "ks-password").write_text(PASSWORD + "\n")
    (folder / "partners").mkdir()
    (folder / "partners" / "ks-produsent.toml").write_text(f"""\
api_url = "{server.url}"
ask_after_s = [0.001]
ask_every_s = 0.05
look_every_s = 0.05
[[senders]]
kommunenummer = "4601"
fiks_org_id = "{server.fiks_org_id}"
integration_id = "{CLIENT_ID}"
integration_password = "file:keys/ks-password"
""")
    return site
