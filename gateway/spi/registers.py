"""Registers of people that the rules ask before a letter leaves."""

from typing import Protocol

from gateway.domain.persons import Contact, Resident


class ContactRegister(Protocol):
    """Whether a person takes letters digitally (KRR). It is asked before every send and remembered for none."""

    async def contact(self, person: str) -> Contact:
        """By national identity number. Raises PartnerUnavailableError, PartnerRefusedError; DocumentError for an answer that nobody can read."""
        ...


class PopulationRegister(Protocol):
    """What Folkeregisteret says of a person. An answer is good for 24 hours at most (rule R08)."""

    async def resident(self, person: str) -> Resident | None:
        """By national identity number; None: no such person. Raises as ``ContactRegister.contact``."""
        ...
