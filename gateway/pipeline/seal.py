"""A parcel is sealed once: signed by the office, encrypted for the recipient, stored. Every attempt sends these bytes."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from sqlalchemy import Connection

from gateway.crashpoints import Point
from gateway.crypto.at_rest import plaintext_size
from gateway.crypto.published import recipient_certificate
from gateway.domain.lifecycle import State
from gateway.domain.message_type import Lane
from gateway.domain.routing import LOOPBACK
from gateway.errors import ConfigError, ContentError, PolicyError, StoreError, TrustError, UnknownResourceError
from gateway.pipeline import letter_parcel
from gateway.pipeline.enclose import CANNOT_SEAL, NO_SIGNING_KEY, RECIPIENT_UNKNOWN, File, seal_files
from gateway.pipeline.envelope import ENVELOPE_FILE, without_addresses
from gateway.pipeline.environment import Environment
from gateway.pipeline.outgoing import Outgoing, road_of, still_owed
from gateway.pipeline.roads import OpenRoad
from gateway.pipeline.seal_report import OFFICE, PRINT, Documents, print_part, report_sealing
from gateway.pipeline.vault import MessageKey, SealedRecord
from gateway.spi import Address, Answered, Letter, Parcel, Refused, ReportDirectory, Seal, Stream
from gateway.store import journal, messages, payloads
from gateway.store.outbox import Item
from gateway.store.parcels import StoredParcel
from gateway.store.payloads import StoredRecord

Records = Mapping[str, StoredRecord]
"""The sealed parts of one parcel, by purpose."""


async def sealed_parcel(
    env: Environment, item: Item, outgoing: Outgoing, road: OpenRoad, chosen: StoredParcel
) -> Parcel | Refused | None:
    """The parcel to send, sealed now if it was not before; None when it is owed no more, as after a withdrawal.

    ``Refused``: the directory says that nothing can be sent to this recipient. Raises PolicyError whose text is a cause of
    ``texts.HOLDS``; StoreError, and whatever a directory raises.
    """
    records: Records | None = await env.store.read(lambda conn: _records(conn, chosen))
    if not records:
        made = await _seal(env, outgoing, road, chosen)
        if isinstance(made, Refused):
            return made
        records = await env.store.write(
            lambda conn: _keep(env, conn, item, chosen, made), Point.SEALED, Lane(item.lane)
        )
    if records is None:
        return None
    parcel = await _parcel(env, outgoing, chosen, records)
    if parcel.letter is None:
        return parcel
    return replace(parcel, letter=await letter_parcel.with_email(env, outgoing, road, parcel.letter))


async def known_parcel(env: Environment, outgoing: Outgoing, chosen: StoredParcel) -> Parcel:
    """The parcel as it was sealed. Raises StoreError when it was never."""
    records = await env.store.read(lambda conn: _records(conn, chosen))
    if not records:
        message = "the parcel was never sealed"
        raise StoreError(message)
    return await _parcel(env, outgoing, chosen, records)


def _records(conn: Connection, chosen: StoredParcel) -> Records:
    own = {chosen.purpose, chosen.purpose + PRINT, chosen.purpose + OFFICE}
    found = payloads.all_of(conn, chosen.message_id, chosen.purpose)  # those of another road may begin alike
    return {purpose: stored for purpose, stored in found.items() if purpose in own}


async def _parcel(env: Environment, outgoing: Outgoing, chosen: StoredParcel, records: Records) -> Parcel:
    key, office = outgoing.key, chosen.purpose + OFFICE
    if road_of(chosen).letter:
        return await _letter_parcel(env, outgoing, chosen, records[chosen.purpose])
    parcel = parcel_of(env, outgoing.row.type, key, chosen, records[chosen.purpose])
    if office not in records:
        return parcel
    text = await asyncio.to_thread(lambda: b"".join(env.vault.pieces(key, office, records[office])))
    stored = records[chosen.purpose + PRINT]
    content = partial(_content, env, key, chosen.purpose + PRINT, stored)
    return replace(parcel, print_part=print_part(text, stored, content))


async def _letter_parcel(env: Environment, outgoing: Outgoing, chosen: StoredParcel, stored: StoredRecord) -> Parcel:
    """What leaves are the letter's documents; nothing of ours is around them."""
    letter = await letter_parcel.letter(env, outgoing, chosen, stored)
    parcel = parcel_of(env, outgoing.row.type, outgoing.key, chosen, None)
    size = sum(document.size_bytes for document in letter.documents)
    return replace(parcel, letter=letter, size_bytes=size, content=partial(_documents_of, letter))


async def _documents_of(letter: Letter) -> Stream:
    for document in letter.documents:
        async for piece in document.content():
            yield piece


