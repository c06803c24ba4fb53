"""Figures of the road over Fiks IO, beside this machine's bound and beside KS's own Java client on the same messages.

    python -m bench.fiks [--reports 100] [--restarts 3] [--large 1000]

RabbitMQ is needed, and Java with Maven for the client. Nothing here passes or fails; the load is printed.
"""

import argparse
import asyncio
import logging
import os
import tempfile
from pathlib import Path

from bench.fiks_java import measure_java
from bench.fiks_memory import measure_fiks_memory
from bench.fiks_road import Figures, Phase, bound_s, measure_recovery, measure_road, ready, sealed
from bench.machine import COMMITS_JOURNEY, Machine, measure
from bench.memory import SMALL_BYTES
from gateway.limits import MIB

KEY_BITS = 2048
WARM_UP = 50  # above all for Java, which compiles what runs often
MEMORY_S = 600.0


def main() -> None:
    """Measure and print, one screen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reports", type=int, default=100, help="reports that are counted, beside those that warm up")
    parser.add_argument("--restarts", type=int, default=3, help="how often the broker is killed, each after a minute")
    parser.add_argument("--large", type=int, default=1000, help="MB of the large report's PDF; 0: no measure of memory")
    asked = parser.parse_args()
    logging.disable()  # the AMQP library of the simulated platform tells of every try while the broker is away
    print(f"load before {_load()}")
    with tempfile.TemporaryDirectory(prefix="budstikke-bench-") as name:
        asyncio.run(_rates(Path(name), asked.reports, asked.restarts))
    if asked.large:
        with tempfile.TemporaryDirectory(prefix="budstikke-bench-") as name:
            asyncio.run(_memory(Path(name), asked.large * 1_000_000))
    print(f"load after {_load()}; on a machine with other work the rates by the clock are too low")


async def _rates(folder: Path, reports: int, restarts: int) -> None:
    machine = measure(folder)
    print(machine.told())
    async with ready(folder) as here:
        containers, sizes = await asyncio.to_thread(sealed, here, WARM_UP + reports + restarts)
        waiting = [containers.pop() for _ in range(restarts)]
        figures = await measure_road(here, containers, WARM_UP, sizes)
        print(
            f"{reports} reports: JSON {sizes.json} B, PDF {sizes.pdf} B, container {sizes.container} B, RSA-{KEY_BITS}"
        )
        _print_road(machine, figures)
        java = await measure_java(here, folder, containers, WARM_UP)
        _print_phase("KS's Java client: received, decrypted, verified", java)
        for one in await measure_recovery(here, waiting):
            print(
                f"broker killed and away for {one.away_s:.1f} s: a report is stored {one.back_s:.2f} s after it listens"
            )


def _print_road(machine: Machine, figures: Figures) -> None:
    _print_phase("gateway: received, stored, decrypted, verified", figures.opened)
    _print_phase("gateway: delivered, confirmed, receipt sent", figures.delivered)
    _print_phase("gateway: all of it", figures.whole)
    cpu_s = bound_s(machine, figures.sizes, KEY_BITS)
    whole, disk_s = figures.whole, COMMITS_JOURNEY * machine.sync_s
    by_cpu, by_clock = whole.count / whole.cpu_s, whole.count / whole.wall_s
    print(f"share of the bound: {by_cpu * cpu_s:.1%} by CPU ({1 / cpu_s:.0f}/s)", end=", ")
    print(f"{by_clock * (cpu_s + disk_s):.1%} by the clock ({1 / (cpu_s + disk_s):.0f}/s)")


def _print_phase(name: str, phase: Phase) -> None:
    print(f"{name:50}{phase.count / phase.cpu_s:7.1f} per CPU second{phase.count / phase.wall_s:7.1f} per second")


async def _memory(folder: Path, octets: int) -> None:
    small, large = await measure_fiks_memory(folder, (SMALL_BYTES, octets), MEMORY_S)
    grown = (large.peak_bytes - small.peak_bytes) / MIB
    right = "right" if large.stored_sha256 == large.sent_sha256 else "WRONG"
    print(
        f"peak memory: {small.peak_bytes / MIB:.1f} MiB after a report of 1 kB, {large.peak_bytes / MIB:.1f} after one of"
        f" {octets / 1e6:.0f} MB from Dokumentlager, {grown:+.1f}; the case system's bytes are {right}"
    )


def _load() -> str:
    return " ".join(f"{one:.1f}" for one in os.getloadavg())


if __name__ == "__main__":
    main()
