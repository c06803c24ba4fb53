"""The process that reads PDFs: ``python -m gateway.letters.reader_process``, started by ``gateway.letters.reader``.

It takes a question and a PDF on standard input and answers in JSON on standard output, one after the other. Before the first
it shuts itself in: little memory and time, no file, socket or process that it could open.
"""

import codecs
import io
import json
import os
import resource
import signal
import sys
from dataclasses import asdict
from typing import IO, Any, Final

import pikepdf

from gateway import limits
from gateway.letters.looked import BROKEN, LENGTH_BYTES, READY, Looked, Rect
from gateway.letters.page_text import pages_of
from gateway.letters.structure import UnreadableError, structure

_NICENESS: Final = 10  # a concern report is given the processor before a letter's PDF
_STANDARD_STREAMS: Final = 3
_CODECS: Final = ("ascii", "latin-1", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "pdfdoc")
_NONE: Final = (0, 0)


def main() -> None:
    """Answer until nobody asks. It ends with whoever asks, not at a signal to all: a PDF would be blamed for it."""
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, signal.SIG_IGN)
    into, out = sys.stdin.buffer, sys.stdout.buffer
    warm()
    shut_in()
    out.write(READY)
    out.flush()
    while head := into.read(LENGTH_BYTES):
        question = json.loads(into.read(int.from_bytes(head, "big")))
        pdf = into.read(question["size"])
        allow_time()
        answer = json.dumps(read(pdf, tuple(question["window"]))).encode()
        _say(out, answer)


def read(pdf: bytes, window: Rect) -> dict[str, Any]:
    """What is in it: a ``Reading`` as plain values. Raises what is no fault of a file alone; the process dies of it."""
    try:
        built = structure(pdf)
        pages = pages_of(pdf, window, built.pages)
    except (MemoryError, RecursionError, OSError, ImportError):
        raise
    except UnreadableError as error:
        return _answer(Looked(fault=error.fault))
    except Exception:  # noqa: BLE001  whatever the libraries make of a hostile file, it is one that cannot be read
        return _answer(Looked(fault=BROKEN))
    looked = Looked(
        version=built.version,
        encrypted=built.encrypted,
        pages=tuple(pages.pages),
        fonts_missing=tuple(built.fonts_missing),
        scripts=built.scripts,
        launches=built.launches,
        embedded_files=built.embedded_files,
        xfa=built.xfa,
        links=built.links,
        metadata=tuple(built.metadata),
        window_text=pages.window_text,
    )
    return _answer(looked, texts=pages.texts, letterhead=pages.letterhead, asides=built.asides)


def _answer(looked: Looked, **texts: Any) -> dict[str, Any]:
    return {"looked": asdict(looked), "texts": (), "letterhead": "", "asides": ()} | texts


def _say(out: IO[bytes], answer: bytes) -> None:
    out.write(len(answer).to_bytes(LENGTH_BYTES, "big"))
    out.write(answer)
    out.flush()


def warm() -> None:
    """Read a PDF of our own, so that nothing needs to be opened any more when one comes from outside."""
    for name in _CODECS:
        codecs.lookup(name)
    sheet, made = pikepdf.new(), io.BytesIO()
    sheet.add_blank_page()
    sheet.docinfo["/Title"] = "æ"
    with sheet.open_metadata() as properties:
        properties["dc:title"] = "æ"
    sheet.save(made, encryption=pikepdf.Encryption(owner="-", user=""))
    if read(made.getvalue(), (0.0, 0.0, 10.0, 10.0))["looked"]["fault"] is not None:
        sys.exit(1)


def shut_in() -> None:
    """Give away what reading does not need. Only a smaller part of it can be had again."""
    resource.setrlimit(resource.RLIMIT_CORE, _NONE)
    resource.setrlimit(resource.RLIMIT_FSIZE, _NONE)
    resource.setrlimit(resource.RLIMIT_NPROC, _NONE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (_STANDARD_STREAMS, _STANDARD_STREAMS))
    resource.setrlimit(resource.RLIMIT_AS, (limits.PDF_MEMORY_BYTES_MAX, limits.PDF_MEMORY_BYTES_MAX))
    os.nice(_NICENESS)


def allow_time() -> None:
    """So much processor time for the next one; whoever takes more is ended by the kernel."""
    used = os.times()
    until = int(used.user + used.system + limits.PDF_READ_S_MAX) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (until, resource.RLIM_INFINITY))


if __name__ == "__main__":
    main()
