"""What another process has used, as the kernel counts it (proc(5))."""

import os
from pathlib import Path
from typing import Final

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_USER, _SYSTEM, _ENDED_USER, _ENDED_SYSTEM = (
    11,
    12,
    13,
    14,
)  # fields 14 and 15 of stat, counted from the one behind the name


def cpu_s(pid: int) -> float:
    """CPU seconds, user and system, of all its threads; in steps of 10 ms."""
    return _seconds(pid, _USER, _SYSTEM)


def children_cpu_s(pid: int) -> float:
    """The same of its children, those that have ended included."""
    return _seconds(pid, _ENDED_USER, _ENDED_SYSTEM) + sum(cpu_s(child) for child in children(pid))


def peak_bytes(pid: int) -> int:
    """The most memory it ever had resident (VmHWM)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def children(pid: int) -> list[int]:
    """The processes that any of its threads began and that still live."""
    return [int(one) for file in Path(f"/proc/{pid}/task").glob("*/children") for one in file.read_text().split()]


def _seconds(pid: int, *places: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(fields[place]) for place in places) / _TICKS_PER_S
