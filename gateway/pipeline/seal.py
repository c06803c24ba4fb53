"""A parcel is sealed once: signed by the office, encrypted for the recipient, stored. Every attempt sends these bytes."""

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any, Final

from sqlalchemy import Connection

from gateway.crashpoints import Point
from gateway.crypto.asice import ContainerWriter
from gateway.crypto.at_rest import plaintext_size
from gateway.crypto.cms import EnvelopeWriter
from gateway.crypto.profiles import FIKS_ENVELOPE, GATEWAY_ENVELOPE, EnvelopeProfile
from gateway.crypto.published import recipient_certificate
from gateway.domain.lifecycle import State
from gateway.domain.message_type import Lane
from gateway.domain.routing import LOOPBACK
from gateway.errors import ConfigError, ContentError, PolicyError, StoreError, TrustError, UnknownResourceError
from gateway.pipeline.envelope import ENVELOPE_FILE
from gateway.pipeline.environment import Environment
from gateway.pipeline.outgoing import Outgoing, still_owed
from gateway.pipeline.roads import OpenRoad
from gateway.pipeline.vault import MessageKey, SealedRecord
from gateway.spi import Address, Answered, Parcel, Seal, Stream
from gateway.store import messages, payloads
from gateway.store.outbox import Item
from gateway.store.parcels import StoredParcel
from gateway.store.payloads import StoredRecord

NO_SIGNING_KEY: Final = "no-signing-key"
CANNOT_SEAL: Final = "cannot-seal"
RECIPIENT_UNKNOWN: Final = "recipient-unknown"
"""Why a message is held before it is sealed; texts stand in ``texts.HOLDS``."""

File = tuple[str, str, Iterable[bytes]]
"""Name, media type, bytes."""

_PROFILES: Final[dict[Seal, EnvelopeProfile]] = {Seal.GATEWAY: GATEWAY_ENVELOPE, Seal.FIKS: FIKS_ENVELOPE}


async def sealed_parcel(
    env: Environment, item: Item, outgoing: Outgoing, road: OpenRoad, chosen: StoredParcel
) -> Parcel | None:
    """The parcel to send, sealed now if it was not before; None when it is owed no more, as after a withdrawal.

    Raises PolicyError whose text is a cause of ``texts.HOLDS``; StoreError, and whatever a directory raises.
    """
    stored = await env.store.read(lambda conn: payloads.find(conn, item.message_id, chosen.purpose))
    if stored is None:
        certificate = await recipient_key(env, outgoing.row.tenant, road, chosen)
        rows = await env.store.read(lambda conn: _documents(conn, item.message_id))
        try:
            record = await asyncio.to_thread(_seal, env, outgoing, rows, certificate, road.seal, chosen.purpose)
        except ConfigError as error:
            raise PolicyError(NO_SIGNING_KEY) from error
        except (TrustError, ContentError) as error:
            raise PolicyError(CANNOT_SEAL) from error
        stored = await env.store.write(
            lambda conn: _keep(conn, item, outgoing, chosen, record.stored), Point.SEALED, Lane(item.lane)
        )
    return _parcel(env, outgoing, chosen, stored) if stored is not None else None


async def known_parcel(env: Environment, outgoing: Outgoing, chosen: StoredParcel) -> Parcel:
    """The parcel as it was sealed. Raises StoreError when it was never."""
    stored = await env.store.read(lambda conn: payloads.find(conn, outgoing.row.id, chosen.purpose))
    if stored is None:
        message = "the parcel was never sealed"
        raise StoreError(message)
    return _parcel(env, outgoing, chosen, stored)


def _parcel(env: Environment, outgoing: Outgoing, chosen: StoredParcel, stored: StoredRecord) -> Parcel:
    return parcel_of(env, outgoing.row.type, outgoing.key, chosen, stored)


def parcel_of(
    env: Environment,
    message_type: str,
    key: MessageKey,
    chosen: StoredParcel,
    stored: StoredRecord | None,
    answers: Answered | None = None,
) -> Parcel:
    """What an adapter is given: the sealed bytes, or none, and whom they are from and for."""

    async def content() -> Stream:
        pieces = env.vault.pieces(key, chosen.purpose, stored) if stored is not None else iter(())
        while piece := await asyncio.to_thread(_next, pieces):
            yield piece

    office = env.offices.of(chosen.tenant).tenant
    return Parcel(
        key=chosen.key,
        message_type=message_type,
        recipient=chosen.recipient,
        size_bytes=plaintext_size(stored.size) if stored is not None else 0,
        content=content,
        office=Address(office.kommunenummer, office.bydelsnummer),
        channel_type=env.types.type(message_type).channels.get(chosen.adapter, ""),
        answers=answers,
    )


def _next(pieces: Iterator[bytes]) -> bytes:
    return next(pieces, b"")


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


def _documents(conn: Connection, message_id: str) -> list[tuple[str, str, StoredRecord]]:
    stored = payloads.all_of(conn, message_id, "document:")
    return [(row.name, row.media_type, stored[row.purpose]) for row in messages.documents(conn, message_id)]


def _seal(
    env: Environment,
    outgoing: Outgoing,
    documents: list[tuple[str, str, StoredRecord]],
    certificate: Any,
    seal: Seal,
    purpose: str,
) -> SealedRecord:
    """Container in envelope in record, in constant memory. Blocks; for a worker thread.

    Our own envelope goes with it between gateways; other channels have protocols of their own.
    """
    files: list[File] = [(ENVELOPE_FILE, "application/json", [outgoing.raw])] if seal is Seal.GATEWAY else []
    files += [
        (name, media_type, env.vault.pieces(outgoing.key, f"document:{name}", stored))
        for name, media_type, stored in documents
    ]
    return seal_files(env, outgoing.key, files, certificate, seal, purpose)


def seal_files(
    env: Environment, key: MessageKey, files: Iterable[File], certificate: Any, seal: Seal, purpose: str
) -> SealedRecord:
    """These files in a container signed by the message's office, sealed, and kept under ``purpose``. Blocks."""
    signing = env.offices.of(key.tenant).receive.signing_key()
    sealing = env.vault.sealing(key, purpose)
    try:
        envelope = EnvelopeWriter(certificate, _PROFILES[seal], sealing.update)
        container = ContainerWriter(envelope.write, signing, at=env.clock.now())
        for name, media_type, pieces in files:
            container.add(name, media_type, pieces)
        container.close()
        envelope.close()
        sealing.finish()
        return sealing.store()
    except BaseException:
        sealing.writer.discard()
        raise


def _keep(
    conn: Connection, item: Item, outgoing: Outgoing, chosen: StoredParcel, stored: StoredRecord
) -> StoredRecord | None:
    """The first sealing stays: another one would be another parcel under the same key.

    Until now the message could be taken back, because nothing was sealed; from now on this attempt counts as begun.
    """
    if not still_owed(conn, item, State.CLEARED):
        return None
    payloads.insert(conn, outgoing.row.tenant, outgoing.row.id, chosen.purpose, stored)
    return payloads.find(conn, outgoing.row.id, chosen.purpose) or stored
