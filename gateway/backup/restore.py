"""Restores a backup into an empty place: everything is opened and held against the manifest before anything is believed.

What fails leaves the place as empty as it was. What is restored is an old copy, and stands still (``standstill``).
"""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, func, select

from gateway.backup import checks, postgres_tools
from gateway.backup.archive import DATABASE
from gateway.backup.last_head import last_head
from gateway.backup.manifest import Manifest
from gateway.backup.place import PAYLOADS, Place, opened, restoring
from gateway.backup.seal import Opener
from gateway.backup.standstill import StoodStill, stand_still
from gateway.backup.unpack import unpack
from gateway.crashpoints import Point
from gateway.crypto.notes import NoteKey, NoteSigner
from gateway.domain.deadlines import OSLO
from gateway.errors import ConfigError
from gateway.pipeline import shred_list
from gateway.store import log, migrate
from gateway.store.journal import ROWS_COVERED
from gateway.store.messages import micros
from gateway.store.payloads import disk, sync_folder
from gateway.store.succession import Beginning
from gateway.store.tables import journal, log_state, message

_FOLDER_MODE = 0o700


@dataclass(frozen=True, slots=True)
class Wish:
    """Who restores, and why (a word); ``origin``: the new log's name.

    ``signer``: the log's key. ``key``: who signed the manifest, where that was another. ``witness``: a witness's note of the
    old log. ``role``: the service's on PostgreSQL. ``shredded``: the list of messages to shred again. ``verify``: look whether it holds.
    """

    person: str
    reason: str
    origin: str
    signer: NoteSigner | None = None
    key: NoteKey | None = None
    witness: str | None = None
    role: str | None = None
    shredded: Path | None = None
    verify: bool = True

    @property
    def public(self) -> bytes | None:
        """The 32 octets of the key that the manifest must be signed with."""
        key = self.key or (self.signer.public if self.signer is not None else None)
        return key.public if key is not None else None


@dataclass(slots=True)
class Restored:
    """What came of it. ``faults`` is empty when all that was looked at holds; the data is there all the same.

    ``listed``: how many shredded messages the list names; None without one.
    """

    manifest: Manifest
    signed: bool
    at: int
    still: StoodStill
    listed: int | None
    faults: list[str] = field(default_factory=list)

    @property
    def gap_s(self) -> float:
        """Seconds from the copy until now: what was acknowledged within them is in no backup."""
        return (self.at - self.manifest.made) / 1_000_000


async def restore(place: Place, file: Path, opener: Opener, wish: Wish) -> Restored:
    """Restore, begin a new log, let nothing leave, and look whether it all holds.

    Raises ConfigError for a place that is not empty or a backup of another kind or newer schema; StructureError,
    DecryptionError, SignatureError for a backup that is not to be believed; StoreError, StoreFullError.
    """
    listed = await asyncio.to_thread(_count, wish.shredded)
    async with _emptied_on_failure(place):
        with restoring(place) as folder:
            manifest, signed = await asyncio.to_thread(unpack, file, opener, folder, wish.public)
            _require_ours(manifest, place)
            filled = await _fill(place, folder, wish.role)
            at = micros(datetime.now(UTC))
            still, faults = await _settle(filled, manifest, wish, at)
            await asyncio.to_thread(_move_in, place, folder, still.files)
    async with opened(place) as store:
        absent = await store.read(lambda conn: checks.rows_without_file(conn, place.payloads))
    faults += [f"no file: {name}" for name in absent]
    return Restored(manifest, signed, at, still, listed, checks.told(faults))


def _count(shredded: Path | None) -> int | None:
    """Also shows that the whole list can be read, before anything is filled."""
    return sum(1 for _ in shred_list.ids(shredded)) if shredded is not None else None


def _require_ours(manifest: Manifest, place: Place) -> None:
    if manifest.store != place.store:
        message_text = f"the backup is of {manifest.store}, and this place is for {place.store}"
        raise ConfigError(message_text)
    if manifest.schema > migrate.HEAD:
        message_text = f"the backup has schema {manifest.schema}, newer than this program's {migrate.HEAD}"
        raise ConfigError(message_text)


