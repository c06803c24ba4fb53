"""The most memory the gateway has resident over a report of 1 kB and one of 300 MB, from the upload to the case system.

The large one is sealed to a file and posted from it in pieces; no side ever has it whole in memory.
"""

import asyncio
import hashlib
import random
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

from bench.process import peak_bytes
from bench.sender import Sender, Upload, sender
from gateway import limits
from gateway.crypto.asice import ContainerWriter
from gateway.crypto.cms import EnvelopeWriter
from gateway.crypto.profiles import FIKS_ENVELOPE, PRINT_PART
from gateway.demo.cast import Cast, assembled
from gateway.simulators.ledger import STORED, read_ledger
from gateway.simulators.sample import JSON_NAME, PDF_NAME
from gateway.simulators.seal import JSON_MEDIA_TYPE, PDF_MEDIA_TYPE, Sealed
from gateway.simulators.upload import multipart

SMALL_BYTES: Final = 1000
LARGE_BYTES: Final = 300_000_000
_ROOM_BYTES: Final = 10_000_000  # for the form around the two parts
_BEGIN: Final = b"%PDF-1.7\n"
_END: Final = b"\n%%EOF\n"
_PRINT_MARK, _CONTAINER_MARK = b"<print part>", b"<container>"


@dataclass(frozen=True, slots=True)
class Journey:
    """One report that reached the case system: the gateway's peak afterwards, and the PDF's SHA-256 on both sides."""

    peak_bytes: int
    sent_sha256: str
    stored_sha256: str


async def measure_memory(folder: Path, sizes: tuple[int, ...], within_s: float) -> list[Journey]:
    """One report after the other, with a PDF of each size, through one gateway."""
    bound = 2 * max(sizes) + _ROOM_BYTES
    async with assembled(folder, sections=f"[intake]\nbody_bytes_max = {bound}\n") as cast:
        await cast.gateway.start()
        working = asyncio.create_task(cast.case_system.run_until(lambda: False))
        try:
            async with sender(cast) as sending:
                return [await _through(cast, sending, folder / "upload", size, within_s) for size in sizes]
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)


async def _through(cast: Cast, sending: Sender, file: Path, size: int, within_s: float) -> Journey:
    upload, digest = await asyncio.to_thread(_sealed, sending, file, size)
    posted = await sending.post(upload)
    file.unlink()  # noqa: ASYNC240  once, and fast
    await cast.produsent.follow(posted.uuid, within_s=within_s)
    rows = read_ledger(cast.sink_ledger)
    stored = next(row["documents"] for row in rows if row["event"] == STORED and row["id"] == posted.uuid)
    return Journey(peak_bytes(cast.gateway.pid), digest, stored[PDF_NAME])


def _sealed(sending: Sender, file: Path, size: int) -> tuple[Upload, str]:
    """Seal a report with a PDF of that size into a file, as the body of a post; gives the PDF's SHA-256."""
    klient_id = str(uuid.uuid4())
    form = multipart(Sealed(_PRINT_MARK, _CONTAINER_MARK), klient_id)
    before, _, rest = form.partition(_PRINT_MARK)
    between, _, after = rest.partition(_CONTAINER_MARK)
    report = sending.report(number=size)
    digest = hashlib.sha256()
    with file.open("wb") as out:
        out.write(before)
        _seal_print_part(sending, out, size, digest.update)
        out.write(between)
        envelope = EnvelopeWriter(sending.receivers.container.certificate, FIKS_ENVELOPE, out.write)
        container = ContainerWriter(envelope.write, sending.key, at=datetime.now(UTC))
        container.add(JSON_NAME, JSON_MEDIA_TYPE, [report.json])
        container.add(PDF_NAME, PDF_MEDIA_TYPE, pdf_of(size))
        container.close()
        envelope.close()
        out.write(after)
    return Upload(klient_id, file), digest.hexdigest()


def _seal_print_part(sending: Sender, out: BinaryIO, size: int, update: Callable[[bytes], object]) -> None:
    envelope = EnvelopeWriter(sending.receivers.print_part.certificate, PRINT_PART, out.write)
    for piece in pdf_of(size):
        update(piece)
        envelope.write(piece)
    envelope.close()


def pdf_of(size: int) -> Iterator[bytes]:
    """Octets that no compression shrinks, the same ones for the same size."""
    chance = random.Random(size)  # noqa: S311  filling, no secret
    yield _BEGIN
    left = size - len(_BEGIN) - len(_END)
    while left > 0:
        yield chance.randbytes(min(limits.CHUNK_BYTES, left))
        left -= limits.CHUNK_BYTES
    yield _END
