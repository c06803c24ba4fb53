"""``budstikke simulate digipost`` as its users run it: our road sends over it, and its desk lets things happen."""

import asyncio
import os
import signal

import aiohttp
import pytest

from adapters.digipost import open_road
from adapters.digipost.settings import DigipostSettings
from gateway.cli.simulate import _read
from gateway.crypto.certificates import TrustPolicy
from gateway.crypto.digipost import DigipostSigner
from gateway.egress import client_context
from gateway.errors import ConfigError
from gateway.observability import logging
from gateway.ports import SystemClock
from gateway.simulators.digipost.program import DigipostProgram, run_digipost
from gateway.spi import Context, Taken, TryLater
from gateway.testing.pki import receive_key
from tests.digipost_kit import BROKER, KARI, RESERVERT, SENDER, letter, primary, software

SETTINGS = f"""
[[brokers]]
broker_id = {BROKER}
certificate = "ours.pem"
senders = [{SENDER}]
[[people]]
number = "{KARI}"
[[people]]
number = "{RESERVERT}"
kind = "reserved"
"""


@pytest.fixture
async def places(tmp_path):
    """The program's addresses and pin, and the key that it knows us by."""
    ours = receive_key("Prove avsender")
    ours.write_pem(tmp_path / "ours.pem")
    (tmp_path / "digipost.toml").write_text(SETTINGS)
    told = asyncio.Queue()
    program = _read(DigipostProgram, tmp_path / "digipost.toml")
    running = asyncio.create_task(run_digipost(program, tmp_path, told.put_nowait))
    found = {"ours": software(ours)}
    while "control" not in found:
        name, _, where = (await asyncio.wait_for(told.get(), 20)).partition(": ")
        found[name] = where
    yield found
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(running, 20)


async def test_a_letter_is_sent_listed_opened_and_told_of(places):
    settings = DigipostSettings(
        api_url=places["api"],
        broker_id=BROKER,
        pins=[places["pin"]],
        senders=[{"kommunenummer": "4601", "bydelsnummer": "02", "sender_id": SENDER}],
    )
    async with aiohttp.ClientSession(auto_decompress=False) as session:

        async def call(method, path):
            async with session.request(method, places["control"] + path) as answer:
                return answer.status, await answer.json()

        def signs(_name, believed):
            return DigipostSigner(lambda: places["ours"], TrustPolicy(pins=believed.pins))

        context = Context(SystemClock(), session, logging.get(), tls=client_context, signs=signs)
        async with open_road(settings, context) as road:
            assert (await call("PUT", "/feil/throttled?antall=2"))[1]["feil"] == {"throttled": 2}
            sent = letter(person=RESERVERT)
            assert await road.outbound.send(sent) == TryLater("throttled", 7.0)
            assert (await call("DELETE", "/feil/throttled"))[1]["feil"] == {}
            assert await road.outbound.send(sent) == Taken(primary(sent), final=True)
        document = f"/dokumenter/{primary(sent)}"
        for act in ("apne", "postlegg", "SHREDDED"):
            assert (await call("POST", f"{document}/{act}"))[0] == 200
        listed = (await call("GET", "/brev"))[1]
        assert (listed["brev"][0]["messageId"], listed["motReglene"]) == (sent.key, 1)
        assert listed["brev"][0]["dokumenter"][0]["apnet"]
        assert (await call("POST", f"{document}/brenn"))[0] == 409
        assert (await call("POST", "/dokumenter/ukjent/apne"))[0] == 404
        for wrong in ("/feil/ukjent", "/feil/cut?antall=0", "/feil/cut?antall=x"):
            assert (await call("PUT", wrong))[0] == 400


def test_a_setting_that_does_not_exist_is_told(tmp_path):
    (tmp_path / "digipost.toml").write_text("brokerz = 1\n")
    with pytest.raises(ConfigError, match="brokerz"):
        _read(DigipostProgram, tmp_path / "digipost.toml")
