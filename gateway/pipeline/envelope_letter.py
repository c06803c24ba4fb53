"""The parts of an envelope that letters to people need: whom they reach, and what the rules must know."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from gateway.domain.routing import AddressKind
from gateway.pipeline.envelope_fields import Code, EnvelopeField, Identity, Name


class Postadresse(EnvelopeField):
    """Where a letter is printed for, if a named person lets it be printed, or where a party is.

    ``land`` (ISO 3166-1 alpha-2) for abroad.
    """

    adresselinjer: Annotated[list[Name], Field(min_length=1, max_length=4)]
    postnummer: Annotated[str, Field(pattern=r"^[0-9]{4}$")] | None = None
    poststed: Name | None = None
    land: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = None


class Person(EnvelopeField):
    """A recipient that is a person. Letters go by the identity number alone; ``rolle`` names one of ``parter``."""

    fodselsnummer: Identity
    navn: Name
    aktortype: Annotated[str, Field(pattern=r"^A[0-9]{2}$")]
    rolle: Code | None = None
    postadresse: Postadresse | None = None

    def addresses(self) -> dict[AddressKind, str]:
        """What leads to the person. Never stored as it is: a road's recipient is a pseudonym (``clear``)."""
        found = {AddressKind.FODSELSNUMMER: self.fodselsnummer}
        return found if self.postadresse is None else found | {AddressKind.POST: self.fodselsnummer}


class Melder(EnvelopeField):
    """Who reported, as far as documents for parties depend on it: ``PRIVAT``, ``OFFENTLIG``, ``ANONYM`` and so on."""

    type: Literal["PRIVAT", "OFFENTLIG", "ANONYM", "BARNET_SELV", "INGEN"]
    onsker_anonymitet: bool = False
    navn: Name | None = None


class Avtale(EnvelopeField):
    """When and where somebody is called to, for their calendar. Carriers can read it: nothing of the case."""

    start: Annotated[AwareDatetime, Field(strict=False)]
    slutt: Annotated[AwareDatetime, Field(strict=False)] | None = None
    sted: Name | None = None


class Brev(EnvelopeField):
    """What a letter needs beside its documents. What shows outside has words of ours, never the sender's.

    ``sms_etter_timer``, ``epost_etter_timer``: notices so many hours later, the SMS where it is unread. Nobody states an
    e-mail address: KRR is asked for it when the letter leaves.
    """

    sprak: Literal["nb", "nn"] = "nb"
    leveres_tidligst: Annotated[AwareDatetime, Field(strict=False)] | None = None
    apningskvittering: bool = False
    sms_etter_timer: Annotated[list[Annotated[int, Field(ge=1, le=240)]], Field(max_length=3)] = []
    epost_etter_timer: Annotated[list[Annotated[int, Field(ge=1, le=240)]], Field(max_length=3)] = []
    forseglet: bool = False
    rekommandert: bool = False
    avtale: Avtale | None = None


class Godkjenning(EnvelopeField):
    """Somebody who approved this letter in the case system (rule R18)."""

    person: Code
    tidspunkt: Annotated[AwareDatetime, Field(strict=False)]
