"""The evidence log's head is signed as the log grows, kept, and published where witnesses look.

Two heads that contradict each other must never be signed, whatever became of the database. So what is signed is held
against what was signed before: the newest head in the store, and the last one in a file beside it, which an old copy of
the database does not bring back. On a contradiction nothing is signed and an alarm rings; messages go on.
"""

import asyncio
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from gateway.crashpoints import Point
from gateway.crypto import notes
from gateway.errors import ConfigError, SignatureError, StructureError, TrustError
from gateway.evidence import formats
from gateway.store import alarms, log
from gateway.store.alarms import AlarmCode
from gateway.store.database import Store
from gateway.store.payloads import disk

_LAST: Final = "log-head"
_PUBLISHED: Final = "head"
_SUBJECT: Final = "log"
OLDER: Final = (
    "the database is older than log-head, the last head signed here, or of another log: an old copy? "
    "budstikke restore makes a place of its own; to go on with this one: budstikke log accept-older"
)


class HeadKeeper:
    """Signs for one log. ``folder`` keeps the last head beside the database, ``published`` shows it to witnesses.

    ``earlier`` are public keys that signed before this one: what they signed still holds.
    """

    def __init__(
        self, signer: notes.NoteSigner, folder: Path, published: Path | None, earlier: Sequence[notes.NoteKey] = ()
    ) -> None:
        self.signer = signer
        self._earlier = tuple(earlier)
        self._last = folder / _LAST
        self._published = published / _PUBLISHED if published is not None else None

    async def publish(self, store: Store, at: int) -> None:
        """Sign and publish, if the log grew. Any process may: the same size has the same head."""
        last = await asyncio.to_thread(self.read_last)
        try:
            grown = await store.read(lambda conn: self._grown(conn, last))
        except TrustError:
            await store.write(lambda conn: _ring(conn, at), Point.SWEEP)
            return
        if grown is None:
            return
        base, size, root = grown
        note = notes.sign(formats.head_text(self.signer.public.name, size, root), [self.signer])
        await store.write(lambda conn: log.keep_head(conn, size, root, note, at, base=base), Point.NUMBER)
        await asyncio.to_thread(self._write, note)

    async def require_newest(self, store: Store) -> None:
        """Raises ConfigError when the database is older than the last head signed here, or is another log's (S91)."""
        if not await self.is_newest(store):
            raise ConfigError(OLDER)

    async def is_newest(self, store: Store) -> bool:
        """Whether the database holds as many leaves as the last head signed here covers."""
        last = await asyncio.to_thread(self.read_last)

        def newest(conn: Connection) -> bool:
            found = self.last_known(conn, last)
            return found is None or found.size <= log.size(conn)

        try:
            return await store.read(newest)
        except TrustError:  # a changed file says nothing of the database's age; it rings while the gateway runs
            return True
        except ConfigError:
            return False

    @property
    def earlier(self) -> Sequence[notes.NoteKey]:
        """Public keys that signed before this one."""
        return self._earlier

    def set_aside(self) -> None:
        """Keep the last head under another name: a named person closed its log. Blocks."""
        self._last.replace(self._last.with_name(f"{_LAST}.closed-{time.time_ns()}"))

    def last_known(self, conn: Connection, note: str | None) -> formats.Head | None:
        """The head in a note of ours; None without one, or when its log was closed by a named person.

        Raises TrustError when we did not sign it, ConfigError when it is of a log that this database never had.
        """
        if note is None:
            return None
        name = note.partition("\n")[0]
        ours = name == log.origin(conn)
        if not ours and any(one.origin == name for one in log.closed(conn)):
            return None
        text, _ = notes.verified(note, self.keys_of(name))
        if not ours:
            raise ConfigError(OLDER)
        return formats.read_head(text)

    def keys_of(self, name: str) -> list[notes.NoteKey]:
        """Which keys may sign for the log of this name. Raises StructureError when it can be none's."""
        try:
            return [self.signer.under(name).public, *(key for key in self._earlier if key.name == name)]
        except ConfigError as error:
            message = "the note names no log"
            raise StructureError(message) from error

    def read_last(self) -> str | None:
        """The note of the last head that was signed on this host. Blocks."""
        with disk():
            return self._last.read_text(encoding="utf-8") if self._last.exists() else None

    def _grown(self, conn: Connection, note: str | None) -> tuple[int, int, bytes] | None:
        """The log's base, size and root at one moment; None when it did not grow.

        Raises SignatureError when it contradicts a signed head, or when another log has begun since this process did.
        """
        span, tree, newest = log.span(conn), log.subtree(conn), log.newest_head(conn)
        assert span is not None  # noqa: S101  there is always a present log
        try:
            last = self.last_known(conn, note)
        except ConfigError as error:
            raise SignatureError(str(error)) from error
        signed = [formats.Head(newest.size, bytes(newest.root))] if newest is not None else []
        signed += [last] if last is not None else []
        if span.origin != self.signer.public.name:
            message = "another log has begun: restart"
            raise SignatureError(message)
        if span.size == max((head.size for head in signed), default=0):
            return None
        if not all(head.size <= span.size and tree(0, head.size) == head.root for head in signed):
            message = "the log does not hold what was signed before"
            raise SignatureError(message)
        return span.base, span.size, tree(0, span.size)

    def _write(self, note: str) -> None:
        """Raises StoreError: what cannot be published now is published with the next head."""
        for file in (self._last, self._published):
            if file is not None:
                with disk():
                    _replace(file, note)


def _replace(file: Path, text: str) -> None:
    beside = file.with_name(file.name + ".new")
    with beside.open("w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    beside.replace(file)


def _ring(conn: Connection, at: int) -> None:
    alarms.ring(conn, tenant="*", code=AlarmCode.LOG_CONTRADICTS, subject=_SUBJECT, at=at)
