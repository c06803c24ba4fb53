"""Finds in a text what points to people, cases, places and senders: identity numbers, case numbers, addresses, names.

Every pattern runs in linear time: what can repeat has a largest length, or ends at a sign that it cannot hold (S34).
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Self

from gateway.domain.identity_number import is_identity_number

COUNTED: Final = (
    "foreign_numbers",
    "parents_numbers",
    "other_case_numbers",
    "other_municipalities",
    "protected_addresses",
    "reporters_names",
)
"""What is counted; the names are those of ``Findings``."""

_NUMBER: Final = re.compile(
    r"(?<![0-9])([0-9]{2})[. ]?([0-9]{2})[. ]?(?:19|20)?([0-9]{2})[ .-]{0,3}([0-9]{3}) ?([0-9]{2})(?![0-9])"
)
_SPACED: Final = re.compile(r"(?<![0-9])(?<![0-9] )[0-9](?: [0-9]){10}(?! ?[0-9])")
_DIGITLIKE: Final = re.compile(r"[0-9OoIl|]{5,24}")
_DIGITS_FOR: Final = str.maketrans("OoIl|", "00111")
_DIGITS_MIN: Final = 4  # of a word with letters that look like digits
_BLANKS: Final = re.compile(r"\s+")
_NO_WORD: Final = re.compile(r"[^\w]+|_+")
_MUNICIPALITY: Final = re.compile(
    r"(?<![\w-])([^\W\d_][\w-]{1,40}) (?:kommune|herad|suohkan|gielda|tjielte)\b", re.IGNORECASE
)
_GENERIC: Final = frozenset({"din", "vår", "denne", "hver", "annen", "norsk", "samme"})
_LETTER_SPACED: Final = re.compile(r"(?<!\w)\w(?: \w){3,60}(?!\w)")
_INVISIBLE: Final = dict.fromkeys(
    [0x02, 0xAD, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF, 0xFFFE, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
)
"""What shows nothing: soft hyphens (PDFium writes one as 2 or U+FFFE), joiners, marks of direction."""


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
class Search:
    """What to look for, prepared once for all pages."""

    known: Known = field(repr=False)
    case_number: re.Pattern[str] | None
    case_numbers: frozenset[str] = field(repr=False)
    addresses: tuple[re.Pattern[str], ...] = field(repr=False)
    reporters: tuple[str, ...] = field(repr=False)
    own_municipalities: frozenset[str]

    @classmethod
    def of(cls, known: Known) -> Self:
        """The form of case numbers was checked when the configuration was read."""
        return cls(
            known,
            re.compile(rf"(?<!\w)(?:{known.case_number_form})(?!\w)") if known.case_number_form else None,
            frozenset(map(plain_words, known.case_numbers)),
            tuple(_spaced_anyhow(line) for line in map(plain_words, known.protected_addresses) if line),
            tuple(order for name in known.reporter_names for order in _orders(name)),
            frozenset(word for name in known.municipalities for word in plain_words(name).split()),
        )

    def count(self, text: str) -> dict[str, int]:
        """How often each is found on one page, municipalities apart: they count in a letterhead alone."""
        seen = visible(text)
        numbers = identity_numbers(seen)
        words = f" {plain_words(seen)} " if self.addresses or self.reporters else ""
        cases = self.case_number.findall(_BLANKS.sub(" ", seen)) if self.case_number else []
        return {
            "foreign_numbers": len(numbers - self.known.numbers),
            "parents_numbers": len(numbers & self.known.parents_numbers),
            "other_case_numbers": len(set(map(plain_words, cases)) - self.case_numbers),
            "protected_addresses": sum(line.search(words) is not None for line in self.addresses),
            "reporters_names": sum(f" {name} " in words for name in self.reporters),
        }

    def municipalities(self, letterhead: str) -> int:
        """How many other municipalities than the known ones a letterhead names."""
        line = _BLANKS.sub(" ", visible(letterhead))
        named = {plain_words(found[1]) for found in _MUNICIPALITY.finditer(line) if found[1][0].isupper()}
        return len(named - self.own_municipalities - _GENERIC)


def visible(text: str) -> str:
    """As a reader sees it: no soft hyphens and joiners, and digits and letters in their plain form."""
    shown = text.translate(_INVISIBLE)
    return (
        shown
        if unicodedata.is_normalized("NFKC", shown)
        else unicodedata.normalize("NFKC", shown).translate(_INVISIBLE)
    )


def plain_words(text: str) -> str:
    """Words in small letters with one blank between, without signs."""
    return " ".join(_NO_WORD.sub(" ", visible(text).casefold()).split())


def telling(text: str, words: Iterable[str]) -> bool:
    """Whether one of the words stands in a text, alone or within another word, letter-spaced too."""
    plain = _LETTER_SPACED.sub(lambda found: found[0].replace(" ", ""), plain_words(text))
    return any(word in plain for word in map(plain_words, words) if word)


def identity_numbers(text: str) -> frozenset[str]:
    """Every identity number in a visible text: together, in groups, letter-spaced, broken over lines, with O and l for digits."""
    return frozenset(number for view in _views(text) for number in _numbers(view) if is_identity_number(number))


def _views(text: str) -> Iterator[str]:
    """Lines one after the other, and put together where a number may go on."""
    digits = _DIGITLIKE.sub(_as_digits, text)
    yield _BLANKS.sub(" ", digits)
    yield _BLANKS.sub(" ", re.sub(r"(?<=[0-9])-?[ \t]{0,4}\r?\n[ \t]{0,4}(?=[0-9])", "", digits))


def _as_digits(word: re.Match[str]) -> str:
    looks = word[0]
    return looks.translate(_DIGITS_FOR) if sum(map(str.isdigit, looks)) >= _DIGITS_MIN else looks


def _numbers(view: str) -> Iterator[str]:
    for found in _NUMBER.finditer(view):
        yield "".join(found.groups())
    for found in _SPACED.finditer(view):
        yield found[0].replace(" ", "")


def _spaced_anyhow(line: str) -> re.Pattern[str]:
    """Plain words, however they are divided: ``12b`` for ``12 b``, a word broken at a hyphen, letters set apart."""
    return re.compile(r"(?<!\w)" + " ?".join(map(re.escape, line.replace(" ", ""))) + r"(?!\w)")


def _orders(name: str) -> Iterator[str]:
    """A name as it is said, and with the family name first; with a middle name or without."""
    words = plain_words(name).split()
    if len(words) > 1:
        yield from {
            " ".join(words),
            " ".join([words[0], words[-1]]),
            " ".join([words[-1], *words[:-1]]),
            f"{words[-1]} {words[0]}",
        }
    elif words:
        yield words[0]
