"""What another process has used, as the kernel counts it (proc(5))."""

import os
from pathlib import Path
from typing import Final

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_USER, _SYSTEM = 11, 12  # fields 14 and 15 of stat, counted from the one behind the name


def cpu_s(pid: int) -> float:
    """CPU seconds, user and system, of all its threads; in steps of 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[_USER]) + int(fields[_SYSTEM])) / _TICKS_PER_S


def peak_bytes(pid: int) -> int:
    """The most memory it ever had resident (VmHWM)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
