"""What a letter's files must be before it is sent over a road, and what keeps it here otherwise (``digipost.md`` 7).

The codes are causes of holds; their texts stand in ``gateway.pipeline.texts``. A PDF is sent as it came: what is wrong with it
is mended where it was made.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.config import Brev, Papir, Vei
from gateway.domain.routing import Road
from gateway.letters.inspection import PDF, Inspected
from gateway.letters.looked import PASSWORD, TOO_LARGE, TOO_MANY_PAGES, Looked, Page

SCRIPT: Final = "pdf-script"
LAUNCH: Final = "pdf-launch"
EMBEDDED_FILE: Final = "pdf-embedded-file"
FORM: Final = "pdf-form"
TELLING_PROPERTIES: Final = "pdf-metadata-names"
FONT_NOT_EMBEDDED: Final = "pdf-font-not-embedded"
NOT_A4: Final = "pdf-not-a4"
VERSION: Final = "pdf-version"
MARGIN: Final = "pdf-margin"
TYPE_NOT_ALLOWED: Final = "file-type-not-allowed"

_A4_MM: Final = (210, 297)
_PAPER_PAGES: Final = 20  # what Digipost prints where nothing else is agreed


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a letter cannot go over this road. ``document``: its file, None where it is all of them together.

    ``pages``: those that have it, from 1, where it is pages that have it. ``detail``: a version, numbers or names of fonts. It
    is for people: never logged, never a metric's label.
    """

    code: str
    document: str | None = None
    pages: tuple[int, ...] = ()
    detail: str = field(default="", repr=False)


def faults(inspected: Sequence[Inspected], road: Road, brev: Brev) -> tuple[Fault, ...]:
    """Everything that is wrong with the documents that are to go over this road, those first that bar any road.

    ``inspected``: these documents and no others, so a type's own form does not stand among them.
    """
    takes = road_limits(brev, road)
    found = [fault for one in inspected for fault in _of_document(one, takes, brev.papir, on_paper=road.on_paper)]
    return (*found, *_of_all(inspected, takes))


def road_limits(brev: Brev, road: Road) -> Vei:
    """What this road takes: as configured, else the defaults; of paper at most what Digipost prints by itself."""
    configured = brev.veier.get(str(road))
    return configured or (Vei(sider_maks=_PAPER_PAGES) if road.on_paper else Vei())


def _of_all(inspected: Sequence[Inspected], takes: Vei) -> Iterator[Fault]:
    pages = sum(len(one.looked.pages) for one in inspected if one.looked is not None)
    if pages > takes.sider_maks:
        yield Fault(TOO_MANY_PAGES, detail=f"{pages} > {takes.sider_maks}")
    if sum(one.size_bytes for one in inspected) > takes.oktetter_maks:
        yield Fault(TOO_LARGE)


def _of_document(one: Inspected, takes: Vei, paper: Papir, *, on_paper: bool) -> Iterator[Fault]:
    if one.media_type not in takes.media_typer or (on_paper and one.media_type != PDF):
        yield Fault(TYPE_NOT_ALLOWED, one.name)
    if one.looked is None:
        return
    if one.looked.fault is not None:
        yield Fault(one.looked.fault, one.name)
        return
    codes = [code for code, holds in _EVERYWHERE.items() if holds(one.looked)]
    yield from (Fault(code, one.name) for code in codes)
    if one.findings.telling_properties:
        yield Fault(TELLING_PROPERTIES, one.name)
    if one.looked.fonts_missing:
        yield Fault(FONT_NOT_EMBEDDED, one.name, detail=", ".join(one.looked.fonts_missing))
    if on_paper:
        yield from _on_paper(one.name, one.looked, paper)


_EVERYWHERE: Final[dict[str, Callable[[Looked], bool]]] = {
    SCRIPT: lambda looked: looked.scripts > 0,
    LAUNCH: lambda looked: looked.launches > 0,
    EMBEDDED_FILE: lambda looked: looked.embedded_files > 0,
    FORM: lambda looked: looked.xfa > 0,
}
"""What no road takes: it does something, or shows something else to somebody else."""


def _on_paper(name: str, looked: Looked, paper: Papir) -> Iterator[Fault]:
    if looked.encrypted:
        yield Fault(PASSWORD, name)
    if _numbers(looked.version) > _numbers(paper.versjon_maks):
        yield Fault(VERSION, name, detail=looked.version)
    odd = _pages(looked, lambda page: not _is_a4(page, paper.for_smal_mm))
    if odd:
        yield Fault(NOT_A4, name, odd)
    narrow = _pages(looked, lambda page: _in_margin(page, paper.venstremarg_mm))
    if narrow:
        yield Fault(MARGIN, name, narrow)


def _is_a4(page: Page, tolerance_mm: int) -> bool:
    """Upright or lying, in whole millimetres, never larger."""
    sides = sorted((round(page.width_mm), round(page.height_mm)))
    return all(a4 - tolerance_mm <= side <= a4 for side, a4 in zip(sides, _A4_MM, strict=True))


def _in_margin(page: Page, margin_mm: float) -> bool:
    """Text where the code is printed; of an upright page, in the left margin at all."""
    upright = page.height_mm >= page.width_mm
    return page.in_barcode_zone or (upright and page.leftmost_mm is not None and page.leftmost_mm < margin_mm)


def _pages(looked: Looked, holds: Callable[[Page], bool]) -> tuple[int, ...]:
    """The numbers of the pages of which it holds."""
    return tuple(number for number, page in enumerate(looked.pages, 1) if holds(page))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
