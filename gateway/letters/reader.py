"""Has PDFs read in a process of its own: qpdf and PDFium are C++, and what they are given comes from outside.

That process has little memory and time, no file or socket that it could open, and nothing of ours in its memory. Whatever
happens to it happens to one PDF: it dies, that PDF was too hard, and the next one gets a new process.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO, Any, Final

from gateway import limits
from gateway.config import Vindu
from gateway.errors import DocumentError, ReaderUnavailableError, StoreError
from gateway.letters.looked import LENGTH_BYTES, READY, TOO_HARD, TOO_LARGE, Looked, Reading, Rect

_DEATH_S: Final = 1.0  # from a closed pipe to the end of the process


@dataclass(slots=True)
class _Child:
    """One process. ``read``: PDFs that it was given."""

    process: subprocess.Popen[bytes]
    read: int = 0

    @property
    def pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        """To it, and from it."""
        if self.process.stdin is None or self.process.stdout is None:
            message = "a reader of PDFs has no pipes"
            raise ReaderUnavailableError(message)
        return self.process.stdin, self.process.stdout

    def end(self) -> None:
        self.process.kill()
        for pipe in self.pipes:
            with suppress(OSError):  # what was still to be written has no reader any more
                pipe.close()
        self.process.wait()


@dataclass(slots=True)
class Reader:
    """Reads one PDF after the other; calls from several threads wait for each other. ``window``: where envelopes are open.

    The process begins with the first PDF and ends with ``close`` or with ours.
    """

    window: Vindu = field(default_factory=Vindu)
    seconds: float = limits.PDF_WAIT_S_MAX
    _child: _Child | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self, pieces: Iterable[bytes], size_bytes: int) -> Reading:
        """Read a PDF of so many bytes. Blocks, at most ``seconds`` once it is its turn.

        Never raises for what the PDF is. Raises ReaderUnavailableError when no process can be had, or something else than the
        PDF ended it or held it up, StoreError for pieces of another size, and what ``pieces`` raises.
        """
        if size_bytes > limits.PDF_BYTES_MAX:
            return Reading(Looked(fault=TOO_LARGE))
        with self._lock:
            child = self._ready_child()
            child.read += 1
            answer, goes_on = None, False
            try:
                with _watched(child.process, self.seconds):
                    answer = _ask(child, _rect(self.window), pieces, size_bytes)
                if answer is None:
                    _require_own_death(child.process)
                goes_on = answer is not None and child.read < limits.PDF_READER_PDFS
            finally:
                if not goes_on:
                    self._end()
        return Reading(Looked(fault=TOO_HARD)) if answer is None else answer

    def close(self) -> None:
        """End the process; a later ``read`` begins a new one."""
        with self._lock:
            self._end()

    def __del__(self) -> None:
        """Whoever forgot to close it leaves no process behind."""
        self._end()

    def _end(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child = None

    def _ready_child(self) -> _Child:
        if self._child is not None and self._child.process.poll() is not None:
            self._end()  # somebody ended it while nothing was read
        if self._child is None:
            self._child = _begin()
        return self._child


def _rect(window: Vindu) -> Rect:
    left, top = window.venstre_mm, window.topp_mm
    return left, top, left + window.bredde_mm, top + window.hoyde_mm


@contextmanager
def _watched(process: subprocess.Popen[bytes], seconds: float) -> Iterator[None]:
    """End it after so long. Raises ReaderUnavailableError then: its own processor time is bounded by less."""
    expired = threading.Event()

    def expire() -> None:
        expired.set()
        process.kill()

    watch = threading.Timer(seconds, expire)
    watch.start()
    try:
        yield
    finally:
        watch.cancel()
        watch.join()
    if expired.is_set():
        message = f"reading a PDF was not done after {seconds} s"
        raise ReaderUnavailableError(message)


def _require_own_death(process: subprocess.Popen[bytes]) -> None:
    """Whatever ends a process from outside (the machine's memory, an operator) tells nothing of the PDF. Raises so."""
    try:
        code = process.wait(_DEATH_S)
    except subprocess.TimeoutExpired:
        return  # it lives, and what it answered was nonsense
    if code == -signal.SIGKILL:
        message = "the process that reads PDFs was ended from outside"
        raise ReaderUnavailableError(message)


def _begin() -> _Child:
    """Start a process and wait until it has shut itself in."""
    path = os.pathsep.join(os.path.abspath(place) for place in sys.path)  # noqa: PTH100  an empty entry is the working folder
    command = [sys.executable, "-P", "-s", "-m", "gateway.letters.reader_process"]
    try:
        process = subprocess.Popen(  # noqa: S603  a fixed command
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # the libraries' own words may hold content
            env={"PYTHONPATH": path},
        )
    except OSError as error:
        message = "no process for reading PDFs can be started"
        raise ReaderUnavailableError(message) from error
    child, ready = _Child(process), False
    try:
        with _watched(process, limits.PDF_WAIT_S_MAX):
            told = child.pipes[1].readline(len(READY))
        ready = told == READY
    finally:
        if not ready:
            child.end()
    if not ready:
        message = "the process for reading PDFs does not start"
        raise ReaderUnavailableError(message)
    return child


def _ask(child: _Child, window: Rect, pieces: Iterable[bytes], size_bytes: int) -> Reading | None:
    """One question and its answer; None when it died of it or answered nonsense. Raises StoreError for pieces of another size."""
    into, out = child.pipes
    question = json.dumps({"size": size_bytes, "window": window}).encode()
    alive, given = _give(into, len(question).to_bytes(LENGTH_BYTES, "big") + question), 0
    for piece in pieces:
        given += len(piece)
        if not alive or given > size_bytes:
            break
        alive = _give(into, piece)
    if alive and given != size_bytes:
        message = f"a document is not of {size_bytes} octets, as was stored of it"
        raise StoreError(message)
    answer = _hear(out) if alive and _give(into) else None
    return None if answer is None else _reading(answer)


def _give(into: IO[bytes], words: bytes | None = None) -> bool:
    """Write, or push what was written through the pipe; whether it is still there to take it."""
    try:
        if words is None:
            into.flush()
        else:
            into.write(words)
    except OSError:
        return False
    return True


def _hear(out: IO[bytes]) -> bytes | None:
    size = int.from_bytes(out.read(LENGTH_BYTES), "big")
    if not 0 < size <= limits.PDF_ANSWER_BYTES_MAX:
        return None
    answer = out.read(size)
    return answer if len(answer) == size else None


def _reading(answer: bytes) -> Reading | None:
    """What it says is judged as anything from outside: a PDF may have taken it over."""
    try:
        told: dict[str, Any] = json.loads(answer)
        texts, asides = tuple(map(str, told["texts"])), tuple(map(str, told["asides"]))
        return Reading(Looked.of(told["looked"]), texts, str(told["letterhead"]), asides)
    except (ValueError, KeyError, TypeError, RecursionError, DocumentError):
        return None
