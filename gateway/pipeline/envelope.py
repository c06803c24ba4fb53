"""The envelope that a case system puts around what it sends (``barnevern.md`` 5), read strictly.

Unknown fields are refused, and every text and list is bounded. What the gateway itself adds does not stand here:
``mottattTidspunkt``, ``frister`` and ``sporing``; nor do digests, which we make from the bytes.
"""

from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from gateway import limits
from gateway.domain.guards import GivenBasis
from gateway.domain.identifiers import is_organisation_number
from gateway.domain.routing import AddressKind
from gateway.errors import MalformedRequestError
from gateway.pipeline.validate import has_few_values


def _printable(text: str) -> str:
    if not text.isprintable():
        message = "not printable"
        raise ValueError(message)
    return text


def _organisation(text: str) -> str:
    if not is_organisation_number(text):
        message = "wrong control digit"
        raise ValueError(message)
    return text


Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_printable)]
Prose = Annotated[str, Field(min_length=1, max_length=2000)]
Code = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,40}$")]
Account = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]
Uuid = Annotated[str, Field(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")]
OrganisationNumber = Annotated[str, AfterValidator(_organisation)]
PersonNumber = Annotated[str, Field(pattern=r"^[0-9]{11,12}$")]
FileName = Annotated[str, Field(pattern=r'^[^/\\%:*?"<>|\x00-\x1f.][^/\\%:*?"<>|\x00-\x1f]{0,90}\.(json|pdf|xml)$')]
MediaType = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.+-]{0,60}/[a-z0-9][a-z0-9.+-]{0,60}$")]


class _Field(BaseModel):
    """camelCase on the wire, strict, nothing unknown; errors do not repeat what was sent."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, alias_generator=to_camel, hide_input_in_errors=True
    )


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


class Gradering(StrEnum):
    """What drives the rules of ``barnevern.md`` 9."""

    T = "T"
    S = "S"
    G = "G"


class Aktor(_Field):
    """A sender or recipient: an organisation, never a person. ``aktortype`` is of ``barnevern.md`` 2."""

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


class Avsender(Aktor):
    """The office that sends: kommunenummer and bydelsnummer name the tenant."""

    kommunenummer: Annotated[str, Field(pattern=r"^[0-9]{4}$")]
    bydelsnummer: Annotated[str, Field(pattern=r"^[0-9]{2}$")]


class Fagsystem(_Field):
    """The case system that made the message."""

    leverandor: Name
    navn: Name
    versjon: Name


class Kontaktperson(_Field):
    """Whom to call."""

    navn: Name
    telefon: Annotated[str, Field(max_length=40)] | None = None
    epost: Annotated[str, Field(max_length=200)] | None = None


class Barn(_Field):
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


class Part(_Field):
    """A party of the case."""

    rolle: Code
    fodselsnummer: PersonNumber | None = None
    navn: Name
    adressegradering: Code
    reservert: bool
    sprak: Code | None = None


class Hjemmel(_Field):
    """Where the law allows the disclosure. ``paragraf`` without the sign: ``13-5``."""

    lov: Code
    kapittel: Code | None = None
    paragraf: Annotated[str, Field(pattern=r"^[0-9]{1,3}(-[0-9]{1,3})?( ?[a-z])?$")]
    ledd: Annotated[list[Annotated[int, Field(ge=1, le=50)]], Field(max_length=limits.ENVELOPE_LIST_MAX)] = []
    bokstav: Annotated[list[Annotated[str, Field(pattern=r"^[a-z]$")]], Field(max_length=limits.ENVELOPE_LIST_MAX)] = []


class Vedlegg(_Field):
    """A document that follows in the same request under its file name. ``storrelse`` in octets, compared when given."""

    filnavn: FileName
    mime_type: MediaType
    storrelse: Annotated[int, Field(ge=0)] | None = None
    dokumenttype: Code
    sladdet: bool
    taushetsniva: Annotated[Gradering, Field(strict=False)]


class Melding(_Field):
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
    mottaker: Aktor
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
    konfidensialitet: Annotated[Gradering, Field(strict=False)]
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


def _fault(fault: Any) -> str:
    """Where and which rule. A name that came from outside is not repeated."""
    place: Sequence[str | int] = fault["loc"]
    if fault["type"] == "extra_forbidden":
        place = (*place[:-1], "?")
    return f"melding.{'.'.join(str(step) for step in place)}: {fault['type']}".replace(".:", ":")
