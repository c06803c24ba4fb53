"""What the text of a document tells that its recipient may not learn (rule R20): counts and places, never the text.

It finds what is written plainly, or split and spelled as people and programs do. Who hides something on purpose can.
"""

import html
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from typing import Any, Final, Self

from gateway.domain.identity_number import is_identity_number
from gateway.errors import DocumentError
from gateway.letters.looked import Reading


@dataclass(frozen=True, slots=True)
class Known:
    """What may stand in the documents, and what may not. Nothing of it is kept.

    ``numbers``: identity numbers of everybody in the envelope; ``parents_numbers``: those among them that are parents'.
    ``case_numbers``: this case's own. ``case_number_form``: ``Brev.saksnummer``. ``municipalities``: names under which one may be
    named in a letterhead: the sender's, the recipient's. ``protected_addresses``: lines of addresses that nobody may
    learn. ``reporter_names``: of whoever reported, where that is to be kept. ``names``: of every person in the envelope.
    ``telling_words``: ``Brev.ord_som_roper``.
    """

    numbers: frozenset[str] = field(default=frozenset(), repr=False)
    parents_numbers: frozenset[str] = field(default=frozenset(), repr=False)
    case_numbers: frozenset[str] = field(default=frozenset(), repr=False)
    case_number_form: str | None = None
    municipalities: tuple[str, ...] = field(default=(), repr=False)
    protected_addresses: tuple[str, ...] = field(default=(), repr=False)
    reporter_names: tuple[str, ...] = field(default=(), repr=False)
    names: tuple[str, ...] = field(default=(), repr=False)
    telling_words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Findings:
    """How often each was found in one document, and on which ``pages`` (from 1; 0 stands for texts outside the pages).

    ``screened``: all of its text was read. ``telling_properties``: its properties hold a name of a party, a case number or a telling
    word.
    """

    screened: bool
    foreign_numbers: int = 0
    parents_numbers: int = 0
    other_case_numbers: int = 0
    other_municipalities: int = 0
    protected_addresses: int = 0
    reporters_names: int = 0
    telling_properties: int = 0
    pages: tuple[int, ...] = ()

    @classmethod
    def of(cls, told: dict[str, Any]) -> Self:
        """From what ``dataclasses.asdict`` made of it, through JSON. Raises DocumentError."""
        try:
            known = {each.name: told[each.name] for each in fields(cls)}
            return cls(**known | {"pages": tuple(told["pages"])})
        except (KeyError, TypeError) as error:
            message = "what was found in a document cannot be read"
            raise DocumentError(message) from error


def screen_pdf(reading: Reading, known: Known) -> Findings:
    """Look through a PDF's pages, form fields, notes and properties."""
    raise NotImplementedError


def screen_text(content: bytes, media_type: str, known: Known) -> Findings:
    """Look through a JSON, XML or text document; what is no such text counts as not read."""
    raise NotImplementedError
