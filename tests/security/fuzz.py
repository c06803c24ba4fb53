"""S33: damaged inputs for every parser: each gives an answer or an error of our tree, in bounded time and memory.

``python -m tests.security.fuzz --seconds N [--seed S] [--only NAME]`` goes round all parsers until the time is over and
prints for each how many inputs it read, how many of them were answered, the slowest and the largest growth; exit code 1
when something was found. Inputs by which something was found are kept in a folder that is named then: the damage follows
from seed, parser and number, but the keys in the samples are new each time.

Time is processor time of the reading thread, which neighbours on the machine do not change, and memory is the process's
high-water mark over what it was before. Both are judged by the best of three readings: what is slow or large each time is
so by itself and not because a collection of garbage fell into it.
"""

import argparse
import faulthandler
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random

from gateway.errors import GatewayError
from gateway.limits import GIB, MIB
from tests.security.fuzz_mutations import Mutator

CPU_S_MAX = 1.0
GROWTH_BYTES_MAX = 64 * MIB
_TRIES = 3
_PATIENCE = 2  # times the bound, then Python code is broken off
_ROOM_BYTES = (
    2 * GIB
)  # an input that wants more gets a MemoryError, which is a finding, and not the machine's last memory
_STUCK_S = 120  # wall time of one input that holds the interpreter itself: then the traceback is all there is
_PROC = Path("/proc/self")


@dataclass(frozen=True)
class Target:
    """A parser: sound samples, ways to damage them, and the errors of ours by which it may refuse.

    ``worst`` are the dearest inputs that we could think of, read as they are.
    """

    name: str
    read: Callable[[bytes], object]
    samples: Sequence[bytes]
    mutators: Sequence[Mutator]
    refuses: tuple[type[GatewayError], ...]
    runs: int  # damaged inputs in the short campaign
    worst: Sequence[bytes] = ()

    def input(self, seed: int, number: int) -> bytes:
        """The samples and the worst first, then damaged samples."""
        whole = (*self.samples, *self.worst)
        if number < len(whole):
            return whole[number]
        random = Random(f"{seed}/{self.name}/{number}")
        return random.choice(self.mutators)(random, random.choice(self.samples))


@dataclass(frozen=True)
class Bounds:
    cpu_s: float = CPU_S_MAX
    growth_bytes: int = GROWTH_BYTES_MAX


@dataclass(frozen=True)
class Finding:
    """An input that something was wrong with."""

    target: str
    number: int
    what: str
    data: bytes = field(repr=False)

    def __str__(self) -> str:
        return f"{self.target} {self.number} ({len(self.data)} octets): {self.what}"


@dataclass
class Result:
    """What a campaign saw of one parser."""

    name: str
    runs: int = 0
    answers: int = 0
    slowest_s: float = 0.0
    growth_bytes: int = 0
    findings: list["Finding"] = field(default_factory=list)

    def line(self) -> str:
        growth = self.growth_bytes / MIB
        return f"{self.name:16} {self.runs:>8} {self.answers:>8} {self.slowest_s:>9.3f} s {growth:>8.1f} MiB"


class _Hangs(BaseException):
    """Raised inside a parser whose time is over; no handler of ours catches it."""


def campaign(target: Target, numbers: Sequence[int], seed: int, result: Result, bounds: Bounds) -> None:
    """Read inputs and add what was seen to the result."""
    with _bounded_memory(), warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # a library's word on odd names in certificates; where warnings are errors, no error
        for number in numbers:
            data = target.input(seed, number)
            cpu_s, growth, answered, leak = _judged(target, data, bounds)
            result.runs += 1
            result.answers += answered
            result.slowest_s = max(result.slowest_s, cpu_s)
            result.growth_bytes = max(result.growth_bytes, growth)
            faults = [leak] if leak else []
            faults += [f"took {cpu_s:.2f} s"] if cpu_s > bounds.cpu_s else []
            faults += [f"grew by {growth // MIB} MiB"] if growth > bounds.growth_bytes else []
            result.findings += [Finding(target.name, number, fault, data) for fault in faults]


