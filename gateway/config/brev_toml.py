"""``brev.toml`` and ``regler.toml``: what the municipality decides of letters, and where the law stands that rules follow."""

import re
from datetime import date
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from gateway.config.values import Section

_FORM: Final = re.compile(
    r"(?:(?:[A-Za-zÆØÅæøå0-9 /:_-]|\\[d./-]|\[[A-Za-zÆØÅæøå0-9 /:_-]+\])(?:\{\d{1,2}(?:,\d{1,2})?\}|\?)?)+"
)
_CHOICES_MAX: Final = 3


def _linear(form: str) -> str:
    r"""Signs, ``\d`` and sets in brackets, each so many times: found in any text in a time that grows with its length alone."""
    if _FORM.fullmatch(form) is None or len(re.findall(r"\?|,\d", form)) > _CHOICES_MAX:
        message = "only letters, digits, blank / : - _ \\\\d \\\\. and [...], each with {n}, {n,m} or ?, at most three of the last two"
        raise ValueError(message)
    try:
        re.compile(form)
    except re.error as error:
        message = "a set or a number of times is the wrong way round"
        raise ValueError(message) from error
    return form


class Vei(Section):
    """What one road takes: media types, pages and octets of all documents of a letter together."""

    media_typer: tuple[str, ...] = ("application/pdf",)
    sider_maks: int = Field(default=200, ge=1, le=1000)
    oktetter_maks: int = Field(default=104_857_600, ge=1, le=134_217_728)


class Vindu(Section):
    """Where an envelope's window lies on the sheet behind it, in millimetres from its upper left corner.

    No source gives Digipost's; this is ours, as wide as common Norwegian window envelopes are, and a little more.
    """

    venstre_mm: float = Field(default=15.0, ge=0, le=210)
    topp_mm: float = Field(default=35.0, ge=0, le=297)
    bredde_mm: float = Field(default=105.0, gt=0, le=210)
    hoyde_mm: float = Field(default=55.0, gt=0, le=297)


class Papir(Section):
    """What can be printed. ``venstremarg_mm``: no text further left. ``for_smal_mm``: so much less than A4 a page may be."""

    venstremarg_mm: float = Field(default=18.0, ge=0, le=60)
    for_smal_mm: int = Field(default=10, ge=0, le=30)
    versjon_maks: str = Field(default="1.7", pattern=r"^\d\.\d$")


class Priser(Section):
    """What letters cost, in kroner, for the preview alone: a letter's price, and what each further sheet or mebibyte adds.

    ``ark_i_c5``: so many sheets go in the small envelope; more cost ``stor_konvolutt`` beside. ``store_minst``: the carrier
    counts at least so many large envelopes a day.
    """

    digitalt_brev: float = Field(default=0.0, ge=0)
    digitalt_per_mib: float = Field(default=0.0, ge=0)
    utskrift: float = Field(default=0.0, ge=0)
    utskrift_per_ark: float = Field(default=0.0, ge=0)
    stor_konvolutt: float = Field(default=0.0, ge=0)
    rekommandert: float = Field(default=0.0, ge=0)
    ark_i_c5: int = Field(default=7, ge=1)
    store_minst: int = Field(default=1, ge=1, le=1000)


class Brev(Section):
    """``brev.toml``. Without the file, what is most careful holds.

    ``utskrift_virkedager``: working days from a letter's release to paper until it is delivered. ``godkjenning_fra_fagsystem``: approvals stated by the case system count for
    rule R18, never for a changed key. ``fortrolig_digitalt``: a person whose own address is FORTROLIG may get letters in a mailbox, never on paper.
    ``saksnummer``: what case numbers look like, to find other cases' in a text. ``ord_som_roper``: words that may not show
    outside a letter. ``avsender_navn`` and ``returadresse``: what shows in the envelope's window.
    """

    utskrift_virkedager: int = Field(default=5, ge=1, le=30)
    godkjenning_fra_fagsystem: bool = False
    fortrolig_digitalt: bool = False
    saksnummer: Annotated[str, AfterValidator(_linear)] | None = Field(default=None, max_length=200)
    ord_som_roper: tuple[str, ...] = (
        "barnevern",
        "barnevernet",
        "barneverntjenesten",
        "omsorg",
        "bekymring",
        "undersøkelse",
    )
    avsender_navn: str = "Kommunen"
    returadresse: tuple[str, ...] = ()
    returpostnummer: str = Field(default="", pattern=r"^(\d{4})?$")
    returpoststed: str = ""
    vindu: Vindu = Field(default_factory=Vindu)
    papir: Papir = Field(default_factory=Papir)
    priser: Priser = Field(default_factory=Priser)
    veier: dict[str, Vei] = Field(default_factory=dict)


class Regel(Section):
    """One rule of ``regler.toml``: the law that it follows and the days on which it is asked."""

    lov: str
    gyldig_fra: date
    gyldig_til: date = date.max
    bekreftet: bool = False
