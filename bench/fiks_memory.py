"""The most memory the gateway has resident over a report of 1 kB and a large one that lies in Dokumentlager.

The large one is sealed to a file, which the platform serves; no side ever has it whole in memory.
"""

import asyncio
import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench.fiks_road import poll, ready
from bench.memory import Journey, pdf_of
from bench.process import peak_bytes
from gateway.crypto.asice import ContainerWriter
from gateway.crypto.cms import EnvelopeWriter
from gateway.crypto.profiles import FIKS_ENVELOPE
from gateway.demo.fiks_cast import FiksCast
from gateway.simulators.case_system import CONFIRMED
from gateway.simulators.fiks.dispatch import Outgoing
from gateway.simulators.ledger import STORED, read_ledger
from gateway.simulators.sample import JSON_NAME, PDF_NAME, Form, Office, make_report
from gateway.simulators.seal import JSON_MEDIA_TYPE, PDF_MEDIA_TYPE

_TYPE: Final = "no.ks.fiks.bekymringsmelding.offentlig.v2"


async def measure_fiks_memory(folder: Path, sizes: tuple[int, ...], within_s: float) -> list[Journey]:
    """One report after the other, with a PDF of each size, through one gateway."""
    async with ready(folder) as here:
        working = asyncio.create_task(here.cast.case_system.run_until(lambda: False))
        try:
            return [await _through(here, folder / "container", size, within_s) for size in sizes]
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)


async def _through(here: FiksCast, file: Path, size: int, within_s: float) -> Journey:
    digest = await asyncio.to_thread(seal_large, here, file, size)
    order = Outgoing(here.platform.portal.konto_id, here.office.konto_id, _TYPE)
    confirmed = len(_events(here, CONFIRMED))
    await here.platform.send(order, file)
    await poll(lambda: len(_events(here, CONFIRMED)) > confirmed, within_s)
    stored = _events(here, STORED)[-1]["documents"]
    return Journey(peak_bytes(here.cast.gateway.pid), digest, stored[PDF_NAME])


def _events(here: FiksCast, event: str) -> list[dict[str, dict[str, str]]]:
    return [row for row in read_ledger(here.cast.sink_ledger) if row["event"] == event]


def seal_large(here: FiksCast, file: Path, size: int) -> str:
    """Seal a report with a PDF of that size into a file; gives the PDF's SHA-256."""
    office, digest = here.office, hashlib.sha256()
    address = Office(office.kommunenummer, office.kommunenavn, office.bydelsnummer, office.bydelsnavn)
    report = make_report(Form.OFFENTLIG, "V2", address, number=size)
    for piece in pdf_of(size):
        digest.update(piece)
    with file.open("wb") as out:
        envelope = EnvelopeWriter(here.receive.certificate, FIKS_ENVELOPE, out.write)
        container = ContainerWriter(envelope.write, here.platform.place.keys.signing, at=datetime.now(UTC))
        container.add(JSON_NAME, JSON_MEDIA_TYPE, [report.json])
        container.add(PDF_NAME, PDF_MEDIA_TYPE, pdf_of(size))
        container.close()
        envelope.close()
    return digest.hexdigest()
