"""Several processes of one gateway on one host: start them, restart what dies, stop them together."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final

from gateway.config import Configuration
from gateway.errors import ConfigError
from gateway.limits import SHUTDOWN_S
from gateway.store.opening import embedded

_POLL_S: Final = 0.2
_WELL_S: Final = 10.0  # a process that lived this long had started well
_WAIT_S: Final = (0.0, 1.0, 5.0, 15.0, 30.0)  # before the next start, after so many short lives
_KILL_AFTER_S: Final = 3 * SHUTDOWN_S
_CONFIGURATION_WRONG: Final = 2  # exit code: starting again cannot help
_SET_DEATH_SIGNAL: Final = 1  # PR_SET_PDEATHSIG of prctl(2)
_SHARED: Final = {"BUDSTIKKE__LISTEN__SHARED": "true"}


@dataclass(slots=True)
class _Worker:
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    short_lives: int = 0
    not_before: float = 0.0


class Workers:
    """A parent that does nothing else: no port, no key and no database connection is open in it."""

    def __init__(self, arguments: list[str], count: int) -> None:
        """``arguments`` are those of ``budstikke`` for one process."""
        self._command = [sys.executable, "-m", "gateway", *arguments]
        self._workers = [_Worker() for _ in range(count)]
        self._stopping = False

    def run(self) -> int:
        """Keep them running until told to stop. Returns the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGHUP, self._pass_on)
        code = 0
        while not self._stopping:
            codes = [self._tend(worker) for worker in self._workers]
            if _CONFIGURATION_WRONG in codes:
                code, self._stopping = _CONFIGURATION_WRONG, True
            time.sleep(_POLL_S)
        self._end()
        return code

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        """Each process renews its own keys."""
        for worker in self._workers:
            if worker.process is not None and worker.process.poll() is None:
                worker.process.send_signal(number)

    def _tend(self, worker: _Worker) -> int | None:
        """Start it, or start it again. Returns the exit code of one that died."""
        now = time.monotonic()
        code = None
        if worker.process is not None:
            code = worker.process.poll()
            if code is None:
                return None
            worker.process = None
            worker.short_lives = 0 if now - worker.started > _WELL_S else worker.short_lives + 1
            worker.not_before = now + _WAIT_S[min(worker.short_lives, len(_WAIT_S) - 1)]
            print(f"a worker ended with {code}", file=sys.stderr)
        if now >= worker.not_before and code != _CONFIGURATION_WRONG:
            worker.started = now
            # One thread runs here, so the function between fork and exec is safe.
            worker.process = subprocess.Popen(  # noqa: S603  our own interpreter and arguments
                self._command,
                env=os.environ | _SHARED,
                preexec_fn=_die_with_parent,  # noqa: PLW1509  see above
            )
        return code

    def _end(self) -> None:
        living = [worker.process for worker in self._workers if worker.process is not None]
        for process in living:
            process.terminate()
        until = time.monotonic() + _KILL_AFTER_S
        for process in living:
            try:
                process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def run_workers(configuration: Configuration, file: Path, count: int) -> int:
    """Serve with ``count`` processes. Raises ConfigError where that cannot be."""
    faults = []
    if embedded(configuration):
        faults.append("store.url: several workers need PostgreSQL")
    listeners = configuration.settings.listen
    if 0 in {listeners.partner.port, listeners.case_system.port, listeners.operations.port}:
        faults.append("listen: several workers share their ports, so each needs a number")
    if faults:
        raise ConfigError(*faults)
    return Workers(["run", "--config", str(file)], count).run()


def _die_with_parent() -> None:
    """A killed parent takes its children along in order: they must not serve beside the next ones."""
    ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGTERM)
