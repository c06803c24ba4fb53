"""What is wrong with a letter before anybody is called: no retry would mend it."""

import re
from datetime import datetime
from typing import Final

from gateway.spi import Letter, LetterDocument, limits

DOCUMENTS_MAX: Final = 100
"""A primary document and 99 attachments: the schema has more, the operator's own page does not (digipost.md 4.1)."""
SEALED_BYTES_MAX: Final = 16 * limits.MIB  # a sealed document is held whole while it is sent
_NUMBER: Final = re.compile(r"[0-9]{11}")
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_FILE_TYPE: Final = re.compile(r"[a-z0-9_-]{1,29}")
_TELLING: Final = re.compile(r"barnevern", re.IGNORECASE)
_SUBJECT_CHARS_MAX: Final = 255


def letter_fault(letter: Letter, now: datetime, bytes_max: int) -> str | None:
    """Why a letter cannot be sent as it is; None: it can."""
    if not 1 <= len(letter.documents) <= DOCUMENTS_MAX:
        return "documents-count"
    return _order_fault(letter) or _whole_fault(letter, now, bytes_max) or _documents_fault(letter)


def _order_fault(letter: Letter) -> str | None:
    """Of how it is carried."""
    order = letter.print_order
    if order is None:
        return None if _NUMBER.fullmatch(letter.person) else "recipient-no-number"
    if not order.released_by.strip():
        return "print-not-released"
    if order.registered:
        return "registered-not-offered"  # nobody tells which print instructions make it so (digipost.md 4.2)
    return "print-not-pdf" if any(one.file_type != "pdf" for one in letter.documents) else None


def _whole_fault(letter: Letter, now: datetime, bytes_max: int) -> str | None:
    """Of all its documents together, and of its time."""
    if letter.delivery_time is not None and letter.delivery_time <= now:
        return "delivery-date-historical"
    if len({one.uuid for one in letter.documents}) != len(letter.documents):
        return "document-twice"
    if sum(one.size_bytes for one in letter.documents) > bytes_max:
        return "too-large"
    # Both are the data-type of the primary document, which has one.
    return "two-data-types" if letter.opening_receipt and letter.primary.appointment is not None else None


def _documents_fault(letter: Letter) -> str | None:
    return next((code for one in letter.documents if (code := _document_fault(one)) is not None), None)


def _document_fault(document: LetterDocument) -> str | None:
    if not _UUID.fullmatch(document.uuid):
        return "document-no-uuid"
    if not _FILE_TYPE.fullmatch(document.file_type):
        return "file-type"
    if document.sealed and document.size_bytes > SEALED_BYTES_MAX:
        return "too-large-to-seal"
    if not 1 <= len(document.subject.strip()) <= _SUBJECT_CHARS_MAX or not document.subject.isprintable():
        return "subject"
    # Sensitive letters hide their subject until the login; it is neutral all the same (digipost.md 4.3).
    return "subject-not-neutral" if _TELLING.search(document.subject) else None
