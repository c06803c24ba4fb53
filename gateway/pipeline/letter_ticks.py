"""How far a letter has come: one tick each for delivered, posted, opened and come back, never merged.

They come in any order, more than once, and long after the message has its end. A tick's time is the carrier's where that can
be right, and ours where it cannot.
"""

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row

from gateway import limits
from gateway.pipeline import letter_clocks
from gateway.pipeline.environment import Environment
from gateway.pipeline.letter_clocks import Way
from gateway.spi import Receipt, Stage
from gateway.store import alarms, journal, messages
from gateway.store.alarms import AlarmCode
from gateway.store.parcels import StoredParcel

_TICKS: Final[dict[Stage, tuple[str, str]]] = {
    Stage.DELIVERED: ("application", "delivered"),
    Stage.POSTED: ("posted", "posted"),
    Stage.OPENED: ("opened", "opened"),
    Stage.SHREDDED: ("shredded", "shredded"),
}
"""Each stage's tick: its kind and its value."""

_ENDS: Final = frozenset({Stage.DELIVERED, Stage.POSTED})
"""Stages that the transition's own entry tells of, where there was one."""
_SECOND: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Told:
    """A receipt, and what it did: ``moved`` is the id of the transition's entry, if it made one.

    ``in_force``: it is of the parcel that the message last went by.
    """

    parcel: StoredParcel
    receipt: Receipt
    moved: str | None
    in_force: bool


def tick(env: Environment, conn: Connection, told: Told) -> None:
    """Keep what a receipt proves, and let it move clocks. The caller holds the message's lock. The same again is nothing."""
    row = messages.get(conn, told.parcel.message_id)
    stage, at, actor = told.receipt.stage, _at(env, row, told.receipt), told.parcel.adapter
    if stage is Stage.SHREDDED:
        _returned(env, conn, row, told, at)
        return
    if stage is Stage.OPENED:  # what was opened was delivered
        _add(env, conn, told, Stage.DELIVERED, at)
    new = _add(env, conn, told, stage, at)
    way = Way.PAPER if stage is Stage.POSTED else Way.of(told.parcel.road)
    if new:
        letter_clocks.delivered(env, conn, row, at, actor, way)
    elif _believed(told.receipt, at) and letter_clocks.delivered(env, conn, row, at, actor, way):
        _tell(env, conn, told, stage, at)  # it was delivered earlier than was believed
    if new and stage is Stage.OPENED:
        letter_clocks.opened(env, conn, row, at, actor)


def _returned(env: Environment, conn: Connection, row: Row[Any], told: Told, at: int) -> None:
    """It came back, or could not be delivered, and is gone: its reader must be reached otherwise."""
    if not _add(env, conn, told, Stage.SHREDDED, at):
        return
    alarms.ring(conn, tenant=row.tenant, code=AlarmCode.LETTER_RETURNED, subject=row.id, at=env.now())
    if told.in_force:  # another road's may have been delivered
        letter_clocks.returned(env, conn, row, told.parcel.adapter)


def _add(env: Environment, conn: Connection, told: Told, stage: Stage, at: int) -> bool:
    """The stage's tick and the entry that tells of it, unless they are there. Returns whether it is new."""
    kind, value = _TICKS[stage]
    tenant, message_id = told.parcel.tenant, told.parcel.message_id
    if any(one.kind == kind for one in messages.receipts(conn, message_id)):
        return False
    entry_id = told.moved if stage in _ENDS else None
    messages.add_receipt(conn, tenant, message_id, kind, value, at, entry_id or _tell(env, conn, told, stage, at))
    return True


def _tell(env: Environment, conn: Connection, told: Told, stage: Stage, at: int) -> str:
    """An entry of its own, and so a line of the feed. Returns its id."""
    tenant, message_id, actor = told.parcel.tenant, told.parcel.message_id, told.parcel.adapter
    refs: dict[str, str | int] = {"road": told.parcel.road, "at": journal.rfc3339(at)}
    entry = journal.Entry(journal.LETTER_TOLD, tenant, env.now(), actor, message_id, code=stage.value, refs=refs)
    return journal.write(conn, entry)


def _believed(receipt: Receipt, at: int) -> bool:
    """Whether the tick's time is the carrier's own: that can be an earlier one than it told before."""
    return receipt.at is not None and messages.micros(receipt.at) == at


def _at(env: Environment, row: Row[Any], receipt: Receipt) -> int:
    """When it happened, by the carrier; by us where it names no time, one to come, or one before there was a message."""
    now = env.now()
    told = messages.micros(receipt.at) if receipt.at is not None else now
    return told if row.arrived_at <= told <= now + limits.CARRIER_AHEAD_S * _SECOND else now
