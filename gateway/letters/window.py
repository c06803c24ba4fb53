"""What shows of a letter on its way: the envelope's window, read back as it shows (rule R16)."""

from gateway.config import Brev
from gateway.letters.reader import Reader


def neutral_sender(reader: Reader, recipient_lines: tuple[str, ...], brev: Brev, office_names: tuple[str, ...]) -> bool:
    """Whether the window shows the recipient and ``avsender_navn`` with its return address, and nothing that tells more.

    ``recipient_lines``: name and address as they are printed. ``office_names``: what the office calls itself; none may show.
    Blocks. Raises ReaderUnavailableError.
    """
    raise NotImplementedError


def neutral(text: str, words: tuple[str, ...]) -> bool:
    """Whether none of the words stands in a text, alone or within another word, however it is written."""
    raise NotImplementedError