def _judged(target: Target, data: bytes, bounds: Bounds) -> tuple[float, int, bool, str | None]:
    """The least time and growth of up to three readings, whether it was an answer, and what leaked."""
    cpu_s, growth, answered, leak = _measured(target, data, bounds)
    for _ in range(_TRIES - 1):
        broken_off = cpu_s >= _PATIENCE * bounds.cpu_s
        if leak or broken_off or (cpu_s <= bounds.cpu_s and growth <= bounds.growth_bytes):
            break
        again_s, again, answered, leak = _measured(target, data, bounds)
        cpu_s, growth = min(cpu_s, again_s), min(growth, again)
    return cpu_s, growth, answered, leak


def _measured(target: Target, data: bytes, bounds: Bounds) -> tuple[float, int, bool, str | None]:
    (_PROC / "clear_refs").write_text("5")  # the high-water mark falls back to what is held now
    before, started = _high_water_bytes(), time.thread_time()
    answered, leak = False, None
    try:
        with _alarm(_PATIENCE * bounds.cpu_s):
            target.read(data)
        answered = True
    except target.refuses:
        pass
    except _Hangs:
        pass  # its time tells
    except Exception as error:  # noqa: BLE001  whatever it is, it is a finding
        leak = f"leaked {_where(error)}"
    return time.thread_time() - started, _high_water_bytes() - before, answered, leak


@contextmanager
def _alarm(cpu_s: float) -> Iterator[None]:
    """Break off Python code after so much processor time."""

    def ring(*_: object) -> None:
        raise _Hangs

    was = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, cpu_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, was)


@contextmanager
def _bounded_memory() -> Iterator[None]:
    was = resource.getrlimit(resource.RLIMIT_DATA)
    held = int((_PROC / "statm").read_text().split()[5]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_DATA, (held + _ROOM_BYTES, was[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, was)


def _high_water_bytes() -> int:
    status = (_PROC / "status").read_text()
    return int(status.partition("VmHWM:")[2].split(maxsplit=1)[0]) * 1024


def _where(error: BaseException) -> str:
    """The kind of error and where it came from, without its text."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno} in {frame.name}"


# --- the command line ----------------------------------------------------------------------------------------------

_ROUND = 64  # inputs of one parser before the next has its turn


def main() -> int:
    """Go round until the time is over; 1 when anything was found."""
    from tests.security.fuzz_targets import targets

    options = _options()
    chosen = [target for target in targets() if options.only in {None, target.name}]
    results = {target.name: Result(target.name) for target in chosen}
    until = time.monotonic() + options.seconds
    first, count = options.first, 1 if options.seconds == 0 else _ROUND
    while True:
        for target in chosen:
            faulthandler.dump_traceback_later(_STUCK_S + _ROUND, exit=True)
            result = results[target.name]
            told = len(result.findings)
            campaign(target, range(first, first + count), options.seed, result, Bounds())
            for finding in result.findings[told:]:
                print(finding, "kept as", _kept(finding), flush=True)
        first += count
        if time.monotonic() >= until:
            break
    faulthandler.cancel_dump_traceback_later()
    print(f"{'parser':16} {'runs':>8} {'answers':>8} {'slowest':>11} {'growth':>12}")
    for result in results.values():
        print(result.line())
    return 1 if any(result.findings for result in results.values()) else 0


@cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="fuzz"))


def _kept(finding: Finding) -> Path:
    file = _folder() / f"{finding.target}-{finding.number}"
    file.write_bytes(finding.data)
    return file


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.security.fuzz", description="Damaged inputs for every parser."
    )
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    parser.add_argument("--only", help="one parser by its name")
    parser.add_argument("--first", type=int, default=0, help="the number of the first input")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    return options


if __name__ == "__main__":
    sys.exit(main())
