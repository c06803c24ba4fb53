"""Where in a message the fault is that holds it: which documents, on which pages.

The journal keeps numbers alone. A file's name is its sender's: it is read from the message's own rows when it is shown.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from gateway import limits
from gateway.domain.guards import addresses, documents, reporter
from gateway.letters.inspection import Inspected
from gateway.letters.preflight import Fault

_MORE: Final = "+"


@dataclass(frozen=True, slots=True)
class Place:
    """One document, by its number in the message: the first one is 1, and all that are stored count.

    ``pages``: the first of those that have the fault, from 1; none where it is on no page. ``more_pages``: further ones have
    it. ``name``: the file's, for whoever may see it; never logged.
    """

    document: int
    pages: tuple[int, ...] = ()
    more_pages: bool = False
    name: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Places:
    """The first documents that have the fault; none where it is in no document. ``more_documents``: further ones have it."""

    documents: tuple[Place, ...] = ()
    more_documents: bool = False


def find(code: str, faults: Sequence[Fault], seen: Sequence[Inspected]) -> Places:
    """Where this stop comes from: a fault of a file, or what was found in a text. ``seen``: all documents, in their order."""
    faulty = {fault.document: fault.pages for fault in faults if fault.code == code}
    where = _IN_TEXTS.get(code)
    found: list[tuple[int, Sequence[int]]] = []
    for number, one in enumerate(seen, 1):
        pages = faulty.get(one.name) if where is None else where(one)
        if pages is not None:
            found.append((number, pages))
    told = tuple(_place(number, pages) for number, pages in found[: limits.HOLD_DOCUMENTS_TOLD])
    return Places(told, len(found) > len(told))


def _place(document: int, pages: Sequence[int]) -> Place:
    on_pages = [page for page in pages if page > 0]  # 0: in the file, on no page
    told = tuple(on_pages[: limits.HOLD_PAGES_TOLD])
    return Place(document, told, len(on_pages) > len(told))


def to_ref(places: Places) -> str:
    """As the journal keeps it: ``2:1,3+ 4 +`` is document 2 on pages 1, 3 and more, document 4, and more documents."""
    more = [_MORE] if places.more_documents else []
    return " ".join([*map(_kept, places.documents), *more])


def _kept(place: Place) -> str:
    pages = ",".join(map(str, place.pages))
    return f"{place.document}:{pages}{_MORE if place.more_pages else ''}" if pages else str(place.document)


def from_ref(kept: str) -> Places:
    """From that form; the journal holds no other."""
    *words, last = kept.split(" ")
    more = last == _MORE
    return Places(tuple(map(_read, words if more else [*words, last])), more)


def _read(word: str) -> Place:
    document, _, pages = word.partition(":")
    numbers = pages.removesuffix(_MORE)
    return Place(int(document), tuple(map(int, numbers.split(","))) if numbers else (), pages.endswith(_MORE))


def named(places: Places, names: Sequence[str]) -> Places:
    """With the names of the message's documents, in their order."""
    return replace(places, documents=tuple(replace(one, name=names[one.document - 1]) for one in places.documents))


def _finding(name: str) -> Callable[[Inspected], tuple[int, ...] | None]:
    """The pages of what ``Findings`` counts under this name; None for a document without it."""
    return lambda one: one.findings.pages.get(name)


def _not_read(one: Inspected) -> tuple[int, ...] | None:
    """The pages whose words were not read; none of them where nothing of the document was."""
    if one.findings.screened:
        return None
    pages = one.looked.pages if one.looked is not None else ()
    return tuple(number for number, page in enumerate(pages, 1) if not page.readable)


_IN_TEXTS: Final[Mapping[str, Callable[[Inspected], tuple[int, ...] | None]]] = {
    reporter.CASE_NUMBER: _finding("other_case_numbers"),
    reporter.REPORTER_NAMED: _finding("reporters_names"),
    addresses.ADDRESS_FOUND: _finding("protected_addresses"),
    addresses.NOT_SCREENED: _not_read,
    documents.PROTECTED_ADDRESS: _finding("protected_addresses"),
    documents.FOREIGN_NUMBER: _finding("foreign_numbers"),
    documents.OTHER_CASE: _finding("other_case_numbers"),
    documents.OTHER_MUNICIPALITY: _finding("other_municipalities"),
    documents.NOT_SCREENED: _not_read,
    documents.PARENTS_NUMBER: _finding("parents_numbers"),
    documents.PARENTS_NOT_SOUGHT: _not_read,
}
"""What a rule's stop was found by, where that is the text of documents."""
