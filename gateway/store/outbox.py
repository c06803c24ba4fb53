"""The queue of effects: written with the transition that owes them, claimed with a lease, deleted when done.

A lease belongs to a process incarnation. The final write of an effect carries the lease as a fence: a worker that lost
it changes nothing. What was in work when a process died is *suspect* and runs alone, so that one poisonous message
cannot take its neighbours down with it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection, Integer, Row, Select, and_, bindparam, func, literal_column, or_, select

from gateway.domain.lifecycle import Effect
from gateway.store import journal
from gateway.store.database import (
    add_row,
    change_rows,
    insert_new,
    locked_state,
    note_work,
    now_us,
    remove_rows,
)
from gateway.store.tables import attempt, queue_item

BEGUN: Final = "begun"
ENDED: Final = "ended"
GATEWAY: Final = "gateway"
"""The partner of effects that call nobody."""
BELLS: Final = "bells"
"""The partner of what rings case systems: calls with workers of their own, so that who hangs there holds up no report."""
SUSPECTS: Final = "suspects"
"""The queue of what was in work when a process died."""

_SECOND_US: Final = 1_000_000
_TAKE: Final = (
    queue_item.update()
    .where(queue_item.c.id.in_(bindparam("ids", expanding=True)))
    .values(attempt=queue_item.c.attempt + 1)
    .returning(queue_item)
)
_HELD: Final = (
    select(queue_item.c.id)
    .where(*(queue_item.c[name] == bindparam(name) for name in ("id", "lease_owner", "attempt")))
    .with_for_update()
)


@dataclass(frozen=True, slots=True)
class Item:
    """A claimed piece of work; the fence is (owner, attempt)."""

    id: int
    tenant: str
    message_id: str
    effect: Effect
    generation: int
    lane: str
    partner: str
    attempt: int
    owner: str
    suspect: bool


def enqueue(
    conn: Connection,
    *,
    tenant: str,
    message_id: str,
    effect: Effect,
    generation: int,
    lane: str,
    partner: str,
    delay_s: float = 0,
) -> None:
    """Owe an effect. The same (message, effect, generation) twice is one."""
    values = {
        "tenant": tenant,
        "message_id": message_id,
        "effect": effect.value,
        "generation": generation,
        "lane": lane,
        "partner": partner,
        "run_at": now_us(conn) + int(delay_s * _SECOND_US),
    }
    if insert_new(conn, queue_item, values, ["message_id", "effect", "generation"]):
        note_work(conn, queue_of(lane, partner))


def queue_of(lane: str, partner: str) -> str:
    """Who is woken for an item: its lane's workers, or those of the partner that it calls."""
    return lane if partner == GATEWAY else partner


def due(
    conn: Connection,
    *,
    lanes: Collection[str],
    suspects: bool,
    only_partner: str | None = None,
) -> bool:
    """Whether a claim would find something now."""
    query = _claimable(suspects=suspects, one_partner=only_partner is not None, lock=False)
    values = _claim_values(conn, lanes, only_partner)
    return conn.execute(query, values | {"limit": 1}).first() is not None


def _claim_values(conn: Connection, lanes: Collection[str], only_partner: str | None) -> dict[str, Any]:
    partner = {} if only_partner is None else {"partner": only_partner}
    return {"lanes": list(lanes), "now": now_us(conn)} | partner


@cache
def _claimable(*, suspects: bool, one_partner: bool, lock: bool) -> Select[Any]:
    """What may be claimed, the oldest first, of any partner or of one alone. Suspects are few: an index has them alone."""
    query = (
        select(queue_item.c.id)
        .where(
            queue_item.c.lane.in_(bindparam("lanes", expanding=True)),
            queue_item.c.run_at <= bindparam("now"),
            queue_item.c.lease_owner.is_(None),
            queue_item.c.parked.is_(None),
            queue_item.c.suspect == literal_column(str(int(suspects))),
        )
        .order_by(queue_item.c.run_at, queue_item.c.id)
        .limit(bindparam("limit", type_=Integer))
    )
    if one_partner:
        query = query.where(queue_item.c.partner == bindparam("partner"))
    return query.with_for_update(skip_locked=True) if lock else query


