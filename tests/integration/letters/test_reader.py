"""The process that reads PDFs: what it cannot do, and what happens to it happens to one PDF."""

import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway import limits
from gateway.errors import ReaderUnavailableError, StoreError
from gateway.letters import reader as reader_module
from gateway.letters.looked import BROKEN, TOO_HARD, TOO_LARGE
from gateway.letters.reader import Reader
from tests import pdf_kit as kit
from tests.conftest import ROOT

SOUND = kit.letter()


@pytest.fixture
def own():
    """A reader whose process may be ended."""
    made = Reader()
    yield made
    made.close()


def fault_of(reader, pdf):
    return reader.read([pdf], len(pdf)).looked.fault


@pytest.mark.proves("S35")
@pytest.mark.proves("S104")
@pytest.mark.parametrize(
    "make",
    [
        lambda: kit.deep(400),
        lambda: kit.deep(50_000),
        lambda: kit.crowded(600_000),
        lambda: kit.swollen(400),
    ],
    ids=["lists in lists", "deeper than qpdf reads", "a list of very many numbers", "400 MiB of properties in 2 MiB"],
)
def test_a_bomb_is_no_letter_and_the_next_one_is_read(reader, make):
    bomb = make()
    assert fault_of(reader, bomb) in {TOO_HARD, BROKEN}
    assert fault_of(reader, SOUND) is None


@pytest.mark.proves("S104")
def test_a_pdf_that_ends_its_process_takes_no_other_with_it(own, monkeypatch):
    """Four letters at once and one that kills whatever reads it: four are read."""
    give = reader_module._give

    def deadly(into, words=None):
        if words == b"deadly":
            own._child.process.send_signal(signal.SIGSEGV)
            own._child.process.wait()
        return give(into, words)

    monkeypatch.setattr(reader_module, "_give", deadly)
    with ThreadPoolExecutor(5) as threads:
        found = list(threads.map(lambda pdf: fault_of(own, pdf), [SOUND, SOUND, b"deadly", SOUND, SOUND]))
    assert found == [None, None, TOO_HARD, None, None]


def test_a_reader_that_hangs_is_ended_and_its_pdf_is_not_blamed(own):
    """A stopped process stands for a machine that stands still: it never answers, and takes no processor time."""
    assert fault_of(own, SOUND) is None
    own.seconds, hanging = 0.2, own._child.process
    hanging.send_signal(signal.SIGSTOP)
    with pytest.raises(ReaderUnavailableError):
        fault_of(own, SOUND)
    assert hanging.returncode == -signal.SIGKILL
    own.seconds = limits.PDF_WAIT_S_MAX
    assert fault_of(own, SOUND) is None


def test_a_reader_that_is_ended_from_outside_blames_no_pdf_and_a_stop_of_all_does_not_reach_it(own):
    def pieces(number):
        yield SOUND[:100]
        own._child.process.send_signal(number)
        yield SOUND[100:]

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        assert own.read(pieces(number), len(SOUND)).looked.fault is None
    with pytest.raises(ReaderUnavailableError):
        own.read(pieces(signal.SIGKILL), len(SOUND))
    assert fault_of(own, SOUND) is None


def test_processor_time_is_bounded_for_each_pdf_by_the_kernel():
    """As the process asks for it before each, here for less."""
    burn = """
from gateway import limits
from gateway.letters.reader_process import allow_time
limits.PDF_READ_S_MAX = 0.0
allow_time()
while True: pass
"""
    ended = subprocess.run([sys.executable, "-c", burn], check=False, env={"PYTHONPATH": str(ROOT)})
    assert ended.returncode == -signal.SIGXCPU


def test_a_process_that_somebody_ended_is_replaced_before_anything_is_read(own):
    assert fault_of(own, SOUND) is None
    own._child.process.kill()
    own._child.process.wait()
    assert fault_of(own, SOUND) is None