@asynccontextmanager
async def _emptied_on_failure(place: Place) -> AsyncIterator[None]:
    """An empty PostgreSQL database stays empty when the restore fails; SQLite's lies in the folder that goes."""
    if place.database is None:
        yield
        return
    async with opened(place) as store:
        await store.read(postgres_tools.require_empty)
        try:
            yield
        except BaseException:
            await store.write(postgres_tools.clear, Point.ADMIN)
            raise


async def _fill(place: Place, folder: Path, role: str | None) -> Place:
    """Fill the database and bring it to this program's schema. Returns where it is for now."""
    if place.database is None:
        (folder / DATABASE).rename(folder / migrate.SQLITE_FILE)
        await asyncio.to_thread(migrate.upgrade_sqlite, folder)
        return Place(folder)
    await asyncio.to_thread(postgres_tools.load, place.database, folder / DATABASE, folder)
    await migrate.upgrade_postgres(place.database, role=role)
    return place


async def _settle(filled: Place, manifest: Manifest, wish: Wish, at: int) -> tuple[StoodStill, list[str]]:
    """Look at the copy as it is, then let it stand still, in one transaction."""

    def work(conn: Connection) -> tuple[StoodStill, list[str]]:
        _unbounded(conn)
        faults = _faults(conn, manifest, wish.signer) if wish.verify else []
        last = last_head(conn, wish.witness, wish.signer)
        faults += ["the witness's head contradicts the log in the backup"] if last.contradicts else []
        beginning = Beginning(wish.origin, last.origin, last.head.size, last.head.root, wish.person, wish.reason, at)
        conn.execute(log_state.update().values(payload_mark=None))  # the payloads lie in another folder now
        return stand_still(conn, beginning, shred_list.ids(wish.shredded) if wish.shredded else ()), faults

    async with opened(filled) as store:
        settled = await store.write(work, Point.ADMIN)
        await store.clean()  # what was shredded again leaves the database's files, too
        return settled


def _unbounded(conn: Connection) -> None:
    """What is looked at here may take longer than a unit of work of the gateway."""
    if conn.dialect.name == "postgresql":
        conn.exec_driver_sql("SET LOCAL statement_timeout = 0")
        conn.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")


def _faults(conn: Connection, manifest: Manifest, signer: NoteSigner | None) -> list[str]:
    today = datetime.now(OSLO).date()
    return [*_differences(conn, manifest), *checks.evidence_faults(conn, signer), *checks.balance_faults(conn, today)]


def _differences(conn: Connection, manifest: Manifest) -> list[str]:
    """Where the database holds something else than the manifest counts."""
    found = {
        "leaves": log.size(conn),
        "messages": checks.count(conn, message),
        "entries": checks.count(conn, journal) - _told_by_upgrade(conn, manifest),
    }
    told = asdict(manifest)
    return [f"{name}: {told[name]} told, {number} there" for name, number in found.items() if told[name] != number]


def _told_by_upgrade(conn: Connection, manifest: Manifest) -> int:
    """Entries that were not in the copy: the step that lets the log vouch for rows tells of those that were there."""
    if manifest.schema >= migrate.COVERED_SINCE:
        return 0
    told = select(func.count()).where(journal.c.event == ROWS_COVERED)
    return int(conn.execute(told).scalar_one())


def _move_in(place: Place, folder: Path, shredded: Sequence[str]) -> None:
    """The last step: durable first, then in its place."""
    payloads = folder / PAYLOADS
    with disk():
        payloads.mkdir(mode=_FOLDER_MODE, exist_ok=True)
        for name in shredded:
            (payloads / name).unlink(missing_ok=True)
        os.sync()
        payloads.rename(place.payloads)
        if place.database is None:
            (folder / migrate.SQLITE_FILE).rename(place.data_dir / migrate.SQLITE_FILE)
        sync_folder(place.data_dir)
