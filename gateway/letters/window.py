"""What shows of a letter on its way: the envelope's window, read back as it shows (rule R16).

The carrier prints a sheet of its own with the addresses that we give it. How it sets them is not known; here they are set as
large as letters are, so that what does not fit, or tells more than it should, is seen before.
"""

import json
from collections.abc import Iterable
from typing import Final

import typst

from gateway.config import Brev, Vindu
from gateway.letters.reader import Reader
from gateway.letters.traces import plain_words, telling

_SHEET: Final = b"""
#let given = json(bytes(sys.inputs.given))
#set document(date: none)
#set page(paper: "a4", margin: 0pt)
#set text(size: 10pt, hyphenate: false)
#let block(lines) = for line in lines [#line \\ ]
#place(top + left, dx: given.left * 1mm, dy: given.top * 1mm, {
  text(size: 7pt, block(given.from))
  block(given.to)
})
"""
"""Return line and recipient at the window's upper left corner. What they say comes as data and is never read as markup."""
_INSET_MM: Final = 3.0


def neutral_sender(reader: Reader, recipient_lines: tuple[str, ...], brev: Brev, office_names: tuple[str, ...]) -> bool:
    """Whether the window shows the recipient and ``avsender_navn`` with its return address, and nothing that tells more.

    ``recipient_lines``: name and address as they are printed. ``office_names``: what the office calls itself; none may show.
    Blocks. Raises ReaderUnavailableError.
    """
    place = f"{brev.returpostnummer} {brev.returpoststed}".strip()
    sender = (brev.avsender_navn, *brev.returadresse, *((place,) if place else ()))
    shown = shown_through(reader, cover_sheet(sender, recipient_lines, reader.window))
    whole = plain_words(shown) == plain_words(" ".join((*sender, *recipient_lines)))
    names = {plain_words(name) for name in office_names} - {plain_words(brev.avsender_navn), ""}
    return whole and neutral(shown, (*brev.ord_som_roper, *names))


def neutral(text: str, words: Iterable[str]) -> bool:
    """Whether none of the words stands in a text, alone or within another word, however it is written."""
    return not telling(text, words)


def cover_sheet(sender: Iterable[str], recipient: Iterable[str], window: Vindu) -> bytes:
    """The sheet behind the window, as PDF."""
    given = {
        "from": [" · ".join(sender)],
        "to": list(recipient),
        "left": window.venstre_mm + _INSET_MM,
        "top": window.topp_mm + _INSET_MM,
    }
    made = typst.compile(_SHEET, sys_inputs={"given": json.dumps(given)}, ignore_system_fonts=True)
    return bytes(made)


def shown_through(reader: Reader, sheet: bytes) -> str:
    """What of a PDF's first page shows through the window; nothing where it cannot be read."""
    return reader.read([sheet], len(sheet)).looked.window_text
