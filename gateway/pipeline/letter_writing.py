"""The documents of a letter when it is handed in: those that the case system brings, or one that is written from its data."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.domain.deadlines import OSLO
from gateway.domain.message_type import Audience, MessageType
from gateway.errors import DocumentError, MalformedRequestError
from gateway.letters.inspection import PDF
from gateway.letters.render import Frame, render
from gateway.pipeline.envelope import Melding, Vedlegg
from gateway.pipeline.envelope_letter import Brev, Person
from gateway.pipeline.environment import Environment

LETTER: Final = "brev.pdf"
"""What a letter is called that was written here."""
_OWN_PDF: Final = "dokument"
"""The field in which a type's document names the PDF that is the letter."""


@dataclass(frozen=True, slots=True)
class WrittenLetter:
    """A letter that was written here, as ``vedlegg`` would name it: what was stated of the data holds for it too."""

    vedlegg: Vedlegg
    pdf: bytes = field(repr=False)


def require_documents(kind: MessageType, melding: Melding) -> None:
    """Whether the envelope names the documents of this type. Raises MalformedRequestError."""
    if not kind.takes([document.filnavn for document in melding.vedlegg]):
        detail = "melding.vedlegg: the documents of this type are " + ", ".join(kind.documents)
        raise MalformedRequestError(detail)
    if kind.letter is None or not kind.letter.templates:
        return
    if any(document.filnavn.endswith(".pdf") != (document.mime_type == PDF) for document in melding.vedlegg):
        detail = f"melding.vedlegg: a name that ends in .pdf and mimeType {PDF} go together"
        raise MalformedRequestError(detail)
    brought = any(document.mime_type == PDF for document in melding.vedlegg)
    if not brought and _language(melding) not in kind.letter.templates:
        detail = "melding.vedlegg: there is no template in this language; bring the letter as a PDF"
        raise MalformedRequestError(detail)


async def written_letter(
    env: Environment, kind: MessageType, melding: Melding, came: Sequence[Vedlegg], document: object
) -> WrittenLetter | None:
    """The letter, written from the document that follows the type's schema; None where PDFs came.

    ``came``: the documents in their order; the first PDF is the letter, others are its attachments. Raises
    MalformedRequestError (``letter-not-written`` for signs that no letter font has), TooLargeError.
    """
    if kind.letter is None or not kind.letter.templates or not isinstance(document, Mapping):
        return None
    named, pdfs = document.get(_OWN_PDF), [one.filnavn for one in came if one.mime_type == PDF]
    if named is not None and named not in pdfs[:1]:
        detail = f"{kind.schema_document}: {_OWN_PDF} names the first PDF of the request, which is the letter"
        raise MalformedRequestError(detail)
    if pdfs:
        return None
    frame = _frame(env, kind, melding)
    try:
        pdf = await asyncio.to_thread(render, kind.letter, _language(melding), frame, document)
    except DocumentError:
        detail = f"{kind.schema_document}: has signs that our letters' fonts lack; bring the letter as a PDF"
        raise MalformedRequestError(detail, code="letter-not-written") from None
    return WrittenLetter(_like(kind, melding), pdf)


def _language(melding: Melding) -> str:
    return (melding.brev or Brev()).sprak


def _like(kind: MessageType, melding: Melding) -> Vedlegg:
    stated = next(document for document in melding.vedlegg if document.filnavn == kind.schema_document)
    return stated.model_copy(update={"filnavn": LETTER, "mime_type": PDF, "storrelse": None})


def _frame(env: Environment, kind: MessageType, melding: Melding) -> Frame:
    own = env.brev
    place = f"{own.returpostnummer} {own.returpoststed}".strip()
    return Frame(
        sender=own.avsender_navn,
        return_address=(*own.returadresse, *((place,) if place else ())),
        office=melding.avsender.navn,
        recipient=_address(melding),
        # A reporter is told no case number (R02).
        reference=None if kind.audience is Audience.REPORTER else melding.avsenders_ref,
        day=melding.sendt_tidspunkt.astimezone(OSLO).date(),
    )


def _address(melding: Melding) -> tuple[str, ...]:
    to = melding.mottaker
    if not isinstance(to, Person) or to.postadresse is None:
        return (to.navn,)
    at = to.postadresse
    place = f"{at.postnummer or ''} {at.poststed or ''}".strip()
    return (to.navn, *at.adresselinjer, *(line for line in (place, at.land) if line))
