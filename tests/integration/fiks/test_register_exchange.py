"""A protocol is data: a case is reported to Barnevernsregisteret, and its validation comes back to the case system."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from sqlalchemy import select

from gateway import config
from gateway.app import running
from gateway.app.parts import data_dir
from gateway.demo.fiks_cast import CLIENT, join_platform
from gateway.domain.lifecycle import State
from gateway.errors import ConfigError
from gateway.pipeline import hand_over
from gateway.pipeline.hand_over import CaseSystemClient
from gateway.simulators.fiks.platform import ISSUER
from gateway.simulators.fiks.protocol_account import ssb
from gateway.simulators.serving import serving
from gateway.store import journal, migrate
from gateway.store.tables import message
from gateway.testing.pki import certificate_pem
from gateway.testing.site import make_site
from tests.broker import _portal_keys, broker
from tests.conftest import ROOT
from tests.integration.outbound.kit import hand_in, melding
from tests.work import state_of

CASE = "bvr.innrapportering.v1"
PAYLOAD = json.dumps({"xsdVersion": 4, "xmlBody": '<Barnevern Id="1"/>'}).encode()
SSB_ORGANISATION = "971526920"
PROTOCOL = "no.ssb.barnevern.fagsystem.v1"


@asynccontextmanager
async def reporting_office(folder, fiks, kommunenummer="4601"):
    """A gateway whose office may report, and the register's account."""
    pki = broker().pki
    async with serving([web.get("/crl", revoked), web.get("/root-crl", revoked_by_the_root)]) as publisher:
        site = make_site(
            folder,
            defaults=ROOT / "config",
            issuer="https://issuer.test/",
            jwks_uri="http://127.0.0.1:9/jwks",
            lines='guards = ["R01"]',
            sections=SECTIONS.format(
                publisher=publisher, endpoint=fiks.platform.token_endpoint, audience=ISSUER, client=CLIENT
            ),
        )
        (folder / "ca.pem").write_bytes(certificate_pem(pki.root.certificate))
        (folder / "issuer.pem").write_bytes(certificate_pem(pki.intermediate.certificate))
        register = await fiks.platform.open_account(ssb(), _portal_keys(), "Statistisk sentralbyrå", SSB_ORGANISATION)
        await join_platform(site, fiks.platform, PROTOCOL, kommunenummer=kommunenummer)
        (folder / "routes.toml").write_text(f'"{CASE}" = ["fiks:kontoId"]\n')
        laws = (folder / "hjemler.toml").read_text()
        wanted = 'kode = "BVL2021"\nparagraf = "§ 99-9"'  # what a lawyer would have filled in
        (folder / "hjemler.toml").write_text(laws.replace('paragraf = "ikke fastslått"', wanted))
        configuration = config.load(site.configuration, {})
        migrate.create_sqlite(data_dir(configuration), origin="budstikke.test")
        async with running(configuration) as gateway:
            yield gateway.env, site, register


async def revoked(_):
    return web.Response(body=broker().pki.intermediate.crl())


async def revoked_by_the_root(_):
    return web.Response(body=broker().pki.root.crl())


def reported(register):
    """The envelope around one case."""
    return melding(
        meldingstype="bvr.innrapportering",
        meldingstypeVersjon="v1",
        mottaker={
            "orgnr": SSB_ORGANISATION, "navn": "SSB", "aktortype": "S14", "kontoId": register.konto_id,
        },
        hjemmel=[{"lov": "BVL2021", "kapittel": "99", "paragraf": "99-9"}],
        formal="Innrapportering",
        vedlegg=[
            {
                "filnavn": "payload.json", "mimeType": "application/json", "dokumenttype": "RAPPORT",
                "sladdet": False, "taushetsniva": "T",
            }
        ],
    )  # fmt: skip


async def until(env, message_id, state):
    try:
        async with asyncio.timeout(20):
            while await state_of(env, message_id) is not state:
                await asyncio.sleep(0.05)
    except TimeoutError:
        found = await env.store.read(
            lambda conn: [(row.event, row.entry) for row in journal.of_message(conn, message_id)]
        )
        raise AssertionError(found) from None


@pytest.mark.timeout(90)
async def test_a_case_is_reported_and_what_the_register_found_reaches_the_case_system(fiks, tmp_path):
    async with reporting_office(tmp_path / "site", fiks) as (env, site, register):
        client = CaseSystemClient("fagsystem-1", (site.tenant,))
        sent = await hand_in(env, client, reported(register), {"payload.json": PAYLOAD})
        await until(env, sent, State.DELIVERED)  # the answer is the proof that it is there
        assert register.taken == ["no.ssb.barnevern.fagsystem.v1.innrapportering"]

        arrived = select(message).where(message.c.type == "bvr.valideringsrapport.v1")
        async with asyncio.timeout(30):
            while not (rows := await env.store.read(lambda conn: conn.execute(arrived).all())):
                await asyncio.sleep(0.05)
        [report] = rows
        await until(env, report.id, State.READY)
        head = await hand_over.head(env, client, report.id)
        assert [document["name"] for document in head["documents"]] == ["payload.json"]
        assert head["thread"] == sent, "the case system sees what it answers"
        served = await hand_over.fetch(env, client, report.id, "payload.json")
        told = json.loads(b"".join(served.pieces(0, served.size)))
        served.reader.close()
        assert told == {"severity": "OK", "reportEntries": []}


SECTIONS = """
[[trust.fiks.revocation]]
issuer = "issuer.pem"
crl_url = "{publisher}/crl"
[[trust.fiks.revocation]]
issuer = "ca.pem"
crl_url = "{publisher}/root-crl"
[maskinporten.fiks]
audience = "{audience}"
token_endpoint = "{endpoint}"
client_id = "{client}"
key = {{ key = "file:keys/signing.pem" }}
tls_roots = ["ca.pem"]
"""


async def test_a_start_is_refused_while_an_account_brings_messages_for_an_office_that_is_not_here(fiks, tmp_path):
    async def start():
        async with reporting_office(tmp_path / "site", fiks, kommunenummer="9999"):
            raise AssertionError("it started")

    with pytest.raises(ConfigError, match="no office 9999-02"):
        await start()
