"""Start the real gateway with one crash point armed: ``python -m gateway.testing.crash MARK POINT SIDE NTH -- run ...``.

When the point is passed for the NTH time the process writes the file MARK and stands still for ever, so that whoever
watches can kill it with SIGKILL exactly there. A kill always comes from another process. POINT ``-`` arms none and writes
every point passed to MARK, a line each: how a harness learns which points a journey has.
"""

import ctypes
import importlib
import json
import os
import runpy
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any, NoReturn

from gateway import crashpoints
from gateway.crashpoints import Point, Side

_HOUR_S = 3600
_PR_SET_PDEATHSIG = 1


class Armed:
    """The hook: counts passages of one point, then stops the process."""

    def __init__(self, mark: Path, point: Point, side: Side, nth: int) -> None:
        self._mark, self._point, self._side, self._left = mark, point, side, nth
        self._lock = threading.Lock()

    def __call__(self, point: Point, side: Side) -> None:
        """Pass a point."""
        if (point, side) != (self._point, self._side):
            return
        with self._lock:
            self._left -= 1
            if self._left != 0:
                return
            self._mark.write_text(f"{point} {side}\n")
            while True:  # the lock is kept: no other thread passes this point either
                time.sleep(_HOUR_S)


class Noting:
    """The hook that only writes down what is passed."""

    def __init__(self, mark: Path) -> None:
        self._file = os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def __call__(self, point: Point, side: Side) -> None:
        """Pass a point."""
        os.write(self._file, f"{point} {side}\n".encode())


def arm(mark: str, point: str, side: str, nth: str) -> None:
    """Install the hook that the arguments ask for."""
    if point == "-":
        crashpoints.install(Noting(Path(mark)))
    elif point:
        crashpoints.install(Armed(Path(mark), Point(point), Side(side), int(nth)))


def become(arguments: list[str]) -> None:
    """Be ``budstikke`` with these arguments."""
    sys.argv = ["budstikke", *arguments]
    runpy.run_module("gateway", run_name="__main__")


def serve() -> None:
    """Start many gateways quickly: import once, then fork one per line of standard input.

    A line is JSON ``{"crash": [mark, point, side, nth], "arguments": [...], "out": path, "log": path, "environment": {}}``: standard
    output goes to ``out``, errors and log lines to ``log``. The answer is its process id.
    The children are whole processes with signals, descriptors and locks of their own; only the imports are shared.
    """
    importlib.import_module("gateway.cli")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the dead here; whoever killed them looks
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _child(order)
        print(pid, flush=True)  # noqa: T201  the answer to whoever ordered


def _child(order: dict[str, Any]) -> NoReturn:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # whoever forked us is gone: nobody would stop us
    for stream, name in ((1, "out"), (2, "log")):
        os.dup2(os.open(order[name], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), stream)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.environ.update(order["environment"])
    code = 0
    try:
        arm(*order["crash"])
        become(order["arguments"])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001  a fork must never return into its parent's loop
        traceback.print_exc()
        code = 70
    finally:
        sys.stdout.flush()
        os._exit(code)


def main() -> None:
    """Serve forks, or arm and become ``budstikke`` with the rest of the arguments."""
    if sys.argv[1:] == ["--serve"]:
        serve()
        return
    mark, point, side, nth, separator, *rest = sys.argv[1:]
    assert separator == "--", "usage: MARK POINT SIDE NTH -- COMMAND ..."
    arm(mark, point, side, nth)
    become(rest)


if __name__ == "__main__":
    main()
