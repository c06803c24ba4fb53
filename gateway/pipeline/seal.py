"""A parcel is sealed once: signed by the office, encrypted for the recipient, stored. Every attempt sends these bytes."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection

from gateway.crashpoints import Point
from gateway.crypto.at_rest import plaintext_size
from gateway.domain.lifecycle import State
from gateway.domain.message_type import Lane
from gateway.errors import ConfigError, ContentError, PolicyError, StoreError, TrustError
from gateway.pipeline import letter_parcel
from gateway.pipeline.enclose import CANNOT_SEAL, NO_SIGNING_KEY, File, seal_files
from gateway.pipeline.envelope import ENVELOPE_FILE, without_addresses
from gateway.pipeline.environment import Environment
from gateway.pipeline.outgoing import Outgoing, road_of, still_owed
from gateway.pipeline.recipient_keys import JudgedKey, recipient_keys
from gateway.pipeline.roads import OpenRoad
from gateway.pipeline.seal_report import OFFICE, PRINT, Documents, print_part, seal_report
from gateway.pipeline.vault import MessageKey, SealedRecord
from gateway.spi import Address, Answered, Letter, Parcel, Refused, Seal, Stream, TryLater
from gateway.store import journal, messages, parcels, payloads
from gateway.store.outbox import Item
from gateway.store.parcels import StoredParcel
from gateway.store.payloads import StoredRecord

Records = Mapping[str, StoredRecord]
"""The sealed parts of one parcel, by purpose."""

_OTHER_KEY: Final = TryLater("key-not-judged", after_s=0.0)  # the partner was not called: it is not to blame


@dataclass(frozen=True, slots=True)
class _Made:
    """What was sealed now. ``sealed_for``: for which key of the recipient's own; None: for none."""

    records: Sequence[SealedRecord]
    sealed_for: str | None = None


async def sealed_parcel(
    env: Environment, item: Item, outgoing: Outgoing, road: OpenRoad, chosen: StoredParcel, judged: JudgedKey | None
) -> Parcel | Refused | TryLater | None:
    """The parcel to send, sealed now if it was not before; None when it is owed no more, as after a withdrawal.

    ``judged``: the key that alone may be sealed for; None: any. ``Refused``: the directory says that nothing can be sent to this
    recipient. ``TryLater``: the key is another one by now, and the rules are to be asked about that. Raises PolicyError whose
    text is a cause of ``texts.HOLDS``; StoreError, and whatever a directory raises.
    """
    records: Records | None = await env.store.read(lambda conn: _records(conn, chosen))
    if not records:
        made = await _seal(env, outgoing, road, chosen, judged)
        if isinstance(made, Refused | TryLater):
            return made
        records = await env.store.write(
            lambda conn: _keep(env, conn, item, chosen, made), Point.SEALED, Lane(item.lane)
        )
    if records is None:
        return None
    parcel = await _parcel(env, outgoing, chosen, records)
    if parcel.letter is None:
        return parcel
    parcel = replace(parcel, letter=await letter_parcel.with_email(env, outgoing, road, parcel.letter))
    return await _for_key(env, item, chosen, parcel, judged) if judged is not None else parcel


async def _for_key(
    env: Environment, item: Item, chosen: StoredParcel, parcel: Parcel, judged: JudgedKey
) -> Parcel | None:
    """A letter that this attempt may seal for that key alone, which is kept first; None when it is owed no more."""
    kept = judged.kept
    if kept is not None and kept != chosen.sealed_for:
        owed = await env.store.write(
            lambda conn: _keep_key(env, conn, item, chosen, kept), Point.SEALED, Lane(item.lane)
        )
        if not owed:
            return None
    keys = frozenset({judged.fingerprint} if judged.fingerprint is not None else ())
    return replace(parcel, letter=replace(parcel.letter, sealed_only_for=keys)) if parcel.letter is not None else parcel


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


def _documents(conn: Connection, message_id: str) -> Documents:
    stored = payloads.all_of(conn, message_id, "document:")
    return {row.name: (row.media_type, stored[row.purpose]) for row in messages.documents(conn, message_id)}


async def _seal(
    env: Environment, outgoing: Outgoing, road: OpenRoad, chosen: StoredParcel, judged: JudgedKey | None
) -> _Made | Refused | TryLater:
    if road_of(chosen).letter:
        return _Made([await letter_parcel.fix(env, outgoing, chosen)])
    documents = await env.store.read(lambda conn: _documents(conn, outgoing.row.id))
    keys = await recipient_keys(env, outgoing.row.tenant, road, chosen)
    if isinstance(keys, Refused):
        return keys
    try:
        sealed_for = keys.fingerprint
        if judged is not None and judged.fingerprint != sealed_for:
            return _OTHER_KEY
        if keys.office is not None:
            sealing = partial(seal_report, env, outgoing, documents, keys.certificates, keys.office, chosen)
        else:
            sealing = partial(_seal_whole, env, outgoing, documents, keys.certificates[0], road.seal, chosen.purpose)
        return _Made(await asyncio.to_thread(sealing), sealed_for)
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


def _keep(env: Environment, conn: Connection, item: Item, chosen: StoredParcel, made: _Made) -> Records | None:
    """The first sealing stays: another one would be another parcel under the same key.

    Until now the message could be taken back, because nothing was sealed; from now on this attempt counts as begun.
    """
    if not still_owed(conn, item, State.CLEARED):
        return None
    kept = _records(conn, chosen)
    if kept:
        return kept
    name_sealed(env, conn, chosen, made.records)
    if made.sealed_for is not None:
        parcels.keep_sealed_for(conn, chosen.message_id, chosen.number, made.sealed_for)
    return {record.purpose: record.stored for record in made.records}


def _keep_key(env: Environment, conn: Connection, item: Item, chosen: StoredParcel, key: str) -> bool:
    """Keep the key that a letter's adapter is to seal it for; whether the attempt is still owed."""
    if not still_owed(conn, item, State.CLEARED):
        return False
    parcels.keep_sealed_for(conn, chosen.message_id, chosen.number, key)
    refs: dict[str, str | int] = {"road": chosen.road}
    entry = journal.Entry(journal.PARCEL_SEALED, chosen.tenant, env.now(), "gateway", chosen.message_id, refs=refs)
    journal.write_spare(conn, entry)
    return True


def name_sealed(env: Environment, conn: Connection, chosen: StoredParcel, made: Sequence[SealedRecord]) -> None:
    """Keep what was sealed, and tell of it."""
    for record in made:
        payloads.insert(conn, chosen.tenant, chosen.message_id, record.purpose, record.stored)
    refs: dict[str, str | int] = {"road": chosen.road, "size": sum(record.size for record in made)}
    entry = journal.Entry(journal.PARCEL_SEALED, chosen.tenant, env.now(), "gateway", chosen.message_id, refs=refs)
    journal.write(conn, entry)
