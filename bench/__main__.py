"""``make bench``: the gateway's figures on this machine, each beside the bound that the machine itself sets.

    python -m bench [--reports 200]

Nothing here passes or fails: a figure without the load of its machine says little, so the load is printed too.
"""

import argparse
import asyncio
import os
import platform
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.evidence import measure_evidence
from bench.journey import PRODUCERS, Run, measure_intake, measure_journey
from bench.letters import LETTERS, print_letters
from bench.letters_queue import BLOCKS, REPORTS, print_queue
from bench.letters_queue import LETTERS as QUEUED
from bench.machine import COMMITS_INTAKE, COMMITS_JOURNEY, Machine, measure
from bench.memory import LARGE_BYTES, SMALL_BYTES, measure_memory
from bench.start import measure_starts
from bench.store import measure_store
from gateway.limits import MIB

STARTS = 5
CALLERS = (1, 16, 64)
STORE_S = 2.0
MEMORY_S = 240.0
KEY_BITS = (2048, 3072)


def main() -> None:
    """Measure and print, one screen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reports", type=int, default=200, help="reports in each run")
    reports = parser.parse_args().reports
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, load before {_load()}")
    asyncio.run(_measure(reports))
    asyncio.run(print_letters(LETTERS))
    for postgres in (False, True):
        asyncio.run(print_queue(QUEUED, REPORTS, BLOCKS, postgres=postgres))
    print(f"load after {_load()}; on a machine with other work the rates by the clock are too low")


async def _measure(reports: int) -> None:
    with _folder() as folder:
        machine = measure(folder)
    print(machine.told())
    await _print_rates(machine, reports)
    with _folder() as folder:
        small, large = await measure_memory(folder, (SMALL_BYTES, LARGE_BYTES), MEMORY_S)
    grown = (large.peak_bytes - small.peak_bytes) / MIB
    right = "right" if large.stored_sha256 == large.sent_sha256 else "WRONG"
    print(
        f"\npeak memory: {small.peak_bytes / MIB:.1f} MiB after a report of 1 kB, {large.peak_bytes / MIB:.1f} after one"
        f" of 300 MB, {grown:+.1f}; the case system's bytes are {right}"
    )
    with _folder() as folder:
        starts = await measure_starts(folder, STARTS)
    print(f"start to ready: {starts[0]:.2f} s, median {statistics.median(starts):.2f}, most {starts[-1]:.2f}")
    _print_evidence()
    for callers in CALLERS:
        with _folder() as folder:
            rate = await measure_store(folder, callers, STORE_S)
        print(f"durable transactions, SQLite, {callers:2} callers: {rate:6.0f}/s")


async def _print_rates(machine: Machine, reports: int) -> None:
    with _folder() as folder:
        alone = await measure_intake(folder, reports, 1)
    with _folder() as folder:
        intake = await measure_intake(folder, reports, PRODUCERS)
    print(f"{reports} reports each, sealed beforehand: {_sizes(intake)}\n")
    print(f"{'reports a second':44}{'figure':>8}{'bound':>9}{'share':>8}")
    _print_row("intake, 1 producer", alone, machine.intake_s(alone.sizes), COMMITS_INTAKE * machine.sync_s)
    _print_row(
        f"intake, {PRODUCERS} producers", intake, machine.intake_s(intake.sizes), COMMITS_INTAKE * machine.sync_s
    )
    for bits in KEY_BITS:
        with _folder() as folder:
            run = await measure_journey(folder, reports, bits)
        _print_row(f"journey, RSA-{bits}", run, machine.journey_s(run.sizes, bits), COMMITS_JOURNEY * machine.sync_s)
        print(f"{f'journey, RSA-{bits}, evidence of its CPU':44}{run.evidence_share:8.1%}")
    for name, run in (("1 producer", alone), (f"{PRODUCERS} producers", intake)):
        print(f"post to 201, {name}: p50 {run.percentile_ms(50):.1f} ms, p99 {run.percentile_ms(99):.1f} ms")


def _print_evidence() -> None:
    with _folder() as folder:
        found = measure_evidence(folder)
    print(f"entries numbered into leaves: {found.numbered:.0f}/s (hashing a node alone {found.hashed:.0f}/s)")
    print(f"heads over a million leaves: {found.heads:.0f}/s (signing alone {found.signed:.0f}/s)")
    print(
        f"proof of one entry in a million: made in {found.prove_s * 1e3:.1f} ms, {found.proof_bytes} octets,"
        f" verified in {found.verify_s * 1e6:.0f} us"
    )


def _print_row(name: str, run: Run, bound_cpu_s: float, disk_s: float) -> None:
    for unit, figure, bound in (
        ("gateway CPU", run.per_cpu_s, 1 / bound_cpu_s),
        ("clock", run.per_wall_s, 1 / (bound_cpu_s + disk_s)),
    ):
        print(f"{f'{name}, by {unit}':44}{figure:8.0f}{bound:9.0f}{figure / bound:8.0%}")


def _sizes(run: Run) -> str:
    sizes = run.sizes
    sealed = f"container {sizes.container / 1e3:.0f} kB, print part {sizes.print_part / 1e3:.0f} kB"
    return f"JSON {sizes.json / 1e3:.0f} kB, PDF {sizes.pdf / 1e3:.0f} kB; {sealed}"


def _load() -> str:
    return " ".join(f"{one:.1f}" for one in os.getloadavg())


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="budstikke-bench-") as name:
        yield Path(name)


if __name__ == "__main__":
    main()
