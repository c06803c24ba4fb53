"""The whole gateway on a disk that fills and then fails: honest answers, a way back, and nothing accepted is lost."""

import asyncio
import dataclasses
import json
import secrets

import pytest

from gateway.demo.cast import assembled
from gateway.errors import PartnerError
from gateway.simulators.ledger import judge
from gateway.simulators.sample import Form, Office, make_report
from gateway.testing.site import KOMMUNENUMMER
from tests.faults.disk import FailingDisk, compiled

EX_IOERR = 74
OFFICE = Office(KOMMUNENUMMER, "Bergen", "02", "Bergenhus")
LARGE = 400_000  # more than stands in a row: a file of its own


def report(number, size=0):
    made = make_report(Form.OFFENTLIG, "V2", OFFICE, number=number)
    return dataclasses.replace(made, pdf=made.pdf + secrets.token_bytes(size))


async def send(cast, number, size=0):
    """The sender goes on until it is answered."""
    while True:
        try:
            receiver = await cast.produsent.receiver(KOMMUNENUMMER)
            return await cast.produsent.send(report(number, size), receiver)
        except PartnerError:
            await asyncio.sleep(0.1)


class Log:
    """What the gateway's log says."""

    def __init__(self, path):
        self._path = path

    def uploads(self):
        """The status of each upload so far."""
        rows = [json.loads(line) for line in self._path.read_text().splitlines() if line.startswith("{")]
        asked = [row for row in rows if row.get("event") == "http.request" and row["method"] == "POST"]
        return [row["status"] for row in asked if "/mottak/" in row["route"]]

    async def until(self, reached):
        async with asyncio.timeout(40):
            while not reached():
                await asyncio.sleep(0.05)


async def ready(cast):
    async with cast.session.get(f"{cast.site.operations_url}/health/ready") as answer:
        return answer.status


@pytest.mark.timeout(170)
@pytest.mark.proves("promise-1")
async def test_a_gateway_on_a_failing_disk_answers_honestly_and_loses_nothing_accepted(tmp_path):
    async with assembled(tmp_path) as cast:
        disk = FailingDisk(compiled(tmp_path), cast.site.folder / "var", tmp_path / "flag")
        cast.gateway.environment |= disk.environment
        await cast.gateway.start()
        sink = asyncio.create_task(cast.case_system.run_until(lambda: False))
        log = Log(tmp_path / "gateway.log")
        await asyncio.gather(send(cast, 1), send(cast, 2, LARGE))

        disk.fail("full")
        sending = [asyncio.create_task(send(cast, 3, LARGE)), asyncio.create_task(send(cast, 4, LARGE))]
        await log.until(lambda: log.uploads().count(507) >= 2)
        assert await ready(cast) == 503
        disk.mend()
        for task in sending:  # they would wait as long as they were told to
            task.cancel()
        await asyncio.gather(*sending, return_exceptions=True)
        await cast.produsent.resume()
        assert set(log.uploads()) == {201, 507}
        assert await ready(cast) == 200

        disk.fail("sync")
        sending = [asyncio.create_task(send(cast, number)) for number in (5, 6)]
        await asyncio.wait_for(cast.gateway._process.wait(), 40)
        assert cast.gateway._process.returncode == EX_IOERR
        assert not any(task.done() for task in sending)
        disk.mend()
        await cast.gateway.start()
        answers = await asyncio.gather(*sending)
        for uuid in [answer.uuid for answer in answers] + list(judge(cast.sender_ledger, cast.sink_ledger).accepted):
            await cast.produsent.follow(uuid, within_s=60, every_s=0.2)
        await cast.gateway.stop()
        sink.cancel()
        await asyncio.gather(sink, return_exceptions=True)
        verdict = judge(cast.sender_ledger, cast.sink_ledger)
        assert len(verdict.accepted) == 6
        assert verdict.holds, verdict