def parcel_of(
    env: Environment,
    message_type: str,
    key: MessageKey,
    chosen: StoredParcel,
    stored: StoredRecord | None,
    answers: Answered | None = None,
) -> Parcel:
    """What an adapter is given: the sealed bytes, or none, and whom they are from and for."""
    office = env.offices.of(chosen.tenant).tenant
    return Parcel(
        key=chosen.key,
        message_type=message_type,
        recipient=chosen.recipient,
        size_bytes=plaintext_size(stored.size) if stored is not None else 0,
        content=partial(_content, env, key, chosen.purpose, stored),
        office=Address(office.kommunenummer, office.bydelsnummer),
        channel_type=env.types.type(message_type).channels.get(chosen.adapter, ""),
        answers=answers,
    )


async def _content(env: Environment, key: MessageKey, purpose: str, stored: StoredRecord | None) -> Stream:
    if stored is not None:
        async for piece in env.vault.stream(key, purpose, stored):
            yield piece


async def recipient_key(env: Environment, tenant: str, road: OpenRoad, chosen: StoredParcel) -> Any:
    """The certificate to seal for. Raises PolicyError as ``sealed_parcel`` does, and whatever a directory raises."""
    if chosen.adapter == LOOPBACK:
        return env.offices.of(tenant).receive.decryption_keys()[0].certificate
    if road.directory is None:
        raise PolicyError(RECIPIENT_UNKNOWN)
    try:
        pem = await road.directory.certificate(chosen.recipient)
        return recipient_certificate(pem, env.clock.now())
    except UnknownResourceError as error:
        raise PolicyError(RECIPIENT_UNKNOWN) from error
    except TrustError as error:
        raise PolicyError(CANNOT_SEAL) from error


def _documents(conn: Connection, message_id: str) -> Documents:
    stored = payloads.all_of(conn, message_id, "document:")
    return {row.name: (row.media_type, stored[row.purpose]) for row in messages.documents(conn, message_id)}


async def _seal(
    env: Environment, outgoing: Outgoing, road: OpenRoad, chosen: StoredParcel
) -> list[SealedRecord] | Refused:
    if road_of(chosen).letter:
        return [await letter_parcel.fix(env, outgoing, chosen)]
    documents = await env.store.read(lambda conn: _documents(conn, outgoing.row.id))
    if road.seal is Seal.FIKS_REPORT:
        if not isinstance(road.directory, ReportDirectory):
            raise PolicyError(RECIPIENT_UNKNOWN)
        sealing = await report_sealing(env, outgoing, road.directory, chosen, documents)
        if isinstance(sealing, Refused):
            return sealing
    else:
        certificate = await recipient_key(env, outgoing.row.tenant, road, chosen)
        sealing = partial(_seal_whole, env, outgoing, documents, certificate, road.seal, chosen.purpose)
    try:
        return await asyncio.to_thread(sealing)
    except ConfigError as error:
        raise PolicyError(NO_SIGNING_KEY) from error
    except (TrustError, ContentError) as error:
        raise PolicyError(CANNOT_SEAL) from error


def _seal_whole(
    env: Environment, outgoing: Outgoing, documents: Documents, certificate: Any, seal: Seal, purpose: str
) -> list[SealedRecord]:
    """Container in envelope in record, in constant memory. Blocks; for a worker thread.

    Our own envelope goes with it between gateways; other channels have protocols of their own.
    """
    files: list[File] = []
    if seal is Seal.GATEWAY:
        files.append((ENVELOPE_FILE, "application/json", [without_addresses(outgoing.raw)]))
    files += [
        (name, media_type, env.vault.pieces(outgoing.key, f"document:{name}", stored))
        for name, (media_type, stored) in documents.items()
    ]
    return [seal_files(env, outgoing.key, files, certificate, seal, purpose)]


def _keep(
    env: Environment, conn: Connection, item: Item, chosen: StoredParcel, made: Sequence[SealedRecord]
) -> Records | None:
    """The first sealing stays: another one would be another parcel under the same key.

    Until now the message could be taken back, because nothing was sealed; from now on this attempt counts as begun.
    """
    if not still_owed(conn, item, State.CLEARED):
        return None
    kept = _records(conn, chosen)
    if kept:
        return kept
    name_sealed(env, conn, chosen, made)
    return {record.purpose: record.stored for record in made}


def name_sealed(env: Environment, conn: Connection, chosen: StoredParcel, made: Sequence[SealedRecord]) -> None:
    """Keep what was sealed, and tell of it."""
    for record in made:
        payloads.insert(conn, chosen.tenant, chosen.message_id, record.purpose, record.stored)
    refs: dict[str, str | int] = {"road": chosen.road, "size": sum(record.size for record in made)}
    entry = journal.Entry(journal.PARCEL_SEALED, chosen.tenant, env.now(), "gateway", chosen.message_id, refs=refs)
    journal.write(conn, entry)
