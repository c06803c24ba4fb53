"""The evidence log's head is signed as the log grows, kept, and published where witnesses look.

Two heads that contradict each other must never be signed, whatever became of the database. So what is signed is held
against what was signed before: the newest head in the store, and the last one in a file beside it, which an old copy of
the database does not bring back. On a contradiction nothing is signed and an alarm rings; messages go on.
"""

import asyncio
import os
from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from gateway.crashpoints import Point
from gateway.crypto import notes
from gateway.errors import SignatureError, TrustError
from gateway.evidence import formats
from gateway.store import alarms, log
from gateway.store.alarms import AlarmCode
from gateway.store.database import Store

_LAST: Final = "log-head"
_PUBLISHED: Final = "head"
_SUBJECT: Final = "log"


class HeadKeeper:
    """Signs for one log. ``folder`` keeps the last head beside the database, ``published`` shows it to witnesses."""

    def __init__(self, signer: notes.NoteSigner, folder: Path, published: Path | None) -> None:
        self.signer = signer
        self._last = folder / _LAST
        self._published = published / _PUBLISHED if published is not None else None

    async def publish(self, store: Store, at: int) -> None:
        """Sign and publish, if the log grew. Any process may: the same size has the same head."""
        try:
            last = await asyncio.to_thread(self._last_signed)
            grown = await store.read(lambda conn: _grown(conn, last))
        except TrustError:
            await store.write(lambda conn: _ring(conn, at), Point.SWEEP)
            return
        if grown is None:
            return
        size, root = grown.size, grown.root
        note = notes.sign(formats.head_text(self.signer.public.name, size, root), [self.signer])
        await store.write(lambda conn: log.keep_head(conn, size, root, note, at), Point.NUMBER)
        await asyncio.to_thread(self._write, note)

    def _last_signed(self) -> formats.Head | None:
        """Raises TrustError when the file holds no head of ours: then somebody changed it."""
        if not self._last.exists():
            return None
        text, _ = notes.verified(self._last.read_text(encoding="utf-8"), [self.signer.public])
        return formats.read_head(text)

    def _write(self, note: str) -> None:
        for file in (self._last, self._published):
            if file is not None:
                beside = file.with_name(file.name + ".new")
                with beside.open("w", encoding="utf-8") as out:
                    out.write(note)
                    out.flush()
                    os.fsync(out.fileno())
                beside.replace(file)


def _grown(conn: Connection, last: formats.Head | None) -> formats.Head | None:
    """The log's head at one moment; None when it did not grow. Raises SignatureError when it contradicts a signed one."""
    size, tree = log.size(conn), log.subtree(conn)
    newest = log.newest_head(conn)
    signed = [formats.Head(newest.size, bytes(newest.root))] if newest is not None else []
    signed += [last] if last is not None else []
    if size == max((head.size for head in signed), default=0):
        return None
    if not all(head.size <= size and tree(0, head.size) == head.root for head in signed):
        message = "the log does not hold what was signed before"
        raise SignatureError(message)
    return formats.Head(size, tree(0, size))


def _ring(conn: Connection, at: int) -> None:
    alarms.ring(conn, tenant="*", code=AlarmCode.LOG_CONTRADICTS, subject=_SUBJECT, at=at)
