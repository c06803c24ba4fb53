"""The envelope that a case system puts around what it sends (``barnevern.md`` 5), read strictly.

Unknown fields are refused, and every text and list is bounded. What the gateway itself adds does not stand here:
``mottattTidspunkt``, ``frister`` and ``sporing``; nor do digests, which we make from the bytes.
"""

import json
from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import (
    AwareDatetime,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    model_validator,
)

from gateway import limits
from gateway.domain.guards import GivenBasis
from gateway.domain.guards.facts import Content, Family, Secrecy
from gateway.domain.routing import AddressKind
from gateway.errors import MalformedRequestError
from gateway.pipeline.envelope_fields import (
    Account,
    Code,
    EnvelopeField,
    FileName,
    MediaType,
    Name,
    OrganisationNumber,
    PersonNumber,
    Prose,
    Uuid,
)
from gateway.pipeline.envelope_letter import Brev, Godkjenning, Melder, Person, Postadresse
from gateway.pipeline.validate import has_few_values


class Forbindelse(StrEnum):
    """How a follow-up relates to the message it follows; a new message has none."""

    DUPLIKAT = "Duplikat"
    OPPDATERING = "Oppdatering"
    TILLEGG = "Tillegg"
    TRUKKET = "Trukket"
    SLETTET = "Slettet"
    APPLIKASJONS_KVITTERING = "ApplikasjonsKvittering"
    SAKSBEHANDLER_KVITTERING = "SaksbehandlerKvittering"
    SVAR = "Svar"
    FEIL = "Feil"


class Aktor(EnvelopeField):
    """A sender or recipient that is an organisation. ``aktortype`` is of ``barnevern.md`` 2."""

    orgnr: OrganisationNumber
    navn: Name
    kommunenummer: Annotated[str, Field(pattern=r"^[0-9]{4}$")] | None = None
    kommunenavn: Name | None = None
    bydelsnummer: Annotated[str, Field(pattern=r"^[0-9]{2}$")] | None = None
    bydelsnavn: Name | None = None
    aktortype: Annotated[str, Field(pattern=r"^[AS][0-9]{2}$")]
    konto_id: Account | None = None
    her_id: Annotated[str, Field(pattern=r"^[0-9]{1,10}$")] | None = None

    def addresses(self) -> dict[AddressKind, str]:
        """Every address that a road may go by."""
        found = {
            AddressKind.ORGNR: self.orgnr,
            AddressKind.KONTO_ID: self.konto_id,
            AddressKind.HER_ID: self.her_id,
            AddressKind.BYDEL: self._bydel(),
        }
        return {kind: address for kind, address in found.items() if address is not None}

    def _bydel(self) -> str | None:
        if self.kommunenummer is None or self.bydelsnummer is None:
            return self.kommunenummer
        return f"{self.kommunenummer}-{self.bydelsnummer}"


def _kind_of_recipient(told: Any) -> str:
    fields = told if isinstance(told, dict) else getattr(told, "__dict__", {})
    return "person" if "fodselsnummer" in fields else "organisasjon"


Mottaker = Annotated[
    Annotated[Aktor, Tag("organisasjon")] | Annotated[Person, Tag("person")], Discriminator(_kind_of_recipient)
]


class Avsender(Aktor):
    """The office that sends: kommunenummer and bydelsnummer name the tenant."""

    kommunenummer: Annotated[str, Field(pattern=r"^[0-9]{4}$")]
    bydelsnummer: Annotated[str, Field(pattern=r"^[0-9]{2}$")]


class Fagsystem(EnvelopeField):
    """The case system that made the message."""

    leverandor: Name
    navn: Name
    versjon: Name


class Kontaktperson(EnvelopeField):
    """Whom to call."""

    navn: Name
    telefon: Annotated[str, Field(max_length=40)] | None = None
    epost: Annotated[str, Field(max_length=200)] | None = None


class Barn(EnvelopeField):
    """A child: one number of the three kinds, or unborn."""

    fodselsnummer: PersonNumber | None = None
    dufnummer: PersonNumber | None = None
    midlertidig_nummer: Account | None = None
    ufodt: bool = False
    termin_dato: Annotated[date, Field(strict=False)] | None = None
    kommunal_saks_id: Account | None = None

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        numbers = [self.fodselsnummer, self.dufnummer, self.midlertidig_nummer]
        if sum(number is not None for number in numbers) + self.ufodt != 1:
            message = "exactly one of fodselsnummer, dufnummer, midlertidigNummer and ufodt"
            raise ValueError(message)
        return self


class Part(EnvelopeField):
    """A party of the case.

    ``adresseSkjultFor``: who may not learn where this party is, by decision, by role or identity number; an empty list says
    that there are none. ``adresse``: where it is, looked for in documents of those who may not learn it; it never leaves
    (``without_addresses``). ``partsrett``: whether the party may read the case's documents. ``fullmaktTil``: the last day of a
    representative's authority. ``besluttetForBarn``: that a child under 15 gets this letter was decided.
    """

    rolle: Code
    fodselsnummer: PersonNumber | None = None
    navn: Name
    adressegradering: Code
    reservert: bool
    sprak: Code | None = None
    adresse_skjult_for: Annotated[list[Code], Field(max_length=limits.ENVELOPE_LIST_MAX)] | None = None
    adresse: Postadresse | None = Field(default=None, repr=False)
    partsrett: bool | None = None
    fullmakt_til: Annotated[date, Field(strict=False)] | None = None
    besluttet_for_barn: bool | None = None


