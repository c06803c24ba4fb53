"""A public report sent as KS's Java producer client sends it, through the real gateway to a case system, and told LEVERT.

KS's own client is not on Maven Central (fiks/README.md); the sender is a program of ours on the libraries it is made of.
"""

import asyncio

import pytest

from gateway.simulators.sample import JSON_NAME, PDF_NAME, Form, Office, make_report
from gateway.testing.site import KOMMUNENUMMER
from tests.acceptance.harness import forge, stage
from tests.interop.fiks.kit import peer, trusting

pytestmark = pytest.mark.timeout(120)

OFFICE = Office(KOMMUNENUMMER, "Bergen", "02", "Bergenhus")


@pytest.fixture
async def cast(tmp_path):
    with forge() as forks:
        async with stage(forks, "sqlite", tmp_path) as cast:
            cast.gateway.launch()
            await cast.gateway.ready()
            yield cast


def settings(cast):
    integration, asked = cast.produsent._integration, cast.produsent._tokens._request
    return {
        "base": integration.base_url.removesuffix("/api"),
        "fiksOrgId": integration.fiks_org_id,
        "integrasjonId": integration.integrasjon_id,
        "integrasjonPassord": integration.integrasjon_passord,
        "signer": cast.site.sender_pem,
        "audience": asked.audience,
        "klientId": asked.client_id,
        "tokenEndpoint": asked.endpoint,
    }


async def test_a_report_sent_from_java_comes_out_at_the_case_system_and_its_sender_reads_levert(cast, tmp_path):
    report = make_report(Form.OFFENTLIG, "V1", OFFICE, number=1)
    (tmp_path / JSON_NAME).write_bytes(report.json)
    (tmp_path / PDF_NAME).write_bytes(report.pdf)
    with peer("Produsent", tmp_path, *trusting(tmp_path, cast.site.ca)) as java:
        await asyncio.to_thread(java, "connect", **settings(cast))
        files = {"json": tmp_path / JSON_NAME, "pdf": tmp_path / PDF_NAME}
        uuid = await asyncio.to_thread(java, "send", kommunenummer=KOMMUNENUMMER, **files)
        told = await asyncio.to_thread(java, "status", uuid=uuid)
        assert told[0] == "AKSEPTERT"
        assert "LEVERT" not in told

        confirmed = cast.case_system.ledger
        await cast.case_system.run_until(lambda: any(row["event"] == "confirmed" for row in confirmed.rows()))
        stored = cast.sink_ledger.parent / "documents" / uuid
        assert (stored / JSON_NAME).read_bytes() == report.json
        assert (stored / PDF_NAME).read_bytes() == report.pdf

        while told[-1] != "LEVERT":
            told = await asyncio.to_thread(java, "status", uuid=uuid)
        assert told == ["AKSEPTERT", "SENDT_FAGSYSTEM", "LEVERT"]
