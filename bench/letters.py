"""Letters through the real gateway: gate, look at the PDFs, signed calls, Digipost's signed answer; and a large one's memory.

python -m bench.letters [letters]
"""

import asyncio
import hashlib
import json
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import aiohttp

from bench.letter_pdf import scanned, written
from bench.letters_stage import APPROVED_BY, DATA, Stage, envelope, media_type, plan, prepared, served
from bench.machine import Machine, cpu_s_of, measure
from bench.process import children, children_cpu_s, cpu_s, peak_bytes
from gateway import limits
from gateway.config import Vindu
from gateway.demo.letter_partners import ROAD
from gateway.letters import reader_process
from gateway.simulators.digipost.server import DigipostServer

LETTERS: Final = 200
SMALL_ROWS, LARGE_ROWS = 1, 100_000
"""Rows of 1 000 octets in the picture of the attachment."""
COMMITS_LETTER: Final = 5  # 202; what was seen; cleared; the attempt begun, with what was fixed; delivered
NO_QUOTA: Final = (
    "[case_system]\nrate_per_minute = 10000000\nbytes_per_minute = 1000000000000\n"
    "[intake]\nbytes_per_minute = 1000000000000\n"
)
UNLIMITED: Final = "[flow]\nletters_per_s_max = 1e6\n" + NO_QUOTA
_CALLS: Final = 2  # who is it, and the letter
_WARM_UP: Final = 10
_AT_ONCE: Final = 8
_ACCEPTED: Final = 202
_PATIENCE_S: Final = 200
_POLL_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class LetterRun:
    """So many letters: CPU seconds of the gateway alone and of its reader of PDFs, and seconds of the clock."""

    count: int
    pdf_bytes: int
    gateway_cpu_s: float
    reader_cpu_s: float
    wall_s: float

    @property
    def cpu_s(self) -> float:
        """Both processes."""
        return self.gateway_cpu_s + self.reader_cpu_s


@dataclass(frozen=True, slots=True)
class LargeLetter:
    """A letter that Digipost took: the gateway's peak and its reader's afterwards, and the attachment's SHA-256 on both sides."""

    size: int
    peak_bytes: int
    reader_peak_bytes: int
    sent_sha256: str
    taken_sha256: str


async def measure_letters(folder: Path, count: int) -> LetterRun:
    """From the first post until Digipost has them all and each is DELIVERED."""
    async with prepared(folder, _WARM_UP + count, UNLIMITED) as stage, served(stage) as digipost:
        await stage.cast.gateway.start()
        pdfs = [written(number) for number in range(_WARM_UP + count)]
        await send_all(stage, stage.people[:_WARM_UP], pdfs[:_WARM_UP])
        await delivered(stage, _WARM_UP)
        begin = time.perf_counter()
        used = _spent(stage)
        await send_all(stage, stage.people[_WARM_UP:], pdfs[_WARM_UP:])
        await delivered(stage, _WARM_UP + count)
        wall_s = time.perf_counter() - begin
        gateway_s, reader_s = (now - before for now, before in zip(_spent(stage), used, strict=True))
        _require_taken(digipost, pdfs)
        return LetterRun(count, len(pdfs[-1]), gateway_s, reader_s, wall_s)


def _spent(stage: Stage) -> tuple[float, float]:
    return cpu_s(stage.cast.gateway.pid), children_cpu_s(stage.cast.gateway.pid)


async def measure_large_letters(folder: Path, sizes: tuple[int, ...]) -> list[LargeLetter]:
    """One letter after the other, each with a scan of so many rows beside it, through one gateway."""
    bound = limits.KIB * sum(sizes) + limits.MIB
    sections = UNLIMITED + f"body_bytes_max = {bound}\n"  # of [intake], the last table of them
    async with prepared(folder, len(sizes), sections) as stage, served(stage) as digipost:
        await stage.cast.gateway.start()
        return [await _large(stage, digipost, number, rows) for number, rows in enumerate(sizes)]


async def send_all(stage: Stage, people: Sequence[str], pdfs: Sequence[bytes]) -> None:
    """A letter to each, so many at once; each must be answered 202."""
    waiting = iter(zip(people, pdfs, strict=True))

    async def send() -> None:
        for person, pdf in waiting:
            await hand_in(stage, person, {"brev.pdf": pdf})

    await asyncio.gather(*(send() for _ in range(_AT_ONCE)))


async def hand_in(stage: Stage, person: str, documents: dict[str, bytes | IO[bytes]]) -> None:
    """One letter, as a case system sends it."""
    form = aiohttp.FormData()
    form.add_field("melding", json.dumps(envelope(person, documents)), content_type="application/json")
    for name, content in {DATA: plan(person), **documents}.items():
        form.add_field(name, content, content_type=media_type(name), filename=name)
    headers = {"Authorization": f"Bearer {await stage.cast.case_tokens.token()}", "Idempotency-Key": str(uuid.uuid4())}
    url = f"{stage.cast.site.case_system_url}/api/v1/messages"
    async with stage.cast.session.post(url, data=form, headers=headers) as answer:
        if answer.status != _ACCEPTED:
            message = f"the gateway answered {answer.status}: {await answer.text()}"
            raise RuntimeError(message)


