"""A report of 300 MB goes all the way, to the case system's own disk, in the memory that one of 1 kB takes."""

import tempfile
from pathlib import Path

import pytest

from bench.memory import LARGE_BYTES, SMALL_BYTES, measure_memory
from gateway.limits import MIB

pytestmark = pytest.mark.quiet

ALLOWED = 64 * MIB  # a few chunks for each thread, and what the allocator keeps; the report is 286 MiB, twice over


@pytest.mark.timeout(300)
async def test_300_mb_from_upload_to_download_take_hardly_more_memory_than_1_kb(tmp_path: Path):
    with tempfile.TemporaryDirectory(dir=tmp_path) as folder:  # more than a gigabyte: it does not stay behind
        small, large = await measure_memory(Path(folder), (SMALL_BYTES, LARGE_BYTES), within_s=240)
    assert large.stored_sha256 == large.sent_sha256
    assert large.peak_bytes - small.peak_bytes < ALLOWED, (small.peak_bytes / MIB, large.peak_bytes / MIB)
