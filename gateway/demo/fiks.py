"""``make demo-fiks``: reports from the national portal over a real RabbitMQ, with broker and gateway gone on the way.

The portal, the tokens and the platform are simulated by honest servers; broker, TLS, seals, processes and both ends are
real. The table is read from the portal's own history and the case system's own file.
"""

import asyncio
import logging
import tempfile
from pathlib import Path
from typing import Final

from gateway.demo.fiks_cast import FiksCast, FiksVerdict, fiks_assembled
from gateway.demo.outcome import Outcome, Row, print_rows
from gateway.simulators.case_system import CaseSystemFault
from gateway.simulators.ledger import STORED, read_ledger
from gateway.simulators.sample import Form, Version

REPORTS: Final = 8
_BEFORE: Final = 2
_PATIENCE_S: Final = 60.0
_KINDS: Final[tuple[tuple[Form, Version], ...]] = (
    (Form.OFFENTLIG, "V2"),
    (Form.PRIVAT, "V2"),
    (Form.OFFENTLIG, "V1"),
    (Form.PRIVAT, "V1"),
)


async def demonstrate_fiks(*, fault: CaseSystemFault | None = None, patience_s: float = _PATIENCE_S) -> Outcome:
    """Run it and print it. It holds if every report reached the case system once and the portal knows."""
    for library in ("aio_pika", "aiormq"):  # what they say of a broker that dies is known: it is killed on purpose
        logging.getLogger(library).setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="budstikke-demo-") as name:
        async with fiks_assembled(Path(name)) as here:
            here.cast.case_system.fault = fault
            verdict = await _play(here, patience_s)
            rows = tuple(
                Row(report, tuple(row.tilstand for row in one.history), verdict.times[report])
                for one in here.reports()
                for report in [one.bekymringsmelding_id]
            )
            print_rows(rows, "report (bekymringsmelding-id)", "what the portal knows")
            _print_verdict(verdict)
            return Outcome(verdict.holds, rows)


async def _play(here: FiksCast, patience_s: float) -> FiksVerdict:
    seconds = await here.cast.gateway.start()
    _say(f"RabbitMQ speaks AMQP over TLS on port {here.platform.amqp_port}; the gateway is ready after {seconds:.1f} s")
    sink = asyncio.create_task(here.cast.case_system.run_until(lambda: False))
    try:
        await _report(here, _BEFORE)
        await _something_stored(here, patience_s)
        await asyncio.to_thread(here.broker.kill)
        _say("SIGKILL: the broker died; the portal's queue is on its disk, and what was not acknowledged is in it")
        await asyncio.to_thread(here.broker.start)
        await here.platform.mail.ready()
        await _report(here, (REPORTS - _BEFORE) // 2)
        await here.cast.gateway.kill()
        _say("SIGKILL: the gateway died, with reports in the queue, in its store and under way")
        await _report(here, REPORTS - len(here.reports()))
        seconds = await here.cast.gateway.start()
        _say(f"the gateway is back after {seconds:.1f} s, and connects with a new token")
        await here.all_told(patience_s)
    finally:
        sink.cancel()
        await asyncio.gather(sink, return_exceptions=True)
    return await here.judged()


async def _report(here: FiksCast, count: int) -> None:
    for _ in range(count):
        form, version = _KINDS[len(here.reports()) % len(_KINDS)]
        followed = await here.report(form, version)
        _say(f"the portal put report {followed.bekymringsmelding_id} on Fiks IO as {followed.type}")


async def _something_stored(here: FiksCast, patience_s: float) -> None:
    async with asyncio.timeout(patience_s):
        while not any(row["event"] == STORED for row in read_ledger(here.cast.sink_ledger)):  # noqa: ASYNC110  a file
            await asyncio.sleep(0.02)


def _print_verdict(verdict: FiksVerdict) -> None:
    again = sum(map(len, verdict.afterthoughts.values()))
    print(f"\nreports {len(verdict.times)}, strangers {verdict.strangers}, receipts told again {again}")
    print("every report came once, whole, and the portal knows" if verdict.holds else "THE PROMISE DID NOT HOLD")


def _say(text: str) -> None:
    print(f"  {text}", flush=True)
