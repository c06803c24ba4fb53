"""What every process of ours does before anything else: no core file, no tracer, nothing readable by others."""

import ctypes
import os
import resource
from typing import Final

_SET_DUMPABLE: Final = 4  # PR_SET_DUMPABLE of prctl(2)
_UMASK: Final = 0o077


def harden() -> None:
    """No core files, not by a limit nor by a crash handler; no reading of our memory by others of our user (S82, S83)."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None).prctl(_SET_DUMPABLE, 0, 0, 0, 0)
    os.umask(_UMASK)
