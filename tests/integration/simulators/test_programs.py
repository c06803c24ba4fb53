"""The simulators as programs: from a settings file to reports sent, followed, stored and confirmed."""

import asyncio
import json
import time
from base64 import b64encode
from contextlib import asynccontextmanager, suppress

import aiohttp
import pytest
from pydantic import ValidationError

from gateway.simulators.feil import Feil
from gateway.simulators.programs import CaseSystemProgram, IssuerProgram, ProdusentProgram, main
from gateway.simulators.webhook import sign
from gateway.testing.pki import receive_key
from gateway.testing.site import free_port
from tests.integration.simulators.case_system_api import CaseSystemApi
from tests.integration.simulators.conftest import NAME, ORGANISATION
from tests.integration.simulators.producer_api import FIKS_ORG_ID, PASSWORD, ProducerApi, rows_of

ROW = {"bydelsnummer": "00", "bydelsnavn": "Prøvedal", "standardMottaker": True, "stottetVersjon": "V2"}


class Told(list):
    """Lines told, what stands in them, and waiting for one."""

    def __init__(self):
        super().__init__()
        self.facts = []

    def __call__(self, line, **facts):
        self.append(line)
        self.facts.append(facts)

    async def having(self, word):
        async with asyncio.timeout(20):
            while not any(word in line for line in self):
                await asyncio.sleep(0.01)
        return next(line for line in self if word in line)


@asynccontextmanager
async def running(program, folder):
    told = Told()
    task = asyncio.create_task(main(program, folder, told))
    try:
        yield task, told
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def login(school, tmp_path):
    """What a program needs to get tokens from an issuer program."""
    school.write_pem(tmp_path / "skole.pem")
    client = {
        "client_id": "skole",
        "organisasjonsnummer": ORGANISATION,
        "scopes": ["ks:fiks"],
        "certificate": "skole.pem",
    }
    async with running(IssuerProgram(name=NAME, clients=[client]), tmp_path) as (_, told):
        endpoint = (await told.having("/token")).split()[2].rstrip(",")
        yield {
            "token_endpoint": endpoint,
            "audience": NAME,
            "client_id": "skole",
            "scope": "ks:fiks",
            "key": "skole.pem",
        }


@pytest.fixture
async def producer(login, tmp_path):
    api = ProducerApi(receive_key("Prove mottak"), receive_key("Prove utskrift"), rows=[ROW])
    (tmp_path / "passord").write_text(PASSWORD + "\n")

    def program(base, **more):
        return ProdusentProgram(
            base_url=f"{base}/bekymringsmelding/api",
            fiks_org_id=FIKS_ORG_ID,
            integrasjon_id="11111111-2222-4333-8444-555555555555",
            integrasjon_passord="file:passord",
            login=login,
            kommunenummer="9901",
            kommunenavn="Prøvedal",
            **more,
        )

    return api, program


async def test_the_producer_program_sends_and_follows_as_many_as_it_is_told(producer, tmp_path) -> None:
    api, program = producer
    async with api.serve() as base, running(program(base, count=2), tmp_path) as (task, told):
        async with asyncio.timeout(20):
            while len(api.histories) < 1:
                await asyncio.sleep(0.01)
            while not task.done():
                for statuses in api.histories.values():
                    statuses[1:] = ["SENDT_FAGSYSTEM", "LEVERT"]
                await asyncio.sleep(0.01)
        assert await task is True
        assert sum("LEVERT" in line for line in told) == 2
        accepted = [facts["uuid"] for facts in told.facts if facts.get("status") == 201]
        assert [facts["uuid"] for facts in told.facts if facts.get("status") == "LEVERT"] == accepted
        assert any("our own sample" in line for line in told)
    assert [row["event"] for row in rows_of(tmp_path / "produsent.jsonl")].count("accepted") == 2


@pytest.mark.parametrize("feil", [Feil.WRONG_PASSWORD, Feil.SHA1_SIGNATURE])
async def test_the_producer_program_does_wrong_on_request_and_says_that_it_did_not_get_through(
    producer, tmp_path, feil
) -> None:
    api, program = producer
    async with api.serve() as base:
        told = Told()
        assert await main(program(base, feil=feil, follow_s=0.05), tmp_path, told) is False
    assert rows_of(tmp_path / "produsent.jsonl")[0]["feil"] == feil


async def test_the_case_system_program_stores_and_confirms_until_it_is_stopped(login, tmp_path) -> None:
    api = CaseSystemApi()
    api.add("01900000-0000-7000-8000-000000000001", rapport_pdf=b"%PDF")
    async with api.serve() as base:
        program = CaseSystemProgram(base_url=f"{base}/api/v1", login=login, poll_s=0.01)
        api.allows = lambda token: token.startswith("ey")
        async with running(program, tmp_path) as (_, told):
            await told.having("storing in")
            async with asyncio.timeout(20):
                while not any(message.confirmed for message in api.messages.values()):
                    await asyncio.sleep(0.01)
    assert (tmp_path / "fagsystem/case-system.jsonl").exists()


async def test_the_case_system_program_asks_to_be_rung_and_comes_when_it_is(login, tmp_path) -> None:
    api = CaseSystemApi(allows=lambda token: token.startswith("ey"))
    secret = "whsec_" + b64encode(bytes(32)).decode()
    (tmp_path / "bell").write_text(secret)
    bell = {"bell_url": "http://127.0.0.1:8499/webhook", "bell_port": free_port(), "bell_secret": "file:bell"}
    async with api.serve() as base, aiohttp.ClientSession() as session:
        program = CaseSystemProgram(base_url=f"{base}/api/v1", login=login, poll_s=600, **bell)
        async with running(program, tmp_path) as (_, told):
            await told.having("storing in")
            assert api.hook == {"url": bell["bell_url"], "secret": secret}
            while [kind for kind, _, _ in api.calls].count("claim") == 0:
                await asyncio.sleep(0.01)
            api.add("01900000-0000-7000-8000-000000000001", rapport_pdf=b"%PDF")
            timestamp = str(int(time.time()))
            signature = sign(bytes(32), "ring-1", timestamp, b"{}")
            headers = {"webhook-id": "ring-1", "webhook-timestamp": timestamp, "webhook-signature": signature}
            address = f"http://127.0.0.1:{bell['bell_port']}/webhook"
            async with session.post(address, data=b"{}", headers=headers) as answer:
                assert answer.status == 204
            async with asyncio.timeout(20):
                while not any(message.confirmed for message in api.messages.values()):
                    await asyncio.sleep(0.01)


def test_an_unknown_key_or_a_password_in_the_settings_is_refused() -> None:
    with pytest.raises(ValidationError):
        IssuerProgram(name=NAME, clients=[], ukjent=1)
    with pytest.raises(ValidationError):
        ProdusentProgram.model_validate(json.loads('{"integrasjon_passord": "hemmelig"}'))


async def test_the_issuer_program_tells_where_it_answers(login) -> None:
    address = login["token_endpoint"].replace("/token", "/jwks")
    async with aiohttp.ClientSession() as session, session.get(address) as answer:
        assert (await answer.json())["keys"]
