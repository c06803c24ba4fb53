"""Where keys at rest meet stored bytes: every record is sealed and opened here, and nowhere else."""

import asyncio
import base64
import hashlib
import json
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from gateway.crashpoints import Point
from gateway.crypto.at_rest import DataKey, IndexKey, RecordName, RecordReader, RecordSealer, key_context
from gateway.errors import DecryptionError
from gateway.pipeline.offices import Offices
from gateway.spi import Stream
from gateway.store import journal, payloads
from gateway.store.database import Store, add_row, now_us, row_by
from gateway.store.payloads import PayloadFolder, RecordWriter, StoredRecord, WrappedKey
from gateway.store.tables import tenant_key

_SALT_BYTES: Final = 32
_SECRETS: Final = "secrets"
_INDEX: Final = "index"


@dataclass(frozen=True, slots=True)
class MessageKey:
    """An unlocked message: its data key and the salt of its journal commitments."""

    tenant: str
    message_id: str
    key: DataKey
    salt: bytes

    def name(self, purpose: str) -> RecordName:
        """The name a record of this message is sealed under."""
        return RecordName(self.tenant, self.message_id, purpose)

    def seal(self, purpose: str, data: bytes) -> bytes:
        """Seal a small thing, for a column."""
        return self.key.seal_bytes(self.name(purpose), data)

    def open(self, purpose: str, record: bytes) -> bytes:
        """Open it. Raises DecryptionError."""
        return self.key.open_bytes(self.name(purpose), record)


@dataclass(frozen=True, slots=True)
class SealedRecord:
    """A stored record of a message, with the digest and size of what is in it."""

    purpose: str
    stored: StoredRecord
    digest: bytes
    size: int


class Sealing:
    """A record being made: plaintext in, sealed bytes to a writer, the digest beside."""

    def __init__(self, key: MessageKey, purpose: str, writer: RecordWriter) -> None:
        self.purpose = purpose
        self.writer = writer
        self._sealer: RecordSealer = key.key.sealer(key.name(purpose))
        self._hash = hashlib.sha256()
        self.size = 0

    def update(self, data: bytes) -> None:
        """Take plaintext."""
        self.size += len(data)
        self._hash.update(data)
        self.writer.write(self._sealer.update(data))

    def finish(self) -> None:
        """Write the last chunk; no more plaintext."""
        self.writer.write(self._sealer.finish())

    async def pour(self, stream: Stream) -> None:
        """Take all of a stream; no more plaintext then."""
        async for chunk in stream:
            self.update(chunk)
        self.finish()

    def store(self) -> SealedRecord:
        """Make it durable. Blocks on fsync when it is a file."""
        return SealedRecord(self.purpose, self.writer.store(), self._hash.digest(), self.size)


class Vault:
    """Keys of the offices in memory, sealed bytes in the store. ``load`` once before use."""

    def __init__(self, offices: Offices, folder: PayloadFolder) -> None:
        self.offices = offices
        self.folder = folder
        self._index: dict[str, IndexKey] = {}

    async def load(self, store: Store) -> None:
        """Read each office's index key, making it the first time."""
        for office in self.offices.all():
            tenant = str(office.tenant)
            new = IndexKey.generate().wrap(office.kek, tenant)

            def work(
                conn: Connection, tenant: str = tenant, new: bytes = new, kek_id: str = office.kek.key_id
            ) -> tuple[str, bytes]:
                found = row_by(conn, tenant_key, tenant=tenant, purpose=_INDEX)
                if found is not None:
                    return found.kek_id, bytes(found.wrapped)
                add_row(conn, tenant_key, tenant=tenant, purpose=_INDEX, kek_id=kek_id, wrapped=new)
                journal.write(conn, journal.Entry(journal.INDEX_KEY_MADE, tenant, now_us(conn), "gateway"))
                return kek_id, new

            kek_id, wrapped = await store.write(work, Point.ADMIN)
            self._index[tenant] = IndexKey.unwrap(office.kek_of(kek_id), wrapped, tenant)

    def mac(self, tenant: str, purpose: str, data: bytes) -> str:
        """A look-up key that tells nothing without the tenant's index key, hexadecimal."""
        return self._index[tenant].mac(purpose, data).hex()

    def new_key(self, tenant: str, message_id: str) -> tuple[MessageKey, WrappedKey]:
        """A fresh data key and salt for a new message."""
        office = self.offices.of(tenant)
        key = MessageKey(tenant, message_id, DataKey.generate(), secrets.token_bytes(_SALT_BYTES))
        sealed = key.seal(_SECRETS, json.dumps({"salt": base64.b64encode(key.salt).decode()}).encode())
        wrapped = office.kek.wrap(key.key, key_context(tenant, message_id))
        return key, WrappedKey(office.kek.key_id, wrapped, sealed)

    def unlock(self, tenant: str, message_id: str, wrapped: WrappedKey | None) -> MessageKey:
        """The data key of a stored message. Raises DecryptionError when it was shredded or moved."""
        if wrapped is None:
            text = "the message is shredded"
            raise DecryptionError(text)
        key = self.offices.of(tenant).kek_of(wrapped.kek_id).unwrap(wrapped.wrapped, key_context(tenant, message_id))
        bare = MessageKey(tenant, message_id, key, b"")
        found = json.loads(bare.open(_SECRETS, wrapped.secrets))
        return MessageKey(tenant, message_id, key, base64.b64decode(found["salt"]))

    def sealing(self, key: MessageKey, purpose: str) -> Sealing:
        """Begin a record."""
        return Sealing(key, purpose, self.folder.writer(key.tenant))

    def seal_all(self, key: MessageKey, purpose: str, pieces: Iterable[bytes]) -> SealedRecord:
        """Seal a stream to a durable record. Blocks; for worker threads. Nothing is left behind on an error."""
        sealing = self.sealing(key, purpose)
        try:
            for piece in pieces:
                sealing.update(piece)
            sealing.finish()
            return sealing.store()
        except BaseException:
            sealing.writer.discard()
            raise

    def reader(self, key: MessageKey, purpose: str, stored: StoredRecord) -> RecordReader:
        """The plaintext of a record as a seekable file; only verified bytes come out. Raises DecryptionError."""
        return key.key.reader(key.name(purpose), payloads.source(self.folder, stored), stored.size)

    async def stream(self, key: MessageKey, purpose: str, stored: StoredRecord) -> Stream:
        """The same without blocking: each chunk is read in a thread."""
        pieces = self.pieces(key, purpose, stored)
        while piece := await asyncio.to_thread(next, pieces, b""):
            yield piece

    def pieces(self, key: MessageKey, purpose: str, stored: StoredRecord) -> Iterator[bytes]:
        """The plaintext of a record, a chunk at a time."""
        with self.reader(key, purpose, stored) as reader:
            yield from reader.pieces()
