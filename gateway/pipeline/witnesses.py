"""A witness that falls silent rings: without its line under a head, nobody outside would see that head taken back (S97).

A witness lays its copy of our head, with its line under it, into a file ``witnessed*`` beside the published head. How long one
has been silent is counted by our own heads: from the first that it has not signed. A head that a witness and we have signed and
that this log does not hold is proof that it was rewritten.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, select

from gateway.crashpoints import Point
from gateway.crypto import notes
from gateway.errors import StoreError, TrustError
from gateway.evidence import formats
from gateway.limits import NOTE_BYTES_MAX, WITNESSES_MAX
from gateway.pipeline.environment import Environment
from gateway.pipeline.heads import HeadKeeper
from gateway.pipeline.rounds import beside
from gateway.store import alarms, log
from gateway.store.alarms import AlarmCode
from gateway.store.tables import head

EVERY_S: Final = 60.0
_FILES: Final = "witnessed*"
_SUBJECT_CHARS_MAX: Final = 128
_HOUR_US: Final = 3_600_000_000
_CONTRADICTS: Final = "witness"


@dataclass(frozen=True, slots=True)
class Witnesses:
    """Whose lines are waited for, in which folder, and how many hours a head may go without one."""

    keys: Sequence[notes.NoteKey]
    folder: Path
    silence_hours: float

    def read(self) -> list[str]:
        """The notes that lie there, whoever wrote them. Blocks. Raises StoreError."""
        found = []
        for file in islice(sorted(self.folder.glob(_FILES)), WITNESSES_MAX):
            try:
                with file.open("rb") as source:
                    found.append(source.read(NOTE_BYTES_MAX + 1).decode("utf-8", errors="replace"))
            except OSError:  # it is being replaced, or is no file: its witness stays silent until it is read
                continue
        return found


@asynccontextmanager
async def watching_witnesses(env: Environment, witnesses: Witnesses | None) -> AsyncIterator[None]:
    """Look once a minute until the context ends; without witnesses, nothing."""
    if witnesses is None or env.heads is None:
        yield
        return
    async with beside(_run(env, env.heads, witnesses)):
        yield


async def _run(env: Environment, heads: HeadKeeper, witnesses: Witnesses) -> None:
    while True:
        try:
            await watch_witnesses(env, heads, witnesses)
        except StoreError as error:
            env.log.warning("watch.failed", code=error.code)
        await env.clock.sleep(EVERY_S)


async def watch_witnesses(env: Environment, heads: HeadKeeper, witnesses: Witnesses) -> None:
    """Ring for each witness that is silent, close for each that is not, and ring for a head that the log does not hold."""
    found = await asyncio.to_thread(witnesses.read)
    signed = [one for note in found for one in _signed(env, heads, witnesses.keys, note)]
    at, before = env.now(), env.now() - round(witnesses.silence_hours * _HOUR_US)

    def judge(conn: Connection) -> None:
        origin = log.origin(conn)
        ours = [one for one in signed if one.origin == origin]
        held = [one for one in ours if _holds(conn, one.head)]
        if len(held) < len(ours):
            alarms.ring(conn, tenant="*", code=AlarmCode.LOG_CONTRADICTS, subject=_CONTRADICTS, at=at)
        sizes = {key.name: max((one.head.size for one in held if one.by == key), default=0) for key in witnesses.keys}
        _judge_silence(conn, sizes, before, at)

    await env.store.write(judge, Point.SWEEP)


@dataclass(frozen=True, slots=True)
class _Witnessed:
    """A head that we and a witness have signed."""

    origin: str
    head: formats.Head
    by: notes.NoteKey


def _signed(env: Environment, heads: HeadKeeper, keys: Sequence[notes.NoteKey], note: str) -> list[_Witnessed]:
    """The head in a note, once for each witness; nothing when it is not by us and one of them."""
    origin = note.partition("\n")[0]
    try:
        notes.verified(note, heads.keys_of(origin))
        text, by = notes.verified(note, keys)
        found = formats.read_head(text)
    except TrustError as error:
        env.log.warning("witness.not-believed", code=error.code)
        return []
    return [_Witnessed(origin, found, key) for key in by]


def _holds(conn: Connection, known: formats.Head) -> bool:
    return known.size <= log.size(conn) and log.subtree(conn)(0, known.size) == known.root


def _judge_silence(conn: Connection, sizes: Mapping[str, int], before: int, at: int) -> None:
    """A witness is silent when a head older than ``before`` is larger than all that it signed."""
    code = AlarmCode.WITNESS_SILENT
    silent = {name[:_SUBJECT_CHARS_MAX] for name, size in sizes.items() if _unwitnessed_since(conn, size, at) < before}
    for name in alarms.open_subjects(conn, code) - silent:
        alarms.close(conn, tenant="*", code=code, subject=name, at=at, actor="gateway")
    for name in silent:
        alarms.ring(conn, tenant="*", code=code, subject=name, at=at)


def _unwitnessed_since(conn: Connection, size: int, at: int) -> int:
    """When the first head after this size was signed; ``at`` when there is none."""
    span = log.span(conn)
    assert span is not None  # noqa: S101  there is always a present log
    query = select(head.c.at).where(head.c.base == span.base, head.c.size > size).order_by(head.c.size).limit(1)
    found = conn.execute(query).scalar_one_or_none()
    return at if found is None else found
