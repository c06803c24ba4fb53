"""A letter to a person, made once and sent as it is: its particulars are fixed and kept sealed before the first attempt.

What was fixed (documents, their ids, pages and digests, subjects, who released it to paper) is the same in every attempt,
whatever configuration says by then. The person's number and name stay in the sealed envelope alone and are read from there.
"""

import asyncio
import hashlib
import json
import uuid
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, Row

from gateway.domain.message_type import LetterForm
from gateway.errors import PolicyError, StoreError
from gateway.letters import window
from gateway.letters.inspection import PDF
from gateway.pipeline import registers
from gateway.pipeline.envelope_letter import Avtale, Brev, Person
from gateway.pipeline.environment import Environment
from gateway.pipeline.look import looked
from gateway.pipeline.outgoing import Outgoing, road_of
from gateway.pipeline.roads import OpenRoad
from gateway.pipeline.vault import SealedRecord
from gateway.spi import Appointment, EmailNotice, Letter, LetterDocument, PostalAddress, PrintOrder
from gateway.store import approvals, messages, payloads
from gateway.store.parcels import StoredParcel
from gateway.store.payloads import StoredRecord

NO_DOCUMENT: Final = "no-document-to-send"
NO_FORM: Final = "no-letter-form"
NO_ADDRESS: Final = "no-address"
PLACE_TELLS: Final = "appointment-place-tells"
NOT_RELEASED: Final = "r15-print-not-released"
"""Why a letter is held before it is made; texts stand in ``texts.HOLDS``."""


@dataclass(frozen=True, slots=True)
class _Fixed:
    """One document as it was fixed. ``name``: our own, in the message; it does not leave. ``sha256``: hexadecimal."""

    name: str
    uuid: str
    subject: str
    file_name: str
    pages: int
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class _Particulars:
    """What was fixed of a letter. ``released_by`` and ``return_address``: of one on paper."""

    documents: tuple[_Fixed, ...]
    released_by: str = ""
    return_address: PostalAddress | None = None

    @classmethod
    def of(cls, raw: bytes) -> "_Particulars":
        """As it was kept. Raises StoreError."""
        try:
            told: dict[str, Any] = json.loads(raw)
            documents, back = [_Fixed(**one) for one in told["documents"]], told["return_address"]
            address = PostalAddress(**(back | {"lines": tuple(back["lines"])})) if back is not None else None
            return cls(tuple(documents), told["released_by"], address)
        except (ValueError, KeyError, TypeError):
            message = "what was fixed of a letter cannot be read"
            raise StoreError(message) from None


async def fix(env: Environment, outgoing: Outgoing, chosen: StoredParcel) -> SealedRecord:
    """Fix a letter's particulars, and keep them sealed.

    Raises PolicyError whose text is a cause of ``texts.HOLDS``, ReaderUnavailableError, StoreError.
    """
    form, brev = env.types.type(outgoing.row.type).letter, outgoing.melding.brev or Brev()
    if form is None:
        raise PolicyError(NO_FORM)
    place = brev.avtale.sted if brev.avtale is not None else None
    if place is not None and not window.neutral(place, env.brev.ord_som_roper):
        raise PolicyError(PLACE_TELLS)
    rows, records, released_by = await env.store.read(partial(_stored, outgoing=outgoing))
    if not rows:
        raise PolicyError(NO_DOCUMENT)
    pages = {one.name: one.pages for one in await looked(env, outgoing)}
    fixed = await asyncio.to_thread(_documents, env, outgoing, rows, records, pages, _subjects(form, brev, len(rows)))
    particulars = _Particulars(fixed)
    if road_of(chosen).on_paper:
        if not released_by:
            raise PolicyError(NOT_RELEASED)
        particulars = _Particulars(fixed, released_by, _return_address(env))
    raw = json.dumps(asdict(particulars), ensure_ascii=False).encode()
    return await asyncio.to_thread(env.vault.seal_all, outgoing.key, chosen.purpose, [raw])


async def letter(env: Environment, outgoing: Outgoing, chosen: StoredParcel, stored: StoredRecord) -> Letter:
    """The letter as it was fixed. Raises PolicyError for a recipient who is no person or has no address; StoreError."""
    to, brev = outgoing.melding.mottaker, outgoing.melding.brev or Brev()
    if not isinstance(to, Person):
        raise PolicyError(NO_ADDRESS)
    raw = await asyncio.to_thread(lambda: b"".join(env.vault.pieces(outgoing.key, chosen.purpose, stored)))
    particulars = _Particulars.of(raw)
    records = await env.store.read(lambda conn: payloads.all_of(conn, outgoing.row.id, "document:"))
    documents = [_document(env, outgoing, records, one, sealed=brev.forseglet) for one in particulars.documents]
    if brev.avtale is not None:
        documents[0] = _with_appointment(documents[0], brev.avtale, brev.sprak)
    later = brev.leveres_tidligst
    if later is not None and later <= env.clock.now():
        later = None  # the time has come while it was held, or on its way: nothing is waited for
    return Letter(
        person=to.fodselsnummer,
        name=to.navn,
        documents=tuple(documents),
        language=brev.sprak,
        delivery_time=later,
        opening_receipt=brev.apningskvittering,
        sms_after_hours=tuple(brev.sms_etter_timer),
        print_order=_print_order(to, brev, particulars) if road_of(chosen).on_paper else None,
    )


