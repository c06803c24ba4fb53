"""Documents are looked at: their text for what may not leave, their PDFs for what keeps a letter here.

What was found is kept sealed with the message, so that later attempts read no PDF again until something else is sought: a
record's purpose has a keyed digest of what it sought, the lines of hidden addresses among it. Safe to repeat: the first
look for the same stays.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Row

from gateway.crashpoints import Point
from gateway.domain.message_type import Audience, Lane
from gateway.domain.persons import Residence
from gateway.errors import DocumentError
from gateway.letters.inspection import Inspected, Source, from_record, inspect, to_record
from gateway.letters.screening import Known
from gateway.letters.traces import plain_words
from gateway.pipeline import stated
from gateway.pipeline.envelope import Melding
from gateway.pipeline.envelope_letter import Person
from gateway.pipeline.environment import Environment
from gateway.pipeline.outgoing import Outgoing
from gateway.pipeline.vault import SealedRecord
from gateway.store import journal, messages, payloads
from gateway.store.payloads import StoredRecord

SCREENING: Final = "screening:"
"""The purpose of a record begins so."""
_DIGEST_CHARS: Final = 32

_READING: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="reads-pdfs")
"""PDFs are read one after the other: whoever waits for that takes none of the threads in which reports are opened."""

T = TypeVar("T")


async def in_turn(work: Callable[..., T], *arguments: Any) -> T:
    """Run what blocks on reading PDFs when its turn comes."""
    return await asyncio.get_running_loop().run_in_executor(_READING, work, *arguments)


async def look(env: Environment, outgoing: Outgoing, residents: stated.Residents) -> tuple[Inspected, ...]:
    """What is known of every document. Raises ReaderUnavailableError, StoreError."""
    rows, records = await env.store.read(lambda conn: _stored(conn, outgoing.row.id))
    known = _known(env, outgoing, residents)
    purpose = _purpose(env, outgoing, known)
    kept = await asyncio.to_thread(_kept, env, outgoing, purpose, records.get(purpose))
    if kept is not None:
        return kept
    sources = [_source(env, outgoing, row, records) for row in rows]
    found = await in_turn(inspect, env.pdfs, sources, known)
    record = await asyncio.to_thread(env.vault.seal_all, outgoing.key, purpose, [to_record(found)])
    await env.store.write(lambda conn: _keep(env, conn, outgoing, record, len(found)), Point.SEALED, _lane(outgoing))
    return found


async def looked(env: Environment, outgoing: Outgoing) -> tuple[Inspected, ...]:
    """Any look there was, for what does not depend on what was sought, such as pages. Raises as ``look``."""
    _, records = await env.store.read(lambda conn: _stored(conn, outgoing.row.id))
    for purpose, stored in records.items():
        if purpose.startswith(SCREENING):
            kept = await asyncio.to_thread(_kept, env, outgoing, purpose, stored)
            if kept is not None:
                return kept
    return await look(env, outgoing, {})


def _purpose(env: Environment, outgoing: Outgoing, known: Known) -> str:
    """Of the record of a look for this: a digest under the office's index key, another one for each message."""
    sought = {name: sorted(value) if isinstance(value, frozenset) else value for name, value in asdict(known).items()}
    told = json.dumps([outgoing.row.id, sought]).encode()
    return SCREENING + env.vault.mac(outgoing.row.tenant, "screening", told)[:_DIGEST_CHARS]


def _stored(conn: Connection, message_id: str) -> tuple[Sequence[Row[Any]], dict[str, StoredRecord]]:
    return messages.documents(conn, message_id), payloads.all_of(conn, message_id, "")


def _kept(
    env: Environment, outgoing: Outgoing, purpose: str, stored: StoredRecord | None
) -> tuple[Inspected, ...] | None:
    """The earlier look; None where there was none, or an older gateway wrote it in another form."""
    if stored is None:
        return None
    try:
        return from_record(b"".join(env.vault.pieces(outgoing.key, purpose, stored)))
    except DocumentError:
        return None


def _source(env: Environment, outgoing: Outgoing, row: Row[Any], records: dict[str, StoredRecord]) -> Source:
    pieces = partial(env.vault.pieces, outgoing.key, row.purpose, records[row.purpose])
    return Source(row.name, row.media_type, row.size, pieces)


def _known(env: Environment, outgoing: Outgoing, residents: stated.Residents) -> Known:
    """What may stand in the documents. A reporter is told no case number, so none is this case's to it (R02)."""
    melding = outgoing.melding
    reporter = stated.reporter_facts(melding)
    hidden = melding.melder is not None and reporter is not None and reporter.protected
    to_reporter = env.types.type(outgoing.row.type).audience is Audience.REPORTER
    return Known(
        numbers=stated.numbers(melding),
        parents_numbers=stated.parents_numbers(melding),
        case_numbers=frozenset() if to_reporter else stated.case_numbers(melding),
        case_number_form=env.brev.saksnummer,
        municipalities=_municipalities(env, melding),
        protected_addresses=_protected_lines(env, melding, residents),
        reporter_names=(melding.melder.navn,) if hidden and melding.melder and melding.melder.navn else (),
        names=stated.names(melding),
        telling_words=env.brev.ord_som_roper,
    )


def _protected_lines(env: Environment, melding: Melding, residents: stated.Residents) -> tuple[str, ...]:
    """What tells where those are of whom the recipient may not learn it.

    Postcode and place alone tell it too, but not where they are the sender's or the recipient's own: those stand in every letter.
    """
    to, brev = melding.mottaker, env.brev
    common = {plain_words(f"{brev.returpostnummer} {brev.returpoststed}")}
    if isinstance(to, Person) and to.postadresse is not None:
        common.add(plain_words(_place(stated.residence_of(to.postadresse))))
    lines = []
    for one in stated.hidden_addresses(melding, env.today(), residents):
        place = _place(one)
        lines += [*one.lines, *([place] if plain_words(place) not in common else [])]
    return tuple(sorted({line for line in lines if line}))


def _place(residence: Residence) -> str:
    """Postcode and place; a place without its code has too many people to tell anything."""
    return f"{residence.postnummer} {residence.poststed}".strip() if residence.postnummer else ""


def _municipalities(env: Environment, melding: Melding) -> tuple[str, ...]:
    found = [env.offices.of(melding.tenant).kommunenavn, melding.avsender.navn, melding.avsender.kommunenavn]
    if not isinstance(melding.mottaker, Person):
        found += [melding.mottaker.navn, melding.mottaker.kommunenavn]
    return tuple(name for name in dict.fromkeys(found) if name)


def _keep(env: Environment, conn: Connection, outgoing: Outgoing, record: SealedRecord, count: int) -> None:
    row = outgoing.row
    if payloads.find_key(conn, row.id) is None:
        return  # shredded meanwhile: nothing of it is kept
    if payloads.insert(conn, row.tenant, row.id, record.purpose, record.stored):
        refs: dict[str, str | int] = {"documents": count}
        journal.write(conn, journal.Entry(journal.LOOKED_AT, row.tenant, env.now(), "gateway", row.id, refs=refs))


def _lane(outgoing: Outgoing) -> Lane:
    return Lane(outgoing.row.lane)
