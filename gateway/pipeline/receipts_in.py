"""A partner's receipt: it moves a message only when road, recipient and reference are that message's own (S24).

Safe to repeat: the same receipt again finds the message where it left it. One that fits nothing changes nothing and rings.
"""

from typing import Final

from sqlalchemy import Connection

from gateway.crashpoints import Point
from gateway.domain.lifecycle import Event, State
from gateway.pipeline import flow
from gateway.pipeline.environment import Environment
from gateway.pipeline.letter_ticks import Told, tick
from gateway.pipeline.partner_words import keep_words
from gateway.pipeline.send import another_road
from gateway.pipeline.texts import PAPER_COPY_POSSIBLE
from gateway.spi import CODE, REFERENCE, Receipt, Stage
from gateway.store import alarms, journal, messages, parcels, unit_of_work
from gateway.store.alarms import AlarmCode
from gateway.store.database import locked_state
from gateway.store.parcels import StoredParcel
from gateway.store.tables import message

_AGAIN: Final = frozenset({(State.DELIVERED, True), (State.HELD, False)})
"""Where a message rests after a receipt of this kind, delivered or not: the same one again is harmless."""


async def take_receipt(env: Environment, receipt: Receipt) -> bool:
    """See ``spi.Intake.receipt``."""
    found = await env.store.read(lambda conn: _candidate(conn, receipt))  # a partner's receipt names no tenant
    env = env.for_tenants(*([found.tenant] if found is not None else []))
    fits = await env.store.write(lambda conn: _take(env, conn, found, receipt), Point.RECEIPT_IN)
    env.log.info("receipt.came", road=receipt.road, code="fits" if fits else "mismatch")
    return fits


def _take(env: Environment, conn: Connection, found: StoredParcel | None, receipt: Receipt) -> bool:
    if found is None or not _fits(conn, found, receipt):
        subject = found.message_id if found is not None else f"road/{receipt.road}"[:128]
        tenant = found.tenant if found is not None else "*"
        alarms.ring(conn, tenant=tenant, code=AlarmCode.RECEIPT_MISMATCH, subject=subject, at=env.now())
        return False
    parcels.take(conn, found, receipt.partner_reference, env.now())
    _apply(env, conn, found, receipt)
    keep_words(env, conn, found, receipt.evidence)
    flow.greet(env, conn, found.adapter)  # after the message's own lock, as everywhere
    return True


def _candidate(conn: Connection, receipt: Receipt) -> StoredParcel | None:
    if receipt.key is not None:
        return parcels.by_key(conn, receipt.key)
    found = parcels.by_reference(conn, receipt.road, receipt.partner_reference)
    return found[0] if len(found) == 1 else None


def _fits(conn: Connection, found: StoredParcel, receipt: Receipt) -> bool:
    """Every field is the parcel's own. Without a known reference, the key alone says which parcel is meant."""
    if found.adapter != receipt.road or receipt.recipient not in {found.recipient, None}:
        return False
    known = parcels.references(conn, found.key)
    if not known:
        return found.key == receipt.key and REFERENCE.fullmatch(receipt.partner_reference) is not None
    return receipt.partner_reference in known


def _apply(env: Environment, conn: Connection, found: StoredParcel, receipt: Receipt) -> None:
    row = locked_state(conn, found.message_id)
    if row is None:
        return
    if row.direction == "inn":
        _of_answer(env, conn, found, receipt)
        return
    in_force = parcels.all_of(conn, found.message_id)[-1] == found
    event, moved = _event(env, conn, found, receipt), None
    if (event is Event.RECEIPT_CAME or in_force) and unit_of_work.legal(row, event):
        moved = _move(env, conn, found, receipt, event)
        if event is Event.RECEIPT_CAME and not in_force and parcels.may_have_left(conn, found.message_id):
            code = AlarmCode.LATE_EVENT  # it may arrive over two roads
            alarms.ring(conn, tenant=found.tenant, code=code, subject=found.message_id, at=env.now())
    elif row.state != State.DELIVERED or receipt.refused is not None:
        _late(env, conn, found, receipt, State(row.state))
    if receipt.refused is None and row.state != State.WITHDRAWN:
        tick(env, conn, Told(found, receipt, moved, in_force))


def _move(env: Environment, conn: Connection, found: StoredParcel, receipt: Receipt, event: Event) -> str:
    refs: dict[str, str | int] = {"road": found.road}
    answer = _answer(receipt)
    if answer is not None and CODE.fullmatch(answer):
        refs["answer"] = answer
    cause = event.value if event is Event.PARTNER_REFUSED else None
    happening = unit_of_work.Happening(event, found.adapter, env.now(), cause, refs)
    return unit_of_work.move(conn, found.message_id, happening).entry_id


def _answer(receipt: Receipt) -> str | None:
    """What the journal says that the partner said: why not, or how far the letter came."""
    if receipt.refused is not None:
        return receipt.refused.code
    return receipt.stage.value if receipt.stage is not Stage.DELIVERED else None


def _of_answer(env: Environment, conn: Connection, found: StoredParcel, receipt: Receipt) -> None:
    """What became of a receipt of ours: where it was lost, its sender may send the same once more, on paper."""
    if receipt.refused is None:
        return
    now, message_id = env.now(), found.message_id
    if alarms.ring(conn, tenant=found.tenant, code=AlarmCode.RECEIPT_LOST, subject=message_id, at=now):
        messages.add_warning(conn, found.tenant, message_id, PAPER_COPY_POSSIBLE)
        answer = receipt.refused.code if CODE.fullmatch(receipt.refused.code) else "unnamed"
        refs: dict[str, str | int] = {"road": found.road, "answer": answer}
        entry = journal.Entry(journal.RECEIPT_LOST, found.tenant, now, found.adapter, message_id=message_id, refs=refs)
        journal.write(conn, entry)


def _event(env: Environment, conn: Connection, found: StoredParcel, receipt: Receipt) -> Event:
    if receipt.refused is None:  # a letter that came back before it was ever delivered is for a person, as a refusal is
        return Event.PARTNER_REFUSED if receipt.stage is Stage.SHREDDED else Event.RECEIPT_CAME
    kind = conn.execute(message.select().where(message.c.id == found.message_id)).one().type
    another = receipt.refused.proof and another_road(env, conn, found.message_id, kind)
    return Event.ROAD_CLOSED if another else Event.PARTNER_REFUSED


def _late(env: Environment, conn: Connection, found: StoredParcel, receipt: Receipt, state: State) -> None:
    """No row for it: the same one again is nothing; any other is journalled, and rings where two sides disagree."""
    delivered = receipt.refused is None and receipt.stage is not Stage.SHREDDED
    if (state, delivered) in _AGAIN:
        return
    refs: dict[str, str | int] = {"event": "receipt-came" if delivered else "receipt-refused", "state": state.value}
    entry = journal.Entry(journal.LATE, found.tenant, env.now(), found.adapter, message_id=found.message_id, refs=refs)
    journal.write(conn, entry)
    if (state, delivered) in {(State.WITHDRAWN, True), (State.DELIVERED, False)}:
        alarms.ring(conn, tenant=found.tenant, code=AlarmCode.LATE_EVENT, subject=found.message_id, at=env.now())
