"""Content goes when its time is over: by the policy that two people decided, or by two people for one message."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Final

from sqlalchemy import Connection

from gateway.crashpoints import Point
from gateway.domain.retention import RetentionPolicy, may_shred, policy_for
from gateway.errors import ConflictError, MalformedRequestError, StoreError, UnknownResourceError
from gateway.pipeline.environment import Environment
from gateway.store import journal, shredding
from gateway.store.entry_fields import DECISION

_BATCH: Final = 100
_DAY_US: Final = 86_400_000_000
POLICY: Final = "retention-policy"


async def purge(env: Environment) -> int:
    """Shred all whose time is over. Returns how many went; a message that moved meanwhile is judged anew."""
    gone, after, now = 0, "", env.now()
    before = now - _DAY_US
    while found := await env.store.read(partial(shredding.ended, before=before, after=after, limit=_BATCH)):
        went = [one.message_id for one in found if await _purge_one(env, one, now)]
        await _list(env, went, now)
        gone, after = gone + len(went), found[-1].message_id
    if gone:
        await env.store.clean()
    return gone


async def shred(env: Environment, message_id: str, people: Sequence[str], decision: str) -> None:
    """Shred one message before its policy says so; a concern report still waits for confirmation and 30 days.

    ``decision`` is the number under which the archive has the reason: a text of ours would go with the content, or stay
    for ever. Raises MalformedRequestError unless it and two different people are named, UnknownResourceError,
    ConflictError while the message is not at its end or must be kept.
    """
    if len(set(people)) < 2 or not all(person.strip() for person in people) or not DECISION.fullmatch(decision):  # noqa: PLR2004
        detail = "two different people are needed, and the archive's number of their decision, as 2026/123"
        raise MalformedRequestError(detail)
    soonest, now = RetentionPolicy(days=1, confirmed=False), env.now()

    def work(conn: Connection) -> Sequence[str]:
        found = shredding.kept(conn, message_id)
        if found is None:
            detail = "no message with content has this id"
            raise UnknownResourceError(detail)
        if not may_shred(found.age, soonest, now):
            detail = "the message must be kept: it is not at its end, not confirmed, or too young"
            raise ConflictError(detail)
        return _shred(conn, found, now, people[0], "two-people", second=people[1], decision=decision)

    await remove_files(env, await env.store.write(work, Point.PERSON))
    await _list(env, [message_id], now)
    await env.store.clean()


async def _purge_one(env: Environment, one: shredding.Kept, now: int) -> bool:
    policy = policy_for(one.type, env.retention)
    if policy is None or not may_shred(one.age, policy, now):
        return False

    def work(conn: Connection) -> Sequence[str] | None:
        found = shredding.kept(conn, one.message_id)
        if found is None or not may_shred(found.age, policy, now):
            return None
        return _shred(conn, found, now, "gateway", POLICY, days=policy.days)

    files = await env.store.write(work, Point.SWEEP)
    if files is None:
        return False
    await remove_files(env, files)
    return True


async def _list(env: Environment, message_ids: Sequence[str], at: int) -> None:
    """After the commit. What a crash or a disk keeps from being listed is listed by the hourly repair."""
    if env.shred_list is None:
        return
    try:
        await env.shred_list.add(dict.fromkeys(message_ids, at))
    except StoreError as error:
        env.log.warning("shred-list.not-written", code=error.code)


def _shred(conn: Connection, found: shredding.Kept, at: int, actor: str, code: str, **refs: str | int) -> Sequence[str]:
    files = shredding.shred(conn, found.message_id)
    journal.write(conn, journal.Entry(journal.SHREDDED, found.tenant, at, actor, found.message_id, code, refs))
    return files


async def remove_files(env: Environment, files: Sequence[str]) -> None:
    """After the commit. What stays behind is unreadable, and swept as a file that no row names."""

    def remove() -> None:
        for file in files:
            with suppress(OSError):
                (env.vault.folder.root / file).unlink()

    await asyncio.to_thread(remove)
