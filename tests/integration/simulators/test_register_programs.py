"""``budstikke simulate krr`` and ``freg`` as their users run them: with tokens, people of a settings file, and a desk."""

import asyncio
import os
import signal
from contextlib import asynccontextmanager

import aiohttp
import pytest

from gateway.app.maskinporten import Client, Maskinporten
from gateway.cli.simulate import _read
from gateway.crypto.maskinporten import GrantRequest, GrantSigner
from gateway.egress import client_context
from gateway.errors import ConfigError, PartnerUnavailableError
from gateway.observability import logging
from gateway.ports import SystemClock
from gateway.simulators.registers.program import RegisterProgram, run_register
from gateway.simulators.registers.server import ISSUER
from gateway.spi import Context, Grading, Standing
from gateway.testing.pki import receive_key
from tests.digipost_kit import software
from tests.registers_kit import KARI, KINDS, SCOPES, SPERRET

SETTINGS = f"""
[[clients]]
client_id = "oss"
organisasjonsnummer = "964338531"
scopes = {sorted(SCOPES)}
certificate = "ours.pem"
[[people]]
number = "{KARI}"
[[people]]
number = "{SPERRET}"
kind = "blocked"
"""


@asynccontextmanager
async def program(kind, folder):
    """The program with an adapter of ours, and calls of its desk."""
    ours, told = receive_key("Prove avsender"), asyncio.Queue()
    ours.write_pem(folder / "ours.pem")
    (folder / "register.toml").write_text(SETTINGS)
    server, spec, settings = KINDS[kind]
    running = asyncio.create_task(
        run_register(server, _read(RegisterProgram, folder / "register.toml"), folder, told.put_nowait)
    )
    found = {}
    while "control" not in found:
        name, _, where = (await asyncio.wait_for(told.get(), 20)).partition(": ")
        found[name] = where
    async with aiohttp.ClientSession(auto_decompress=False) as session:

        async def call(method, path, **more):
            async with session.request(method, found["control"] + path, **more) as answer:
                return answer.status, await answer.json()

        endpoint = found["token"].partition(",")[0]
        client = Client(GrantRequest(audience=ISSUER, client_id="oss", scope=""), GrantSigner(software(ours)), endpoint)
        tokens = Maskinporten({kind: client}, session, SystemClock(), logging.get()).tokens
        context = Context(SystemClock(), session, logging.get(), tokens=tokens, tls=client_context)
        async with spec.open(settings(api_url=found["api"]), context) as adapter:
            yield adapter, call
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(running, 20)


async def test_krr_answers_and_fails_as_its_desk_says(tmp_path):
    async with program("krr", tmp_path) as (adapter, call):
        assert (await adapter.contacts.contact(KARI)).mailbox
        assert (await call("PUT", "/feil/down?antall=2"))[1]["feil"] == {"down": 2}
        with pytest.raises(PartnerUnavailableError):
            await adapter.contacts.contact(KARI)
        assert (await call("DELETE", "/feil/down"))[1]["feil"] == {}
        assert not (await adapter.contacts.contact(SPERRET)).registered
        told = (await call("GET", ""))[1]
        assert (told["personer"], told["oppslag"]) == (2, 3)
        for wrong in ("/feil/ukjent", "/feil/down?antall=0", "/feil/down?antall=x"):
            assert (await call("PUT", wrong))[0] == 400


async def test_folkeregisteret_answers_and_somebody_moves_abroad_at_its_desk(tmp_path):
    async with program("freg", tmp_path) as (adapter, call):
        assert (await adapter.population.resident(SPERRET)).grading is Grading.STRICTLY_CONFIDENTIAL
        moved = {"number": SPERRET, "status": "utflyttet", "protection": "fortrolig", "last_name": "Nyås"}
        assert (await call("POST", "/personer", json=moved))[0] == 200
        found = await adapter.population.resident(SPERRET)
        assert (found.standing, found.grading, found.name) == (
            Standing.EMIGRATED,
            Grading.CONFIDENTIAL,
            "Prøve Nyås",
        )
        assert (await call("POST", "/personer", json={"number": "1"}))[0] == 400


def test_a_setting_that_does_not_exist_is_told(tmp_path):
    (tmp_path / "krr.toml").write_text("peoplez = 1\n")
    with pytest.raises(ConfigError, match="peoplez"):
        _read(RegisterProgram, tmp_path / "krr.toml")
