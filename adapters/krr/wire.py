"""KRR's JSON (digipost.md 10.2): pure functions.

Read are the words that decide about a letter, and the e-mail address of who can be notified. Telephone numbers and
certificates are passed over unseen, and so are times, of which some have an offset of two digits.
"""

import re
from collections.abc import Collection
from datetime import datetime
from typing import Final, NoReturn

from gateway.spi import Contact, DocumentError, Json

_RESERVED: Final = {"JA": True, "NEI": False}
_NOTIFIABLE: Final = {"KAN_VARSLES": True, "KAN_IKKE_VARSLES": False}
_ACTIVE: Final = "AKTIV"
_STATUSES: Final = frozenset({_ACTIVE, "SLETTET", "IKKE_REGISTRERT"})
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}")
_EMAIL: Final = re.compile(r"[^\s@<>(),;:\"\\]{1,64}@[^\s@<>(),;:\"\\]{1,189}")


def question(person: str) -> Json:
    """Ask about one person."""
    return {"personidentifikatorer": [person]}


def read_contact(answer: Json, person: str, asked_at: datetime) -> Contact:
    """What the register says of the one who was asked about.

    Raises DocumentError: a word that we do not know or that is not there, or an answer about somebody else.
    """
    row = _row(answer, person)
    registered = _word(row, "status", _STATUSES) == _ACTIVE
    reserved = _RESERVED[_word(row, "reservasjon", _RESERVED)]
    notifiable = _notifiable(row, registered=registered)
    return Contact(
        reserved=reserved,
        registered=registered,
        notifiable=notifiable,
        mailbox=_has_mailbox(row),
        asked_at=asked_at,
        language=_language(row),
        email=_email(row) if registered and notifiable and not reserved else None,
    )


def _row(answer: Json, person: str) -> Json:
    rows = answer.get("personer")
    if not isinstance(rows, list) or len(rows) != 1 or not isinstance(rows[0], dict):
        _refuse("not one person in the answer")
    row: Json = rows[0]
    if row.get("personidentifikator") != person:
        _refuse("an answer about somebody else")
    return row


def _word(row: Json, name: str, known: Collection[str]) -> str:
    word = row.get(name)
    if not isinstance(word, str) or word not in known:
        _refuse(f"{name} is not there, or a word that is not known")
    return word


def _notifiable(row: Json, *, registered: bool) -> bool:
    """Nobody is told of where there is no entry; missing of an active one, the token did not reach so far."""
    if not registered and row.get("varslingsstatus") is None:
        return False
    return _NOTIFIABLE[_word(row, "varslingsstatus", _NOTIFIABLE)]


def _has_mailbox(row: Json) -> bool:
    mailbox = row.get("digital_post")
    if mailbox is None:
        return False
    if not isinstance(mailbox, dict) or not isinstance(mailbox.get("postkasseadresse"), str):
        _refuse("digital_post without a mailbox's address")
    return bool(mailbox["postkasseadresse"])


def _language(row: Json) -> str | None:
    """The language that the person wishes; none where it is no code, since nothing depends on it but a form of words."""
    language = row.get("spraak")
    return language if isinstance(language, str) and _LANGUAGE.fullmatch(language) else None


def _email(row: Json) -> str | None:
    """None where there is none that can be written to: the letter goes all the same."""
    told = row.get("kontaktinformasjon")
    address = told.get("epostadresse") if isinstance(told, dict) else None
    good = isinstance(address, str) and address.isprintable() and _EMAIL.fullmatch(address)
    return address if good else None


def _refuse(why: str) -> NoReturn:
    message = f"krr: {why}"
    raise DocumentError(message)