def test_a_process_reads_so_many_and_then_a_fresh_one_does(own, monkeypatch):
    monkeypatch.setattr(limits, "PDF_READER_PDFS", 2)
    seen = []
    for _ in range(3):
        assert fault_of(own, SOUND) is None
        seen.append(own._child.process.pid if own._child else None)
    assert seen[0] is not None
    assert seen[1] is None
    assert seen[2] not in {None, seen[0]}


def test_what_is_too_large_is_not_even_begun():
    unborn = Reader()
    assert unborn.read(iter(()), limits.PDF_BYTES_MAX + 1).looked.fault == TOO_LARGE
    assert unborn._child is None


@pytest.mark.parametrize("told", [len(SOUND) - 1, len(SOUND) + 1])
def test_pieces_of_another_size_than_was_told_are_a_fault_of_the_store(reader, told):
    with pytest.raises(StoreError):
        reader.read([SOUND], told)
    assert fault_of(reader, SOUND) is None


def test_a_fault_of_the_store_is_the_stores_and_the_next_letter_is_read(reader):
    def pieces():
        yield SOUND[:10]
        raise OSError("the disk")

    with pytest.raises(OSError, match="the disk"):
        reader.read(pieces(), len(SOUND))
    assert fault_of(reader, SOUND) is None


def test_without_a_process_nothing_is_said_of_the_letter(own, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(ReaderUnavailableError):
        fault_of(own, SOUND)
    monkeypatch.setattr(sys, "executable", "/bin/true")
    with pytest.raises(ReaderUnavailableError):
        fault_of(own, SOUND)


@pytest.mark.parametrize(
    "answer",
    [b"no", b"[]", b'{"looked": {}}', b'{"looked": 1, "texts": [], "asides": [], "letterhead": ""}', b"[" * 9999],
)
def test_nonsense_of_a_process_that_was_taken_over_is_no_reading(answer):
    assert reader_module._reading(answer) is None


@pytest.mark.proves("S35")
def test_the_process_has_shut_itself_in_before_the_first_pdf_comes():
    """The same steps as it takes, then what a PDF that took it over would try."""
    tries = """
from gateway.letters.reader_process import shut_in, warm
import os, resource, socket
warm()
shut_in()
def fails(attempt):
    try:
        attempt()
    except (OSError, MemoryError, ValueError) as error:
        print(type(error).__name__)
    else:
        print("done")
fails(lambda: open("/etc/passwd"))
fails(lambda: socket.socket())
fails(lambda: os.pipe())
fails(lambda: bytearray(2 << 30))
fails(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (4, 3)))
"""
    told = subprocess.run(
        [sys.executable, "-c", tries], capture_output=True, text=True, check=True, env={"PYTHONPATH": str(ROOT)}
    )
    assert told.stdout.split() == ["OSError", "OSError", "OSError", "MemoryError", "ValueError"]


def test_the_process_knows_nothing_of_ours_and_ends_with_us(own):
    assert fault_of(own, SOUND) is None
    place = Path(f"/proc/{own._child.process.pid}")
    given = [line.partition(b"=")[0] for line in (place / "environ").read_bytes().split(b"\0") if line]
    assert given == [b"PYTHONPATH"]
    opened = {str(one.readlink()) for one in (place / "fd").iterdir()}
    assert {one for one in opened if not one.startswith("pipe:")} == {"/dev/null", "/dev/urandom"}
    process = own._child.process
    process.stdin.close()
    assert process.wait(10) == 0


def test_readings_wait_for_each_other(reader):
    """One process: what several threads ask is answered to each its reader."""
    pdfs = [kit.letter([f"nummer {number}"]) for number in range(6)]
    barrier = threading.Barrier(6)

    def ask(number):
        barrier.wait(10)
        return reader.read([pdfs[number]], len(pdfs[number])).texts[0].strip()

    with ThreadPoolExecutor(6) as threads:
        assert list(threads.map(ask, range(6))) == [f"nummer {number}" for number in range(6)]
