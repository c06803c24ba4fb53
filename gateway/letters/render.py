"""Letters written from templates: what the case system says as data becomes PDF/A-2b, the same bytes each time.

The template is the type's own (``schemas/*/*/brev.<språk>.typ``) on the layout beside this file. What comes from outside is
handed in as JSON and shown as text: no sign of it is ever read as mark-up. Typst sees these files and no others.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import typst

from gateway import limits
from gateway.domain.message_type import LetterForm
from gateway.errors import DocumentError, TooLargeError

_ROOT: Final = Path(__file__).parent
"""Where Typst may look for files: it holds the layout and our own sources. Without it, Typst takes the working folder."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around a letter's text. ``sender`` and ``return_address`` show in an envelope's window: they tell nothing.

    ``office``: who writes, inside the letter. ``recipient``: name and address, line by line. ``reference``: the case's, or None
    where the reader may not have it. ``day``: the date in the file's properties.
    """

    sender: str
    return_address: tuple[str, ...]
    office: str
    recipient: tuple[str, ...] = field(repr=False)
    reference: str | None
    day: date


def render(form: LetterForm, language: str, frame: Frame, document: Mapping[str, Any]) -> bytes:
    """The letter as PDF/A-2b; ``document`` follows the type's schema. Blocks, some milliseconds; for a thread.

    Raises TooLargeError for more text than a letter has, DocumentError where it holds signs that no letter font has.
    """
    given = json.dumps({"innhold": document, "ramme": _frame(frame)}, ensure_ascii=False)
    if len(given.encode()) > limits.LETTER_TEXT_BYTES_MAX:
        message = "there is more text than a letter is written from"
        raise TooLargeError(message)
    midnight = datetime(frame.day.year, frame.day.month, frame.day.day, tzinfo=UTC)
    try:
        compiler = typst.Compiler(
            form.templates[language].encode(), root=_ROOT, ignore_system_fonts=True, sys_inputs={"brev": given}
        )
        made = compiler.compile(format="pdf", pdf_standards=["a-2b"], timestamp=int(midnight.timestamp()))
    except typst.TypstError:
        message = "the letter cannot be written from these texts: they have signs that its fonts lack, or break a PDF's bounds"
        raise DocumentError(message) from None  # the library's own words repeat the text
    return made if isinstance(made, bytes) else b"".join(made or ())


def _frame(frame: Frame) -> dict[str, Any]:
    return {
        "avsender": frame.sender,
        "returadresse": frame.return_address,
        "kontor": frame.office,
        "mottaker": frame.recipient,
        "referanse": frame.reference,
    }
