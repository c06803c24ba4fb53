"""``budstikke simulate fiks`` as its users run it, with its operator's desk."""

import asyncio
import os
import signal

import aiohttp
import pytest

from gateway.cli.simulate import _read
from gateway.errors import ConfigError
from gateway.simulators.fiks.broker import Broker
from gateway.simulators.fiks.program import FiksProgram, run_fiks
from tests.broker import SUPPLIER, broker

KONTO = "11111111-1111-4111-8111-111111111111"
SETTINGS = """
portal_konto_id = "41111111-1111-4111-8111-111111111111"
[broker]
port = {port}
auth_port = {auth_port}
ca = "{ca}"
[[clients]]
client_id = "gateway"
organisasjonsnummer = "{supplier}"
scopes = ["ks:fiks"]
certificate = "{certificate}"
[[accounts]]
konto_id = "{konto}"
navn = "Bergenhus barnevern"
fiks_org_id = "21111111-1111-4111-8111-111111111111"
organisasjonsnummer = "{supplier}"
certificate = "{certificate}"
[[integrations]]
integrasjon_id = "31111111-1111-4111-8111-111111111111"
passord = "file:passord"
organisasjonsnummer = "{supplier}"
kontoer = ["{konto}"]
[[offices]]
kommunenummer = "4601"
kommunenavn = "Bergen"
bydelsnummer = "02"
bydelsnavn = "Bergenhus"
konto_id = "{konto}"
"""


@pytest.fixture
async def desk(tmp_path):
    """The program on the run's broker; the address of its desk."""
    node = broker()
    (tmp_path / "passord").touch(mode=0o600)
    (tmp_path / "passord").write_text("hemmelig")
    (tmp_path / "fiks.toml").write_text(
        SETTINGS.format(
            port=node.node.port, auth_port=node.auth_port, ca=node.ca, certificate=node.certificate,
            supplier=SUPPLIER, konto=KONTO,
        )
    )  # fmt: skip
    told = asyncio.Queue()
    running = asyncio.create_task(run_fiks(_read(FiksProgram, tmp_path / "fiks.toml"), tmp_path, told.put_nowait))
    places = {}
    while "control" not in places:
        name, _, where = (await asyncio.wait_for(told.get(), 20)).partition(": ")
        places[name] = where
    yield places["control"]
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(running, 20)


async def test_the_desk_reports_repeats_lists_counts_and_switches_faults(desk):
    async with aiohttp.ClientSession() as session:

        async def call(method, path, **arguments):
            async with session.request(method, desk + path, **arguments) as answer:
                body = await (answer.text() if path.endswith(".csv") else answer.json())
                return answer.status, body

        office = {"kommunenummer": "4601", "bydelsnummer": "02"}
        status, sent = await call("POST", "/bekymringsmeldinger", json=office | {"antall": 2, "form": "privat"})
        assert status == 201
        assert [row["tilstand"] for row in sent[0]["historikk"]] == ["AKSEPTERT", "SENDT_FAGSYSTEM"]
        report_id = sent[0]["bekymringsmeldingId"]
        assert (await call("POST", f"/bekymringsmeldinger/{report_id}/igjen"))[0] == 201
        rows = (await call("GET", "/bekymringsmeldinger.csv"))[1].splitlines()
        assert rows[0] == "bekymringsmelding-id,melding-id,tidspunkt,status"
        assert [row.split(",")[0] for row in rows[1:]].count(report_id) == 2
        assert (await call("GET", "/tall"))[1][0]["antallSendt"] == 2
        assert (await call("PUT", "/feil/duplicate?antall=3"))[1] == {"duplicate": 3}
        assert (await call("DELETE", "/feil/duplicate"))[1] == {}
        assert (await call("PUT", "/feil/ukjent"))[0] == 400
        assert (await call("POST", "/brudd"))[1] == {"brutt": 0}
        assert (await call("POST", "/megler/kill"))[0] == 409  # it was given
        for wrong in ({}, office | {"antall": 0}, office | {"feil": "send-twice"}, office | {"form": "x"}):
            assert (await call("POST", "/bekymringsmeldinger", json=wrong))[0] == 400
        assert (await call("POST", "/bekymringsmeldinger", json=office | {"bydelsnummer": "09"}))[0] == 404


def test_a_machine_without_rabbitmq_is_told_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr("gateway.simulators.fiks.broker._INSTALLED", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="rabbitmq-server is not installed"):
        Broker(tmp_path, certificate=tmp_path, key=tmp_path, auth_url="")