async def with_email(env: Environment, outgoing: Outgoing, road: OpenRoad, letter: Letter) -> Letter:
    """The letter with the notice by e-mail that was asked for, to where KRR says now.

    Without one where the person cannot be notified or is reserved, KRR gives no address, or the road has no words of its own for
    a notice: that a notice is not possible keeps no letter here. The address is in this attempt alone.
    """
    hours = (outgoing.melding.brev or Brev()).epost_etter_timer
    if not hours or letter.print_order is not None or not road.notices:
        return letter
    found = await registers.contact(env, outgoing.row.tenant, letter.person)
    if found is None or found.email is None or found.reserved or not found.notifiable:
        env.log.info("letter.no_email_notice", tenant=outgoing.row.tenant, message_id=outgoing.row.id)
        return letter
    start = letter.delivery_time or env.clock.now()
    return replace(letter, email=EmailNotice(found.email, tuple(start + timedelta(hours=each) for each in hours)))


def _stored(conn: Connection, outgoing: Outgoing) -> tuple[list[Row[Any]], dict[str, StoredRecord], str]:
    """The PDFs of the message, every document's record, and who released it to paper, if anybody did."""
    message_id = outgoing.row.id
    rows = [row for row in messages.documents(conn, message_id) if row.media_type == PDF]
    released_by = ", ".join(sorted(approvals.of(conn, message_id).get(NOT_RELEASED, ())))
    return rows, payloads.all_of(conn, message_id, "document:"), released_by


def _subjects(form: LetterForm, brev: Brev, count: int) -> list[str]:
    """What shows of each document: the type's own words, never the case system's."""
    subject = form.subjects.get(brev.sprak) or next(iter(form.subjects.values()))
    return [subject, *(f"Vedlegg {number}" for number in range(1, count))]


def _documents(
    env: Environment,
    outgoing: Outgoing,
    rows: list[Row[Any]],
    records: dict[str, StoredRecord],
    pages: dict[str, int],
    subjects: list[str],
) -> tuple[_Fixed, ...]:
    """Blocks: each is read once for its digest."""
    fixed = []
    for number, (row, subject) in enumerate(zip(rows, subjects, strict=True)):
        digest = hashlib.sha256()
        for piece in env.vault.pieces(outgoing.key, row.purpose, records[row.purpose]):
            digest.update(piece)
        name = f"vedlegg-{number}.pdf" if number else "brev.pdf"
        one = _Fixed(row.name, str(uuid.uuid4()), subject, name, pages.get(row.name, 1), row.size, digest.hexdigest())
        fixed.append(one)
    return tuple(fixed)


def _document(
    env: Environment, outgoing: Outgoing, records: dict[str, StoredRecord], fixed: _Fixed, *, sealed: bool
) -> LetterDocument:
    purpose = f"document:{fixed.name}"
    return LetterDocument(
        uuid=fixed.uuid,
        subject=fixed.subject,
        file_name=fixed.file_name,
        file_type="pdf",
        media_type=PDF,
        size_bytes=fixed.size,
        sha256=fixed.sha256,
        content=partial(env.vault.stream, outgoing.key, purpose, records[purpose]),
        pages=fixed.pages,
        sealed=sealed,
    )


def _with_appointment(document: LetterDocument, avtale: Avtale, language: str) -> LetterDocument:
    return replace(document, appointment=Appointment(avtale.start, avtale.slutt, avtale.sted, language))


def _return_address(env: Environment) -> PostalAddress:
    """What shows as sender in the envelope's window: the municipality's own choice of neutral words (rule R16)."""
    brev = env.brev
    return PostalAddress(brev.avsender_navn, brev.returadresse, brev.returpostnummer, brev.returpoststed)


def _print_order(to: Person, brev: Brev, particulars: _Particulars) -> PrintOrder:
    if to.postadresse is None or particulars.return_address is None:
        raise PolicyError(NO_ADDRESS)
    place = to.postadresse
    lines, abroad = tuple(place.adresselinjer), place.land if place.land != "NO" else None
    address = PostalAddress(to.navn, lines, place.postnummer or "", place.poststed or "", abroad)
    return PrintOrder(address, particulars.return_address, particulars.released_by, registered=brev.rekommandert)
