"""Makes a backup while the gateway runs: the database first and payload files after, so that every row's file is there.

No key, no key-encryption key and no configuration goes in: only what is sealed already, and the tables in clear, all of it
sealed once more on its way out.
"""

import asyncio
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

from gateway.backup import snapshot
from gateway.backup.archive import DATABASE, DIGESTS, MANIFEST, PAYLOADS, ArchiveWriter
from gateway.backup.manifest import Manifest
from gateway.backup.place import Place, copying
from gateway.backup.seal import Recipient
from gateway.backup.snapshot import Snapshot
from gateway.crypto.notes import NoteSigner
from gateway.errors import ConfigError, StoreFullError
from gateway.limits import BACKUP_BYTES_MAX
from gateway.store.messages import micros
from gateway.store.migrate import SQLITE_FILE
from gateway.store.payloads import disk, sync_folder

_FILE_MODE: Final = 0o600
_BUFFER: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Made:
    """A backup. ``missing`` and ``changed``: payload files that rows name and that are not there, or of another size."""

    manifest: Manifest
    octets: int
    missing: tuple[str, ...]
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Copied:
    """The payload files of one backup. ``digests`` is the list's file."""

    digests: Path
    files: int
    octets: int
    missing: list[str]
    changed: list[str]


async def make_backup(
    place: Place, out: Path, recipient: Recipient, signer: NoteSigner | None, floor_bytes: int
) -> Made:
    """Write the backup to ``out``, which must not exist; what is not finished never has that name.

    ``floor_bytes`` of the data folder's disk stay free. Raises ConfigError, StoreError, StoreFullError when there is no
    room, CertificateError when the recipient's certificate cannot be used.
    """
    _require_new(out)
    made = micros(datetime.now(UTC))
    with copying(place) as folder:
        if place.database is None:
            _require_room(place, floor_bytes)
        taken = await snapshot.take(place, folder)
        _require_bounded(taken, recipient)
        with _written(out) as file:
            manifest, copied = await asyncio.to_thread(_pack, place, taken, file, recipient, signer, made)
            octets = file.tell()
    missing = await snapshot.still_named(place, copied.missing)
    return Made(manifest, octets, tuple(missing), tuple(copied.changed))


def _require_new(out: Path) -> None:
    if out.exists():
        message = f"{out.name} is there already"
        raise ConfigError(message)


def _require_room(place: Place, floor_bytes: int) -> None:
    """The copy of the database must not push the gateway under its floor."""
    database = place.data_dir / SQLITE_FILE
    size = database.stat().st_size if database.exists() else 0
    if shutil.disk_usage(place.data_dir).free - size < floor_bytes:
        message = "no room for a copy of the database above the disk's floor"
        raise StoreFullError(message)


def _require_bounded(taken: Snapshot, recipient: Recipient) -> None:
    size = taken.database.stat().st_size + sum(size for _, size in snapshot.names(taken))
    if recipient.certificate is not None and size > BACKUP_BYTES_MAX:
        message = f"{size} octets are too many for one backup to a certificate; use a passphrase"
        raise ConfigError(message)


@contextmanager
def _written(out: Path) -> Iterator[BinaryIO]:
    """A new file that has its name only when it is whole and durable."""
    beside = out.with_name(out.name + ".part")
    with disk():
        beside.unlink(missing_ok=True)
        try:
            with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE), "wb", _BUFFER) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            beside.replace(out)
            sync_folder(out.parent)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise


def _pack(
    place: Place, taken: Snapshot, file: BinaryIO, recipient: Recipient, signer: NoteSigner | None, made: int
) -> tuple[Manifest, Copied]:
    """Blocks; for a thread."""
    sealing = recipient.sealing(file.write)
    archive = ArchiveWriter(sealing.write)
    database = _add_file(archive, DATABASE, taken.database)
    copied = _add_payloads(archive, place, taken)
    manifest = Manifest(
        made=made,
        store=place.store,
        schema=taken.schema,
        origin=taken.origin,
        head=taken.head,
        leaves=taken.leaves,
        messages=taken.messages,
        entries=taken.entries,
        files=copied.files,
        octets=copied.octets,
        database=database,
        digests=_add_file(archive, DIGESTS, copied.digests),
    )
    text = taken.database.with_name(MANIFEST)
    text.write_text(manifest.text(signer), encoding="utf-8")
    _add_file(archive, MANIFEST, text)
    archive.close()
    sealing.close()
    return manifest, copied


def _add_payloads(archive: ArchiveWriter, place: Place, taken: Snapshot) -> Copied:
    """Each file with its digest, as ``sha256sum --check`` reads it."""
    digests = taken.database.with_name(DIGESTS)
    files = octets = 0
    missing: list[str] = []
    changed: list[str] = []
    with digests.open("w", encoding="ascii") as lines:
        for name, size in snapshot.names(taken):
            try:
                source = (place.payloads / name).open("rb")
            except FileNotFoundError:
                missing.append(name)
                continue
            with source:
                found = os.fstat(source.fileno()).st_size
                if found != size:
                    changed.append(name)
                lines.write(f"{archive.add(PAYLOADS + name, source, found)}  {PAYLOADS}{name}\n")
            files, octets = files + 1, octets + found
    return Copied(digests, files, octets, missing, changed)


def _add_file(archive: ArchiveWriter, name: str, path: Path) -> str:
    with path.open("rb") as source:
        return archive.add(name, source, os.fstat(source.fileno()).st_size)
