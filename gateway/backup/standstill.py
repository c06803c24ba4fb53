"""After a restore, or on an old copy that a person goes on with: nothing leaves the house before a person lets it.

What the copy owes to the world may have been done since it was made. Intake stays open; reports are opened and offered. What
would call somebody is parked, and what may have left counts as begun, so that a partner is asked before it is sent again.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from sqlalchemy import Connection, Row, case, select

from gateway.crashpoints import Point
from gateway.domain.lifecycle import FINAL, Effect, State
from gateway.errors import UnknownResourceError
from gateway.pipeline.environment import Environment
from gateway.store import alarms, journal, outbox, shredding
from gateway.store.alarms import AlarmCode
from gateway.store.database import add_row, change_rows, now_us
from gateway.store.succession import Beginning, begin_log
from gateway.store.tables import attempt, message, message_state, payload_key, queue_item

RESTORED: Final = "restored"
FILES: Final = "payload-files"
"""The alarm's subject that keeps unnamed payload files from being swept; a road's is ``road:`` and its name."""

_NAMED_AT_ONCE: Final = 500
_INSIDE: Final = frozenset({Effect.OPEN.value})  # opens what came in; all others call somebody, or lead to it at once


@dataclass(frozen=True, slots=True)
class StoodStill:
    """What was stopped: effects by road. ``files``: payload files of messages that were shredded again.

    ``shredded``: how many; ``unfinished``: how many of them were not at their end in the copy.
    """

    parked: Counter[str]
    files: Sequence[str]
    shredded: int
    unfinished: int


def stand_still(conn: Connection, beginning: Beginning, shredded: Iterable[str] = ()) -> StoodStill:
    """Begin a new log, park what leaves the house, ring for each road. In one transaction with all of it.

    ``shredded``: messages whose content was deleted after the copy was made; it is deleted again before anything reads it.
    """
    begin_log(conn, beginning)
    at = beginning.at
    files, again = list[str](), Counter[bool]()
    for row in _still_kept(conn, shredded):
        files += _shred_again(conn, row, at)
        again[State(row.state) in FINAL] += 1
    parked: Counter[str] = Counter()
    for row in conn.execute(_owed()).all():
        _park(conn, row, at)
        parked[row.road] += 1
    for road in parked:
        alarms.ring(conn, tenant="*", code=AlarmCode.RESTORED, subject=f"road:{road}", at=at)
    alarms.ring(conn, tenant="*", code=AlarmCode.RESTORED, subject=FILES, at=at)
    return StoodStill(parked, files, again.total(), again[False])


async def release_road(env: Environment, road: str, person: str, reason: str) -> int:
    """Let a road's parked effects run again; returns how many. Raises UnknownResourceError when nothing is parked there."""

    def work(conn: Connection) -> int:
        rows = [row for row in conn.execute(_parked()).all() if row.road == road]
        at, subject = env.now(), f"road:{road}"
        closed = alarms.close(conn, tenant="*", code=AlarmCode.RESTORED, subject=subject, at=at, actor=person)
        if not rows and not closed:
            detail = "nothing of a restore stands still on this road"
            raise UnknownResourceError(detail)
        for row in rows:
            change_rows(conn, queue_item, {"id": row.id}, parked=None, run_at=now_us(conn))
            _tell(conn, row, journal.UNPARKED, person, at)
        refs: dict[str, str | int] = {"road": road, "effects": len(rows)}
        journal.write(conn, journal.Entry(journal.ROAD_RELEASED, "*", at, person, code=reason, refs=refs))
        return len(rows)

    return await env.store.write(work, Point.PERSON)


def standing(conn: Connection) -> Counter[str]:
    """How many effects stand still, by road."""
    return Counter(row.road for row in conn.execute(_parked()))


def _owed() -> Any:
    """What leaves the house, and is not parked for another reason."""
    return _items().where(queue_item.c.parked.is_(None), queue_item.c.effect.not_in(_INSIDE)).order_by(queue_item.c.id)


def _parked() -> Any:
    return _items().where(queue_item.c.parked == RESTORED).order_by(queue_item.c.id)


def _items() -> Any:
    """Each with the road that it is for: the partner's that is called, or the one that its message came by."""
    ours = queue_item.c.partner.in_([outbox.GATEWAY, outbox.BELLS])
    road = case((ours, message.c.road), else_=queue_item.c.partner)
    return select(queue_item, road.label("road")).join(message, message.c.id == queue_item.c.message_id)


def _park(conn: Connection, row: Row[Any], at: int) -> None:
    if row.effect == Effect.SEND.value:
        _begun(conn, row, at)
    outbox.park(conn, row.id, RESTORED)
    _tell(conn, row, journal.PARKED, "gateway", at)


def _begun(conn: Connection, row: Row[Any], at: int) -> None:
    """An attempt that may have been made since the copy, with an end that nobody knows."""
    number = row.attempt + 1
    change_rows(conn, queue_item, {"id": row.id}, attempt=number)
    of = {"tenant": row.tenant, "message_id": row.message_id, "effect": row.effect, "generation": row.generation}
    add_row(conn, attempt, **of, number=number, phase=outbox.BEGUN, code=RESTORED, owner=RESTORED, at=at)


def _tell(conn: Connection, row: Row[Any], event: str, actor: str, at: int) -> None:
    journal.write(conn, journal.Entry(event, row.tenant, at, actor, message_id=row.message_id, code=RESTORED))


def _still_kept(conn: Connection, message_ids: Iterable[str]) -> Iterator[Any]:
    """Those of these messages whose content is in the copy, however many are named."""
    query = select(message_state.c.message_id, message_state.c.tenant, message_state.c.state).join(
        payload_key, payload_key.c.message_id == message_state.c.message_id
    )
    left = iter(message_ids)
    while some := list(islice(left, _NAMED_AT_ONCE)):
        yield from conn.execute(query.where(message_state.c.message_id.in_(some))).all()


def _shred_again(conn: Connection, row: Row[Any], at: int) -> Sequence[str]:
    files = shredding.shred(conn, row.message_id)
    journal.write(conn, journal.Entry(journal.SHREDDED, row.tenant, at, "gateway", row.message_id, RESTORED))
    return files
