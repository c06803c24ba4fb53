"""Whom the registers know. ``kind`` has the words of Digipost's simulator, so that one list of people serves all three."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from pydantic import Field

from gateway.config import Section
from gateway.simulators.digipost.people import Kind


class ContactKind(StrEnum):
    """What KRR says of somebody."""

    USER = "user"  # active, can be notified, has chosen a mailbox
    NO_MAILBOX = "no-mailbox"
    RESERVED = "reserved"
    NOT_NOTIFIABLE = "not-notifiable"  # active, but what is known is too old
    DELETED = "deleted"
    NOT_REGISTERED = "not-registered"


class Status(StrEnum):
    """Folkeregisteret's words for a standing, as its public clients list them."""

    BOSATT = "bosatt"
    UTFLYTTET = "utflyttet"
    DOED = "doed"
    FORSVUNNET = "forsvunnet"
    OPPHOERT = "opphoert"
    FOEDSELSREGISTRERT = "foedselsregistrert"
    IKKE_BOSATT = "ikkeBosatt"
    MIDLERTIDIG = "midlertidig"
    INAKTIV = "inaktiv"


class Protection(StrEnum):
    """Folkeregisteret's words for a grading. Who has none lacks the part, or has ``ugradert``."""

    UGRADERT = "ugradert"
    KLIENTADRESSE = "klientadresse"
    FORTROLIG = "fortrolig"
    STRENGT_FORTROLIG = "strengtFortrolig"
    STRENGT_FORTROLIG_UTLAND = "strengtFortroligUtland"


class Home(Section):
    """Where somebody lives, in the words of Folkeregisteret's ``vegadresse``."""

    adressenavn: str = "Prøvegata"
    husnummer: str | None = None
    husbokstav: str | None = None
    postnummer: str | None = None
    poststedsnavn: str | None = None


@dataclass(frozen=True, slots=True)
class Registered:
    """Somebody, as both registers know him or her. ``protection`` None: the part is left out; ``email`` None: made of the name."""

    number: str
    first_name: str = "Prøve"
    last_name: str = "Prøvesen"
    contact: ContactKind = ContactKind.USER
    status: Status = Status.BOSATT
    protection: Protection | None = None
    home: Home = field(default_factory=Home)
    email: str | None = None


_CONTACTS: Final = {
    Kind.USER: ContactKind.USER,
    Kind.NOT_USER: ContactKind.NO_MAILBOX,
    Kind.RESERVED: ContactKind.RESERVED,
    Kind.BLOCKED: ContactKind.NOT_REGISTERED,
}


class PersonOfRegisters(Section):
    """Somebody. Who is not here is not known at all. ``kind`` as at Digipost; the others say where it is otherwise."""

    number: str = Field(pattern=r"^\d{11}$")
    kind: Kind = Kind.USER
    first_name: str = "Prøve"
    last_name: str = "Prøvesen"
    contact: ContactKind | None = None
    status: Status = Status.BOSATT
    protection: Protection | None = None
    home: Home = Home()
    email: str | None = None

    def registered(self) -> Registered:
        """The same for the servers: who is blocked at Digipost has a strictly confidential address."""
        blocked = Protection.STRENGT_FORTROLIG if self.kind is Kind.BLOCKED else None
        return Registered(
            self.number,
            self.first_name,
            self.last_name,
            self.contact or _CONTACTS[self.kind],
            self.status,
            self.protection or blocked,
            self.home,
            self.email,
        )