def claim(
    conn: Connection,
    *,
    owner: str,
    lanes: Collection[str],
    limit: int,
    lease_s: float,
    suspects: bool,
    only_partner: str | None = None,
) -> list[Item]:
    """Take up to ``limit`` due items of these lanes. Suspects are taken one at a time and never with others.

    ``only_partner``: calls have workers of their own, and so has what is done here (``GATEWAY``); None takes any.
    """
    values = _claim_values(conn, lanes, only_partner)
    chosen = _claimable(suspects=suspects, one_partner=only_partner is not None, lock=True)
    ids = conn.execute(chosen, values | {"limit": 1 if suspects else limit}).scalars().all()
    if not ids:
        return []
    lease = {"ids": ids, "lease_owner": owner, "lease_until": values["now"] + int(lease_s * _SECOND_US)}
    return sorted((_item(row) for row in conn.execute(_TAKE, lease)), key=lambda item: item.id)


def _item(row: Row[Any]) -> Item:
    return Item(
        id=row.id,
        tenant=row.tenant,
        message_id=row.message_id,
        effect=Effect(row.effect),
        generation=row.generation,
        lane=row.lane,
        partner=row.partner,
        attempt=row.attempt,
        owner=row.lease_owner,
        suspect=bool(row.suspect),
    )


def begin(conn: Connection, item: Item, at: int) -> bool:
    """Note that the work begins now, just before it does. False when the lease is gone: then leave it alone.

    Under the message's lock: whoever takes a message back sees this attempt, or is seen by what follows it.
    """
    locked_state(conn, item.message_id)
    if not held(conn, item):
        return False
    _note(conn, item, BEGUN, None, at)
    return True


def held(conn: Connection, item: Item) -> bool:
    """Whether the lease is still ours; locks the row until the transaction ends."""
    fence = {"id": item.id, "lease_owner": item.owner, "attempt": item.attempt}
    return conn.execute(_HELD, fence).one_or_none() is not None


def finish(conn: Connection, item: Item, code: str, at: int) -> None:
    """The effect is done: note the outcome and forget the item."""
    _note(conn, item, ENDED, code, at)
    remove_rows(conn, queue_item, id=item.id)


def retry(conn: Connection, item: Item, code: str, at: int, delay_s: float) -> None:
    """The effect failed for now: note the outcome and give the item back for later."""
    _note(conn, item, ENDED, code, at)
    run_at = now_us(conn) + int(delay_s * _SECOND_US)
    change_rows(conn, queue_item, {"id": item.id}, lease_owner=None, lease_until=None, suspect=0, run_at=run_at)
    note_work(conn, queue_of(item.lane, item.partner))


def park(conn: Connection, item_id: int, code: str) -> None:
    """Leave the effect to a person: it is owed, but time alone will not bring it back."""
    change_rows(conn, queue_item, {"id": item_id}, parked=code, lease_owner=None, lease_until=None)


def unpark(conn: Connection, message_id: str) -> int:
    """A person lets a message's parked effects run again."""
    freed = conn.execute(
        queue_item.update()
        .where(queue_item.c.message_id == message_id, queue_item.c.parked.is_not(None))
        .values(parked=None, suspect=0, deaths=0, run_at=now_us(conn))
        .returning(queue_item.c.lane, queue_item.c.partner)
    ).all()
    for row in freed:
        note_work(conn, queue_of(row.lane, row.partner))
    return len(freed)


def drop(conn: Connection, message_id: str, effects: Collection[Effect]) -> None:
    """Forget owed effects that the new state no longer owes."""
    conn.execute(
        queue_item.delete().where(
            queue_item.c.message_id == message_id, queue_item.c.effect.in_([effect.value for effect in effects])
        )
    )