async def delivered(stage: Stage, count: int) -> None:
    """Until so many letters are DELIVERED; one that is held ends the run."""
    async with asyncio.timeout(_PATIENCE_S):
        while (found := stage.states()).get("DELIVERED", 0) < count:
            if "HELD" in found:
                message = "a letter is held"
                raise RuntimeError(message)
            await asyncio.sleep(_POLL_S)


def _require_taken(digipost: DigipostServer, pdfs: list[bytes]) -> None:
    """A run counts only if Digipost has every letter once, as it was sent."""
    taken = sorted(one.message.documents[0].content for one in digipost.post.letters.values())
    if taken != sorted(pdfs):
        message = "Digipost has not what was sent"
        raise RuntimeError(message)


async def _large(stage: Stage, digipost: DigipostServer, number: int, rows: int) -> LargeLetter:
    file, digest = stage.cast.site.folder / f"vedlegg-{number}.pdf", hashlib.sha256()
    with file.open("wb") as out:
        for piece in scanned(rows):
            digest.update(piece)
            out.write(piece)
    with file.open("rb") as attachment:
        await hand_in(stage, stage.people[number], {"brev.pdf": written(number), "vedlegg.pdf": attachment})
    await _released(stage, number + 1)
    pid = stage.cast.gateway.pid
    (reader,) = children(pid)
    taken = list(digipost.post.letters.values())[-1].message.documents[1].content
    found = hashlib.sha256(taken).hexdigest()
    return LargeLetter(file.stat().st_size, peak_bytes(pid), peak_bytes(reader), digest.hexdigest(), found)


async def _released(stage: Stage, count: int) -> None:
    """Until so many letters are DELIVERED, two people releasing what is held: a scan has no text that could be searched."""
    async with asyncio.timeout(_PATIENCE_S):
        while stage.states().get("DELIVERED", 0) < count:
            for (held,) in stage.rows("SELECT message_id FROM message_state WHERE state = 'HELD'"):
                for person in APPROVED_BY:
                    reason = ("--person", person, "--reason", "gjennomgått")
                    told = await stage.cast.gateway.command("release", held, *reason)
                    if not told["missing"]:
                        break
            await asyncio.sleep(_POLL_S)


def letter_s(machine: Machine, pdf: bytes) -> float:
    """CPU of one letter that no implementation could leave out: docs/performance.md says what and why."""
    window = Vindu()
    rect = window.venstre_mm, window.topp_mm, window.venstre_mm + window.bredde_mm, window.topp_mm + window.hoyde_mm
    look_s = cpu_s_of(lambda: reader_process.read(pdf, rect))
    calls_s = _CALLS * (machine.sign_s + machine.verify_s)
    return look_s + calls_s + len(pdf) * (4 * machine.gcm_s + 2 * machine.sha256_s)


async def print_letters(count: int) -> None:
    """Measure and print: rates beside their bound, then memory."""
    with tempfile.TemporaryDirectory(prefix="budstikke-bench-") as name:
        machine = measure(Path(name))
        bound_s = letter_s(machine, written(0))
        run = await measure_letters(Path(name), count)
    print(f"{count} letters over {ROAD} with every rule, a PDF of {run.pdf_bytes / 1e3:.0f} kB each, load {load()}")
    print(f"{'letters a second':44}{'figure':>8}{'bound':>9}{'share':>8}")
    for unit, seconds, bound in (
        ("gateway CPU, its reader of PDFs included", run.cpu_s, bound_s),
        ("clock", run.wall_s, bound_s + COMMITS_LETTER * machine.sync_s),
    ):
        figure = run.count / seconds
        print(f"{f'letters, by {unit}':44}{figure:8.1f}{1 / bound:9.0f}{figure * bound:8.1%}")
    print(f"the reader of PDFs: {run.reader_cpu_s / run.cpu_s:.0%} of that CPU")
    with tempfile.TemporaryDirectory(prefix="budstikke-bench-") as name:
        small, large = await measure_large_letters(Path(name), (SMALL_ROWS, LARGE_ROWS))
    _print_memory(small, large)


def _print_memory(small: LargeLetter, large: LargeLetter) -> None:
    grown = (large.peak_bytes - small.peak_bytes) / limits.MIB
    same = all(one.sent_sha256 == one.taken_sha256 for one in (small, large))
    for one in (small, large):
        told = f"peak memory {one.peak_bytes / limits.MIB:.1f} MiB, its reader of PDFs {one.reader_peak_bytes / limits.MIB:.1f}"
        print(f"after a letter with an attachment of {one.size} octets: {told}")
    print(f"grown by {grown:+.1f} MiB; Digipost's bytes are {'right' if same else 'WRONG'}")


def load() -> str:
    """The machine's, of one, five and fifteen minutes."""
    return " ".join(f"{one:.1f}" for one in os.getloadavg())


if __name__ == "__main__":
    asyncio.run(print_letters(int(sys.argv[1]) if len(sys.argv) > 1 else LETTERS))
