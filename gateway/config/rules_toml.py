"""``frister.toml``, ``hjemler.toml`` and ``oppbevaring.toml``: what the law and the municipality decide."""

from typing import Literal, Self

from pydantic import Field, model_validator

from gateway.config.values import Section


class Frist(Section):
    """One clock of ``frister.toml``; lengths in days, hours or months as its law says.

    ``krever_hendelse``: the event of its message without which it cannot apply. ``siste_utskriftsdag``: it rings on the last
    day for print too (``brev.toml`` ``utskrift_virkedager``). ``utloper``: a period that runs out and breaks nothing. ``alarm``:
    what rings.
    """

    lov: str
    tittel: str
    start: str
    dager: float = 0
    timer: float = 0
    minutter: float = 0
    maneder: int = 0
    maneder_utvidet: int = 0
    slutt_av_dagen: bool = True
    stopp: tuple[str, ...] = ()
    varsle_etter_minutter: tuple[float, ...] = ()
    varsle_etter_dager: tuple[float, ...] = ()
    varsle_dager_for: tuple[float, ...] = ()
    bare_offentlig_melder: bool = False
    krever_kjent_melder: bool = False
    krever_hendelse: str | None = None
    siste_utskriftsdag: bool = False
    utloper: bool = False
    alarm: Literal["clock-rings", "letter-unopened"] = "clock-rings"


class Hjemmel(Section):
    """One legal basis of ``hjemler.toml``. ``kode`` is the law as envelopes name it (``barnevern.md`` 5)."""

    lov: str
    kode: str | None = None
    paragraf: str
    gyldig_fra: str
    gyldig_til: str | None = None
    bekreftet: bool = False


class Tid(Section):
    """How long the content of one message type is kept: ``dager`` after the case system's confirmation or the end."""

    dager: int = Field(ge=1)
    etter: Literal["fagsystem", "slutt"] = "fagsystem"


class Oppbevaring(Section):
    """``oppbevaring.toml``. Without ``typer`` nothing is ever shredded; with them two people and a reason must stand."""

    besluttet_av: tuple[str, ...] = ()
    begrunnelse: str = ""
    typer: dict[str, Tid] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _decided(self) -> Self:
        if self.typer and (len(set(self.besluttet_av)) < 2 or not self.begrunnelse.strip()):  # noqa: PLR2004
            message = "deleting needs two different people in besluttet_av and a begrunnelse"
            raise ValueError(message)
        return self