def drop_item(conn: Connection, item_id: int) -> None:
    """Forget one item: what it owed is owed no more."""
    remove_rows(conn, queue_item, id=item_id)


def extend(conn: Connection, owner: str, items: Collection[int], lease_s: float) -> None:
    """Heartbeat: move the end of the leases of what this incarnation has in work."""
    conn.execute(
        queue_item.update()
        .where(queue_item.c.lease_owner == owner, queue_item.c.id.in_(sorted(items)))
        .values(lease_until=now_us(conn) + int(lease_s * _SECOND_US))
    )


def give_back(conn: Connection, items: Collection[Item]) -> None:
    """What was claimed and not begun is anybody's again."""
    for item in items:
        if held(conn, item):
            change_rows(conn, queue_item, {"id": item.id}, lease_owner=None, lease_until=None)
            note_work(conn, queue_of(item.lane, item.partner))


def free(
    conn: Connection, dead_owners: Collection[str], *, now: int | None = None, everyone_but: str | None = None
) -> list[Row[Any]]:
    """Take leases from the dead, or whose time is over. Returns the items, now suspect.

    A first death makes an item due at once; after more, its back-off stands (``backoff`` of the caller moved it).
    Items that were claimed but not begun are innocent: they are only given back. ``now``: the store's time as the
    caller believes it, when it has reason to doubt what the clock says at this moment.
    """
    time_now = now_us(conn) if now is None else now
    over = and_(queue_item.c.lease_owner.is_not(None), queue_item.c.lease_until < time_now)
    dead = queue_item.c.lease_owner.in_(list(dead_owners))
    gone = or_(over, dead)
    if everyone_but is not None:
        gone = and_(queue_item.c.lease_owner.is_not(None), queue_item.c.lease_owner != everyone_but)
    freed = conn.execute(select(queue_item).where(gone).with_for_update(skip_locked=True)).all()
    suspects: list[Row[Any]] = []
    for row in freed:
        begun = _begun_without_end(conn, row)
        conn.execute(
            queue_item.update()
            .where(queue_item.c.id == row.id)
            .values(
                lease_owner=None,
                lease_until=None,
                suspect=int(begun or bool(row.suspect)),
                deaths=queue_item.c.deaths + int(begun and bool(row.suspect)),
            )
        )
        note_work(conn, SUSPECTS if begun or row.suspect else queue_of(row.lane, row.partner))
        if begun:
            suspects.append(conn.execute(select(queue_item).where(queue_item.c.id == row.id)).one())
    return suspects


def delay(conn: Connection, item_id: int, delay_s: float) -> None:
    """Move a freed item's next run."""
    change_rows(conn, queue_item, {"id": item_id}, run_at=now_us(conn) + int(delay_s * _SECOND_US))


def _begun_without_end(conn: Connection, row: Row[Any]) -> bool:
    phases = conn.execute(
        select(func.count()).where(
            attempt.c.message_id == row.message_id,
            attempt.c.effect == row.effect,
            attempt.c.generation == row.generation,
            attempt.c.number == row.attempt,
        )
    ).scalar_one()
    return bool(phases == 1)


def _note(conn: Connection, item: Item, phase: str, code: str | None, at: int) -> None:
    add_row(
        conn,
        attempt,
        tenant=item.tenant,
        message_id=item.message_id,
        effect=item.effect.value,
        generation=item.generation,
        number=item.attempt,
        phase=phase,
        code=code,
        owner=item.owner,
        at=at,
    )
    event = journal.ATTEMPT_BEGUN if phase == BEGUN else journal.ATTEMPT_ENDED
    refs: dict[str, str | int] = {"effect": item.effect.value, "generation": item.generation}
    journal.write_spare(conn, journal.Entry(event, item.tenant, at, "gateway", item.message_id, code, refs))
