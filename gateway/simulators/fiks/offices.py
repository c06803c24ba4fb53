"""Municipalities and their child-welfare offices, as the portal knows them (fiks.md 8 and 10)."""

from dataclasses import dataclass, field
from typing import Literal
from uuid import uuid4

from gateway.errors import UnknownResourceError

Version = Literal["V1", "V2"]


@dataclass(frozen=True, slots=True)
class Bydel:
    """An office and the account that its reports go to. ``ressurs_id`` is what reports name it by."""

    kommunenummer: str
    kommunenavn: str
    bydelsnummer: str
    bydelsnavn: str
    konto_id: str
    standard_mottaker: bool = True
    stottet_versjon: Version = "V2"
    ressurs_id: str = field(default_factory=lambda: str(uuid4()))


class Offices:
    """All of them; more can be added while the platform runs."""

    def __init__(self) -> None:
        self._offices: dict[tuple[str, str], Bydel] = {}

    def add(self, office: Bydel) -> Bydel:
        """Add or replace an office."""
        self._offices[office.kommunenummer, office.bydelsnummer] = office
        return office

    def all(self) -> list[Bydel]:
        """Every office."""
        return list(self._offices.values())

    def of(self, kommunenummer: str) -> list[Bydel]:
        """A municipality's offices; none when it is unknown or has not activated the service."""
        return [office for office in self._offices.values() if office.kommunenummer == kommunenummer]

    def office(self, kommunenummer: str, bydelsnummer: str) -> Bydel:
        """One office. Raises UnknownResourceError."""
        found = self._offices.get((kommunenummer, bydelsnummer))
        if found is None:
            message = "there is no such office"
            raise UnknownResourceError(message)
        return found
