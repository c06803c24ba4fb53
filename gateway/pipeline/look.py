"""Documents are looked at once: their text for what may not leave, their PDFs for what keeps a letter here.

What was found is kept sealed with the message, so that later attempts read no PDF again. Safe to repeat: the first look stays.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Row

from gateway.crashpoints import Point
from gateway.domain.message_type import Audience, Lane
from gateway.errors import DocumentError
from gateway.letters.inspection import Inspected, Source, from_record, inspect, to_record
from gateway.letters.screening import Known
from gateway.pipeline import stated
from gateway.pipeline.envelope import Melding
from gateway.pipeline.envelope_letter import Person
from gateway.pipeline.environment import Environment
from gateway.pipeline.outgoing import Outgoing
from gateway.pipeline.vault import SealedRecord
from gateway.store import journal, messages, payloads
from gateway.store.payloads import StoredRecord

SCREENING: Final = "screening"
"""The purpose of the record."""

_READING: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="reads-pdfs")
"""PDFs are read one after the other: whoever waits for that takes none of the threads in which reports are opened."""

T = TypeVar("T")


async def in_turn(work: Callable[..., T], *arguments: Any) -> T:
    """Run what blocks on reading PDFs when its turn comes."""
    return await asyncio.get_running_loop().run_in_executor(_READING, work, *arguments)


async def look(env: Environment, outgoing: Outgoing) -> tuple[Inspected, ...]:
    """What is known of every document. Raises ReaderUnavailableError, StoreError."""
    rows, records = await env.store.read(lambda conn: _stored(conn, outgoing.row.id))
    kept = await asyncio.to_thread(_kept, env, outgoing, records.get(SCREENING))
    if kept is not None:
        return kept
    sources = [_source(env, outgoing, row, records) for row in rows]
    known = _known(env, outgoing)
    found = await in_turn(inspect, env.pdfs, sources, known)
    record = await asyncio.to_thread(env.vault.seal_all, outgoing.key, SCREENING, [to_record(found)])
    await env.store.write(lambda conn: _keep(env, conn, outgoing, record, len(found)), Point.SEALED, _lane(outgoing))
    return found


def _stored(conn: Connection, message_id: str) -> tuple[Sequence[Row[Any]], dict[str, StoredRecord]]:
    return messages.documents(conn, message_id), payloads.all_of(conn, message_id, "")


def _kept(env: Environment, outgoing: Outgoing, stored: StoredRecord | None) -> tuple[Inspected, ...] | None:
    """The earlier look; None where there was none, or an older gateway wrote it in another form."""
    if stored is None:
        return None
    try:
        return from_record(b"".join(env.vault.pieces(outgoing.key, SCREENING, stored)))
    except DocumentError:
        return None


def _source(env: Environment, outgoing: Outgoing, row: Row[Any], records: dict[str, StoredRecord]) -> Source:
    pieces = partial(env.vault.pieces, outgoing.key, row.purpose, records[row.purpose])
    return Source(row.name, row.media_type, row.size, pieces)


def _known(env: Environment, outgoing: Outgoing) -> Known:
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
        reporter_names=(melding.melder.navn,) if hidden and melding.melder and melding.melder.navn else (),
        names=stated.names(melding),
        telling_words=env.brev.ord_som_roper,
    )


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
