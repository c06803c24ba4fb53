"""An upload of 300 MB takes no more memory at the edge than one of 1 kB (decisions 4.4)."""

import resource
from pathlib import Path

import aiohttp
import pytest

from gateway import config, limits
from gateway.spi import Accepted
from tests.edge_kit import MULTIPART, mottak, partner, sealed

pytestmark = pytest.mark.quiet

SIZE = 300 * limits.MIB
PIECE = bytes(64 * limits.KIB)
ALLOWED = 24 * limits.MIB


def resident():
    """Bytes of this process in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


class CountingIntake:
    """Reads both parts to their end and keeps only their sizes and the highest memory seen."""

    def __init__(self, inner):
        self._inner = inner
        self.sizes = {}
        self.peak = 0

    def __getattr__(self, name):
        return getattr(self._inner, name)

    async def accept(self, delivery):
        async for name, stream in delivery.parts():
            self.sizes[name] = 0
            async for chunk in stream:
                self.sizes[name] += len(chunk)
                if self.sizes[name] % limits.MIB < len(PIECE):
                    self.peak = max(self.peak, resident())
        return Accepted("id", repeated=False)


async def body(size):
    yield b'--frontier\r\nContent-Disposition: form-data; name="bekymringsmelding"\r\n\r\n' + sealed()
    yield b'\r\n--frontier\r\nContent-Disposition: form-data; name="asice"\r\n\r\n' + sealed(b"")
    for _ in range(size // len(PIECE)):
        yield PIECE
    yield b"\r\n--frontier--\r\n"


@pytest.mark.timeout(120)
async def test_300_mb_pass_in_constant_memory():
    async with partner(intake_settings=config.Intake(body_bytes_max=SIZE + limits.MIB), wrap=CountingIntake) as here:
        peaks = []
        for size in (len(PIECE), SIZE):
            async with (
                aiohttp.ClientSession() as session,
                session.post(here.url + mottak(), data=body(size), headers=here.headers() | MULTIPART) as answer,
            ):
                assert answer.status == 201
            assert here.intake.sizes["asice"] == size + len(sealed(b""))
            peaks.append(here.intake.peak)
        assert peaks[1] - peaks[0] < ALLOWED, peaks
