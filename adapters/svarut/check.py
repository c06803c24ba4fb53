"""What is wrong with a letter before anybody is called: no retry would mend it."""

import re
from datetime import datetime
from typing import Final

from gateway.spi import Letter, LetterDocument, Parcel

DOCUMENTS_MAX: Final = 100
TITLE_CHARS_MAX: Final = 1000
FILE_NAME_CHARS_MAX: Final = 200  # SvarUt takes 226; the rest is for what makes a name the only one of its letter
_KEY_CHARS_MAX: Final = 100
_NUMBER: Final = re.compile(r"[0-9]{11}")
_FORBIDDEN: Final = re.compile(r'[*:"\\/<>|?]')
_TELLING: Final = re.compile(r"barnevern", re.IGNORECASE)


def parcel_fault(parcel: Parcel, letter: Letter, now: datetime, bytes_max: int) -> str | None:
    """Why it cannot be sent as it is; None: it can."""
    if len(parcel.key) > _KEY_CHARS_MAX:
        return "key-too-long"
    if not 1 <= len(letter.documents) <= DOCUMENTS_MAX:
        return "documents-count"
    if sum(one.size_bytes for one in letter.documents) > bytes_max:
        return "too-large"
    documents = (fault for one in letter.documents if (fault := _document_fault(one)) is not None)
    return _carriage_fault(letter, now) or _title_fault(letter.primary.subject) or next(documents, None)


def _carriage_fault(letter: Letter, now: datetime) -> str | None:
    """Of how it is to be carried: digitally, to one person, now."""
    if letter.print_order is not None:
        return "print-not-by-svarut"
    if letter.delivery_time is not None and letter.delivery_time > now:
        return "delivery-time-not-offered"
    if not letter.name.strip():
        return "recipient-no-name"
    return None if _NUMBER.fullmatch(letter.person) else "recipient-no-number"


def _title_fault(title: str) -> str | None:
    """It is shown in the list of letters and in notices: before any login at the level that we ask for."""
    if not 1 <= len(title.strip()) <= TITLE_CHARS_MAX or not title.isprintable():
        return "subject"
    return "subject-not-neutral" if _TELLING.search(title) else None


def _document_fault(document: LetterDocument) -> str | None:
    name = document.file_name
    if not 1 <= len(name.strip()) <= FILE_NAME_CHARS_MAX or not name.isprintable() or _FORBIDDEN.search(name):
        return "file-name"
    return "file-name-not-neutral" if _TELLING.search(name) else None
