"""Sealed bytes: small ones in the ``payload`` table, large ones as files beside the database.

A file is written under a temporary name, synced, renamed, and its folder synced, before the commit that names it.
The wrapped data key stands in ``payload_key`` only: deleting that row shreds everything sealed under it.
"""

import errno
import os
import secrets
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Final

from sqlalchemy import Connection, select

from gateway.errors import StoreError, StoreFullError
from gateway.limits import INLINE_PAYLOAD_BYTES_MAX
from gateway.store import coverage
from gateway.store.database import add_row, insert_new, remove_rows, row_by, rows_by
from gateway.store.tables import payload, payload_key

_FILE_MODE: Final = 0o600
_FOLDER_MODE: Final = 0o700


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A sealed record that is durable as a file, or small enough to travel in the row."""

    size: int
    record: bytes | None
    file: str | None


@contextmanager
def disk() -> Iterator[None]:
    """A disk that fails is a store that fails. Raises StoreFullError or StoreError; what was begun is given up."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            message = "the disk is full"
            raise StoreFullError(message) from error
        message = "the disk cannot be written"
        raise StoreError(message) from error


class RecordWriter:
    """Takes sealed bytes as they come: in memory while they are few, then in a file. Use, then ``store``.

    Every method but ``discard`` raises StoreFullError and StoreError.
    """

    def __init__(self, folder: "PayloadFolder", tenant: str) -> None:
        self._folder = folder
        self._tenant = tenant
        self._buffer = bytearray()
        self._file: BinaryIO | None = None
        self._path: Path | None = None
        self.size = 0

    def write(self, data: bytes) -> None:
        """Append."""
        self.size += len(data)
        if self._file is None:
            self._buffer += data
            if len(self._buffer) <= INLINE_PAYLOAD_BYTES_MAX:
                return
            with disk():
                self._path, self._file = self._folder.create(self._tenant)
            data, self._buffer = bytes(self._buffer), bytearray()
        with disk():
            self._file.write(data)

    def store(self) -> StoredRecord:
        """Make it durable and say where it is."""
        if self._file is None or self._path is None:
            return StoredRecord(self.size, bytes(self._buffer), None)
        with disk():
            return StoredRecord(self.size, None, self._folder.publish(self._path, self._file))

    def spool(self) -> BinaryIO:
        """The bytes so far, to be read back at any place; not durable. For work in progress only."""
        if self._file is None or self._path is None:
            return BytesIO(bytes(self._buffer))
        with disk():
            self._file.flush()
            return self._path.open("rb")

    def discard(self) -> None:
        """Forget it, if it was not stored."""
        if self._file is not None and self._path is not None:
            with suppress(OSError):  # what it still held may find no room
                self._file.close()
            with suppress(OSError):  # then it is swept as a file that no row names
                self._path.unlink(missing_ok=True)


class PayloadFolder:
    """``data_dir/payloads/<tenant>/<2 hex>/<id>``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)

    def writer(self, tenant: str) -> RecordWriter:
        """A new record of this tenant."""
        return RecordWriter(self, tenant)

    def create(self, tenant: str) -> tuple[Path, BinaryIO]:
        """A file under a temporary name."""
        name = uuid.uuid4().hex
        folder = self.root / tenant / name[:2]
        if not folder.is_dir():
            folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            sync_folder(folder.parent)
            sync_folder(self.root)
        path = folder / f"{name}.tmp"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE)
        return path, os.fdopen(descriptor, "wb")

    def publish(self, path: Path, file: BinaryIO) -> str:
        """Sync, rename to its last name, sync the folder. Returns the name relative to the payload folder."""
        file.flush()
        os.fsync(file.fileno())
        file.close()
        final = path.with_suffix("")
        path.rename(final)
        sync_folder(final.parent)
        return str(final.relative_to(self.root))

    def open(self, name: str) -> BinaryIO:
        """Read a published file."""
        return (self.root / name).open("rb")

    def unnamed(self, conn: Connection, older_than: float) -> list[Path]:
        """Files that no row names and that were last changed before ``older_than`` (seconds since 1970)."""
        named = {row.file for row in conn.execute(select(payload.c.file).where(payload.c.file.is_not(None)))}
        return [
            path
            for path in self.root.glob("*/*/*")
            if str(path.relative_to(self.root)) not in named and path.stat().st_mtime < older_than
        ]


def sync_folder(folder: Path) -> None:
    """Make durable which names a folder holds. Blocks."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A message's data key as it is stored, with the secrets sealed under it."""

    kek_id: str
    wrapped: bytes
    secrets: bytes


def insert_key(conn: Connection, tenant: str, message_id: str, key: WrappedKey) -> None:
    """Store the wrapped data key."""
    add_row(
        conn,
        payload_key,
        message_id=message_id,
        tenant=tenant,
        kek_id=key.kek_id,
        wrapped=key.wrapped,
        secrets=key.secrets,
        row_salt=secrets.token_bytes(coverage.SALT_BYTES),
    )


def find_key(conn: Connection, message_id: str) -> WrappedKey | None:
    """The wrapped data key; None once it is shredded."""
    row = row_by(conn, payload_key, message_id=message_id)
    return None if row is None else WrappedKey(row.kek_id, row.wrapped, row.secrets)


def insert(conn: Connection, tenant: str, message_id: str, purpose: str, stored: StoredRecord) -> bool:
    """Name a stored record; whether it is new. The same purpose twice keeps the first: a unit of work may run again."""
    values = {
        "tenant": tenant,
        "message_id": message_id,
        "purpose": purpose,
        "size": stored.size,
        "record": stored.record,
        "file": stored.file,
    }
    return insert_new(conn, payload, values, ["message_id", "tenant", "purpose"])


def forget(conn: Connection, message_id: str, prefix: str) -> None:
    """Forget the records of a message whose purpose begins so; their files become unnamed and are swept."""
    for purpose in all_of(conn, message_id, prefix):
        remove_rows(conn, payload, message_id=message_id, purpose=purpose)


def all_of(conn: Connection, message_id: str, prefix: str) -> dict[str, StoredRecord]:
    """The records of a message whose purpose begins so, by purpose."""
    rows = rows_by(conn, payload, message_id=message_id)
    return {row.purpose: StoredRecord(row.size, row.record, row.file) for row in rows if row.purpose.startswith(prefix)}


def find(conn: Connection, message_id: str, purpose: str) -> StoredRecord | None:
    """Where a record is."""
    row = row_by(conn, payload, message_id=message_id, purpose=purpose)
    return None if row is None else StoredRecord(row.size, row.record, row.file)


def source(folder: PayloadFolder, stored: StoredRecord) -> BinaryIO:
    """The record's sealed bytes."""
    if stored.record is not None:
        return BytesIO(stored.record)
    return folder.open(str(stored.file))
