"""What the text of a document tells that its recipient may not learn (rule R20): counts and places, never the text.

It finds what is written plainly, or split and spelled as people and programs do. Who hides something on purpose can.
"""

import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, Self

from gateway.errors import DocumentError
from gateway.letters.looked import Reading
from gateway.letters.traces import COUNTED, Known, Search, plain_words, telling, visible

__all__ = ["Findings", "Known", "screen_pdf", "screen_text"]

OUTSIDE: Final = 0
"""Stands for a page number where a text is on no page."""

_LETTERHEAD: Final = 1  # it is the first page's
_TAG: Final = re.compile(r"<[^<>]*>")
_QUOTED: Final = re.compile(r"[\"']([^\"']+)[\"']")
_PIECE_CHARS: Final = 50_000
_OVERLAP_CHARS: Final = 500  # longer than anything that is sought
_NAME_PART_CHARS: Final = 3  # a shorter part of a name is a word as others


@dataclass(frozen=True, slots=True)
class Findings:
    """How often each was found in one document, and on which ``pages``, by its name here (from 1; 0: outside the pages).

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
    telling_properties: bool = False
    pages: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, told: dict[str, Any]) -> Self:
        """From what ``dataclasses.asdict`` made of it, through JSON. Raises DocumentError."""
        try:
            known = {each.name: told[each.name] for each in fields(cls)}
            return cls(**known | {"pages": {name: tuple(pages) for name, pages in told["pages"].items()}})
        except (AttributeError, KeyError, TypeError) as error:
            message = "what was found in a document cannot be read"
            raise DocumentError(message) from error


def screen_pdf(reading: Reading, known: Known) -> Findings:
    """Look through a PDF's pages, form fields, notes and properties."""
    looked = reading.looked
    if looked.fault is not None:
        return Findings(screened=False)
    texts = [(number, text) for number, text in enumerate(reading.texts, 1)] + [
        (OUTSIDE, each) for each in reading.asides
    ]
    found = _search(texts, Search.of(known), reading.letterhead)
    told = any(tells(text, known) for text in looked.metadata)
    whole = len(reading.texts) == len(looked.pages) and all(page.readable for page in looked.pages)
    return replace(found, screened=whole, telling_properties=told)


def screen_text(content: bytes, media_type: str, known: Known) -> Findings:
    """Look through a JSON, XML or text document; what is no such text counts as not read."""
    try:
        text = content.decode("utf-8-sig")
        if media_type.endswith("json"):
            text = "\n".join(_strings(json.loads(text)))
        elif media_type.endswith("xml"):
            text = html.unescape(_TAG.sub(_attributes, text))
        elif not media_type.startswith("text/"):
            return Findings(screened=False)
    except (ValueError, RecursionError):
        return Findings(screened=False)
    return _search([(OUTSIDE, text)], Search.of(known), "")


def tells(text: str, known: Known) -> bool:
    """Whether a property says who or what a letter is about: part of a person's name, a case number, a telling word."""
    words = f" {plain_words(text)} "
    names = {word for name in known.names for word in plain_words(name).split() if len(word) >= _NAME_PART_CHARS}
    cases = map(re.escape, filter(None, map(_line, known.case_numbers)))
    in_a_case = any(re.search(rf"(?<!\w){number}(?!\w)", _line(text)) for number in cases)
    return in_a_case or any(f" {name} " in words for name in names) or telling(text, known.telling_words)


def _line(text: str) -> str:
    """With its signs, so that a day is no case number: small letters, and one blank for several."""
    return " ".join(visible(text).casefold().split())


def _strings(value: Any) -> Iterator[str]:
    """Every name, text and number of a JSON document."""
    below = [value]
    while below:
        each = below.pop()
        if isinstance(each, dict):
            yield from each
            below += each.values()
        elif isinstance(each, list):
            below += each
        elif isinstance(each, str | int) and not isinstance(each, bool):
            yield str(each)


def _attributes(tag: re.Match[str]) -> str:
    """What stands in a tag beside its name: texts in quotes."""
    return " " + " ".join(_QUOTED.findall(tag[0])) + " "


def _pieces(text: str) -> Iterator[str]:
    """A long text bit by bit, each beginning before the end of the last: the threads beside this one get their turn."""
    for start in range(0, max(1, len(text)), _PIECE_CHARS):
        yield text[max(0, start - _OVERLAP_CHARS) : start + _PIECE_CHARS]


def _search(texts: Iterable[tuple[int, str]], search: Search, letterhead: str) -> Findings:
    counts, pages = dict.fromkeys(COUNTED, 0), {name: set[int]() for name in COUNTED}
    found = [(number, search.count(piece)) for number, text in texts for piece in _pieces(text)]
    found.append((_LETTERHEAD, {"other_municipalities": search.municipalities(letterhead)}))
    for number, counted in found:
        for name, count in counted.items():
            counts[name] += count
            if count:
                pages[name].add(number)
    told: dict[str, Any] = {"pages": {name: tuple(sorted(on)) for name, on in pages.items() if on}}
    return Findings(screened=True, **told | counts)