class Hjemmel(EnvelopeField):
    """Where the law allows the disclosure. ``paragraf`` without the sign: ``13-5``."""

    lov: Code
    kapittel: Code | None = None
    paragraf: Annotated[str, Field(pattern=r"^[0-9]{1,3}(-[0-9]{1,3})?( ?[a-z])?$")]
    ledd: Annotated[list[Annotated[int, Field(ge=1, le=50)]], Field(max_length=limits.ENVELOPE_LIST_MAX)] = []
    bokstav: Annotated[list[Annotated[str, Field(pattern=r"^[a-z]$")]], Field(max_length=limits.ENVELOPE_LIST_MAX)] = []


class Vedlegg(EnvelopeField):
    """A document that follows in the same request under its file name. ``storrelse`` in octets, compared when given.

    ``sladdingBekreftetAv``: who looked through a redacted document. ``inneholder``: what it holds, as rules need it;
    ``frigittAv``: who let a child's own words be shown.
    """

    filnavn: FileName
    mime_type: MediaType
    storrelse: Annotated[int, Field(ge=0)] | None = None
    dokumenttype: Code
    sladdet: bool
    taushetsniva: Annotated[Secrecy, Field(strict=False)]
    sladding_bekreftet_av: Code | None = None
    inneholder: Annotated[list[Annotated[Content, Field(strict=False)]], Field(max_length=len(Content))] | None = None
    frigitt_av: Code | None = None


class Melding(EnvelopeField):
    """The envelope."""

    melding_id: Uuid
    start_melding_id: Uuid | None = None
    oppfolging_av_melding_id: Uuid | None = None
    meldingsforbindelse: Annotated[Forbindelse, Field(strict=False)] | None = None
    meldingstype: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,60}(\.[a-z0-9-]{1,60}){0,3}$")]
    meldingstype_versjon: Annotated[str, Field(pattern=r"^v[0-9]{1,3}$")]
    skjema_navnerom: Annotated[str, Field(max_length=200)] | None = None
    sendt_tidspunkt: Annotated[AwareDatetime, Field(strict=False)]
    avsender: Avsender
    mottaker: Mottaker
    avsenders_ref: Name | None = None
    mottakers_ref: Name | None = None
    fagsystem: Fagsystem
    kontaktperson: Kontaktperson | None = None
    kontaktperson_leder: Kontaktperson | None = None
    barn: Annotated[list[Barn], Field(max_length=limits.ENVELOPE_LIST_MAX)] = []
    parter: Annotated[list[Part], Field(max_length=limits.ENVELOPE_LIST_MAX)] = []
    hjemmel: Annotated[list[Hjemmel], Field(max_length=limits.ENVELOPE_LIST_MAX)] = []
    formal: Prose | None = None
    nodvendighet: Prose | None = None
    melder: Melder | None = None
    foreldresituasjon: Annotated[Family, Field(strict=False)] | None = None
    avviksreferanse: Code | None = None
    godkjenninger: Annotated[list[Godkjenning], Field(max_length=limits.ENVELOPE_LIST_MAX)] = []
    brev: Brev | None = None
    konfidensialitet: Annotated[Secrecy, Field(strict=False)]
    vedlegg: Annotated[list[Vedlegg], Field(min_length=1, max_length=limits.PARTS_MAX - 1)]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.meldingsforbindelse is None) != (self.oppfolging_av_melding_id is None):
            message = "meldingsforbindelse and oppfolgingAvMeldingId go together"
            raise ValueError(message)
        names = [document.filnavn.casefold() for document in self.vedlegg]
        if len(set(names)) != len(names) or ENVELOPE_FILE in names:
            message = "each filnavn once, and none is melding.json"
            raise ValueError(message)
        return self

    @property
    def type_key(self) -> str:
        """Name and version, as the catalogue has it."""
        return f"{self.meldingstype}.{self.meldingstype_versjon}"

    @property
    def tenant(self) -> str:
        """The office that sends."""
        return f"{self.avsender.kommunenummer}-{self.avsender.bydelsnummer}"

    @property
    def discloses(self) -> bool:
        """Whether it leaves the service: everything that is not to the very same office."""
        if isinstance(self.mottaker, Person):
            return True
        ours = (self.avsender.orgnr, self.avsender.kommunenummer, self.avsender.bydelsnummer)
        return ours != (self.mottaker.orgnr, self.mottaker.kommunenummer, self.mottaker.bydelsnummer)

    def given_bases(self) -> tuple[GivenBasis, ...]:
        """The legal bases that the sender states."""
        return tuple(GivenBasis(one.lov, one.paragraf) for one in self.hjemmel)


ENVELOPE_FILE = "melding.json"
"""The envelope's name in the container that leaves."""


def read_envelope(raw: bytes) -> Melding:
    """Parse an envelope. Raises MalformedRequestError naming fields and rules, never what was sent."""
    if not has_few_values(raw):
        message = "melding: too many values"
        raise MalformedRequestError(message)
    try:
        return Melding.model_validate_json(raw)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False, include_context=False)
        raise MalformedRequestError("; ".join(_fault(fault) for fault in faults[:5])) from None


def without_addresses(raw: bytes) -> bytes:
    """A stored envelope as it may leave: without where the parties are; the same octets where none is stated."""
    envelope = json.loads(raw)
    stating = [part for part in envelope.get("parter", []) if "adresse" in part]
    for part in stating:
        del part["adresse"]
    return json.dumps(envelope, ensure_ascii=False).encode() if stating else raw


def _fault(fault: Any) -> str:
    """Where and which rule. A name that came from outside is not repeated."""
    place: Sequence[str | int] = fault["loc"]
    if fault["type"] == "extra_forbidden":
        place = (*place[:-1], "?")
    return f"melding.{'.'.join(str(step) for step in place)}: {fault['type']}".replace(".:", ":")
