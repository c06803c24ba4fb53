"""Roads a message may take, in order: which adapter carries it, and by which of the recipient's addresses."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

LOOPBACK: Final = "loopback"
"""The road back to oneself: the only one that may be used without guards (decisions 6.9)."""

_ROAD: Final = re.compile(r"([a-z][a-z0-9-]{0,39})(?::(orgnr|kontoId|herId|bydel|fodselsnummer|post))?")


class AddressKind(StrEnum):
    """Which of the recipient's addresses a road goes by; the names are the envelope's (``barnevern.md`` 5).

    ``bydel`` is made of two of its fields: ``4601-02``, or ``4601`` where the district is left to the road. Two are a
    person's: the identity number, for a digital mailbox, and the postal address, for paper.
    """

    ORGNR = "orgnr"
    KONTO_ID = "kontoId"
    HER_ID = "herId"
    BYDEL = "bydel"
    FODSELSNUMMER = "fodselsnummer"
    POST = "post"


@dataclass(frozen=True, slots=True)
class Road:
    """One way out."""

    adapter: str
    address: AddressKind = AddressKind.ORGNR

    def __str__(self) -> str:
        """As ``config/routes.toml`` writes it: ``fiks:kontoId``, or the adapter alone for organisation numbers."""
        return self.adapter if self.address is AddressKind.ORGNR else f"{self.adapter}:{self.address}"

    @classmethod
    def parse(cls, text: str) -> "Road | None":
        """From the form of the configuration; None when it is not of that form."""
        found = _ROAD.fullmatch(text)
        return None if found is None else cls(found[1], AddressKind(found[2] or AddressKind.ORGNR))

    @property
    def letter(self) -> bool:
        """Whether it leads to a person."""
        return self.address in {AddressKind.FODSELSNUMMER, AddressKind.POST}

    @property
    def on_paper(self) -> bool:
        """Whether what takes it is printed (rules R14 to R16)."""
        return self.address is AddressKind.POST

    def recipient(self, addresses: Mapping[AddressKind, str]) -> str | None:
        """The recipient as this road names it; None when it has no such address."""
        return addresses.get(self.address)


def next_road(roads: Sequence[Road], taken: Sequence[str]) -> Road | None:
    """The first road that was not taken yet; None when there is none left."""
    return next((road for road in roads if str(road) not in taken), None)
