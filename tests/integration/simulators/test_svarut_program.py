"""``budstikke simulate svarut`` as its users run it: our road sends over it, and its desk lets things happen."""

import asyncio
import os
import signal
from dataclasses import replace

import aiohttp
import pytest

from adapters.svarut import open_road
from gateway.app.maskinporten import Client, Maskinporten
from gateway.cli.simulate import _read
from gateway.crypto.enveloping import CertificateEnvelopes
from gateway.crypto.maskinporten import GrantRequest, GrantSigner
from gateway.crypto.trust import read_roots
from gateway.egress import client_context
from gateway.errors import ConfigError
from gateway.observability import logging
from gateway.ports import SystemClock
from gateway.simulators.svarut.program import SvarUtProgram, run_svarut
from gateway.simulators.svarut.server import ISSUER
from gateway.spi import Awaited, Context, Refused, Stage, Taken
from gateway.testing.pki import receive_key
from tests.digipost_kit import KARI, OFFICE, letter, software
from tests.svarut_kit import INTEGRATION, KONTO, PASSWORD, settings_for

SETTINGS = f"""
[[clients]]
client_id = "oss"
organisasjonsnummer = "964338531"
scopes = ["ks:fiks"]
certificate = "ours.pem"
[[integrations]]
integrasjon_id = "{INTEGRATION}"
passord = "{PASSWORD}"
organisasjonsnummer = "964338531"
kontoer = ["{KONTO}"]
[[people]]
number = "{KARI}"
"""


@pytest.fixture
async def places(tmp_path):
    """The program's addresses, and the key that its issuer knows us by."""
    ours, told = receive_key("Prove avsender"), asyncio.Queue()
    ours.write_pem(tmp_path / "ours.pem")
    (tmp_path / "svarut.toml").write_text(SETTINGS)
    program = _read(SvarUtProgram, tmp_path / "svarut.toml")
    running = asyncio.create_task(run_svarut(program, tmp_path, told.put_nowait))
    found = {"ours": software(ours)}
    while "control" not in found:
        name, _, where = (await asyncio.wait_for(told.get(), 20)).partition(": ")
        found[name] = where
    yield found
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(running, 20)


async def test_a_letter_is_sent_listed_read_and_told_of(places):
    async with aiohttp.ClientSession(auto_decompress=False) as session:

        async def call(method, path):
            async with session.request(method, places["control"] + path) as answer:
                return answer.status, await answer.json()

        endpoint = places["token"].partition(",")[0]
        client = Client(GrantRequest(audience=ISSUER, client_id="oss", scope=""), GrantSigner(places["ours"]), endpoint)
        awaited = []

        async def awaiting():
            return awaited

        context = Context(
            SystemClock(),
            session,
            logging.get(),
            tokens=Maskinporten({"fiks": client}, session, SystemClock(), logging.get()).tokens,
            secret=lambda _: PASSWORD,
            tls=client_context,
            envelopes=lambda path: CertificateEnvelopes(read_roots([path])[0]),
            awaiting=awaiting,
        )
        settings = settings_for(places["api"], certificate=places["certificate"])
        async with open_road(settings, context) as road:
            assert (await call("PUT", "/feil/too-large?antall=2"))[1]["feil"] == {"too-large": 2}
            sent = letter()
            assert await road.outbound.send(sent) == Refused("too-large", proof=True)
            assert (await call("DELETE", "/feil/too-large"))[1]["feil"] == {}
            taken = await road.outbound.send(sent)
            assert isinstance(taken, Taken)
            (listed,) = (await call("GET", "/brev"))[1]["brev"]
            assert (listed["id"], listed["eksternReferanse"]) == (taken.partner_reference, sent.key)
            assert KARI not in str(listed)
            assert (await call("POST", f"/brev/{listed['id']}/LEST"))[0] == 200
            awaited.append(Awaited(sent.key, OFFICE, "pseudonym", listed["id"], SystemClock().now()))
            deliveries = road.inbound.deliveries()
            assert replace(await anext(deliveries), evidence=()).stage is Stage.OPENED
            await deliveries.aclose()
        assert (await call("POST", f"/brev/{listed['id']}/BRENT"))[0] == 409
        assert (await call("POST", "/brev/ukjent/LEST"))[0] == 404
        for wrong in ("/feil/ukjent", "/feil/cut?antall=0", "/feil/cut?antall=x"):
            assert (await call("PUT", wrong))[0] == 400


def test_a_setting_that_does_not_exist_is_told(tmp_path):
    (tmp_path / "svarut.toml").write_text("kontoz = 1\n")
    with pytest.raises(ConfigError, match="kontoz"):
        _read(SvarUtProgram, tmp_path / "svarut.toml")
