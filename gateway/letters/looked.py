"""What was seen in one PDF: facts for the pre-flight, and the text of its pages for the screening.

Lengths are millimetres on the page as a reader shows it, from its upper left corner.
"""

from dataclasses import dataclass, field, fields
from typing import Any, Final, Self

from gateway.errors import DocumentError

PASSWORD: Final = "pdf-password"  # noqa: S105  a code
BROKEN: Final = "pdf-broken"
NO_PAGES: Final = "pdf-no-pages"
TOO_MANY_PAGES: Final = "pdf-too-many-pages"
TOO_HARD: Final = "pdf-too-hard"
TOO_LARGE: Final = "pdf-too-large"

READY: Final = b"ready\n"
"""What the process that reads PDFs says first."""
LENGTH_BYTES: Final = 8
"""Before a question and an answer stands its length, the highest octet first."""

Rect = tuple[float, float, float, float]
"""Left, top, right, bottom."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page. ``blank``: nothing is drawn on it. ``readable``: what is drawn on it was read as text.

    ``in_barcode_zone``: text stands where print services put their code. ``leftmost_mm``: where its text begins, counted from
    the left; None without text.
    """

    width_mm: float
    height_mm: float
    blank: bool
    readable: bool
    in_barcode_zone: bool
    leftmost_mm: float | None = None


@dataclass(frozen=True, slots=True)
class Looked:
    """What one PDF is. ``fault``: why it could not be read, one of the codes above; then nothing else is known.

    ``encrypted``: it opens without a password all the same. ``fonts_missing``: names of fonts that are used and not
    embedded. ``scripts``, ``launches``, ``embedded_files``, ``xfa``: how many there are, in use or not. ``links``: addresses outside.
    ``metadata``: every text of its properties, its outline and its structure. ``window_text``: what stands on the first page
    where an envelope would show it.
    """

    fault: str | None = None
    version: str = ""
    encrypted: bool = False
    pages: tuple[Page, ...] = ()
    fonts_missing: tuple[str, ...] = ()
    scripts: int = 0
    launches: int = 0
    embedded_files: int = 0
    xfa: int = 0
    links: int = 0
    metadata: tuple[str, ...] = field(default=(), repr=False)
    window_text: str = field(default="", repr=False)

    @classmethod
    def of(cls, told: dict[str, Any]) -> Self:
        """From what ``dataclasses.asdict`` made of it, through JSON. Raises DocumentError."""
        try:
            known = {each.name: told[each.name] for each in fields(cls)}
            known["pages"] = tuple(Page(**page) for page in told["pages"])
            known |= {name: tuple(told[name]) for name in ("fonts_missing", "metadata")}
            return cls(**known)
        except (KeyError, TypeError) as error:
            message = "what was seen in a PDF cannot be read"
            raise DocumentError(message) from error


@dataclass(frozen=True, slots=True)
class Reading:
    """A PDF with its text. ``texts``: page by page. ``letterhead``: the upper part of the first page.

    ``asides``: texts that stand on no page: values of form fields and notes.
    """

    looked: Looked
    texts: tuple[str, ...] = field(default=(), repr=False)
    letterhead: str = field(default="", repr=False)
    asides: tuple[str, ...] = field(default=(), repr=False)
