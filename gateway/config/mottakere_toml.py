"""``mottakere.toml``: the units that may be sent to (rule R19). A municipality's main organisation is hardly ever one."""

import re
from collections.abc import Iterable
from datetime import date
from typing import Final

from gateway.config.values import Section

_UNIT: Final = re.compile(r"[0-9]{9}(/[A-Za-z0-9._:-]{1,64})?", re.ASCII)


class Mottaker(Section):
    """One unit, under its organisation number, or organisation number and account as ``[910000001/konto]`` in quotes.

    ``godkjent_av``: who found out that this is the right unit, and ``godkjent`` when. Before that day it does not count.
    """

    navn: str
    godkjent_av: str
    godkjent: date


def address_faults(units: Iterable[str]) -> list[str]:
    """Which of the names are no organisation number, with or without an account."""
    return [
        f"mottakere.toml: {name}: want an organisation number, or number/account"
        for name in units
        if not _UNIT.fullmatch(name)
    ]
