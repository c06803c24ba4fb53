"""The business receipt over a road that wants it sent: no commit of ours can hold what is told to another.

Safe to repeat: every attempt carries the same key, and a sender that hears the same receipt twice knows no more than
once. So an attempt whose end nobody knows is made again, until the partner has taken one.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Row

from gateway.crashpoints import Point
from gateway.domain.lifecycle import Effect, State
from gateway.domain.message_type import Lane
from gateway.errors import ConfigError, PartnerUnavailableError, PolicyError
from gateway.pipeline import flow
from gateway.pipeline.backoff import backoff_s
from gateway.pipeline.call import call_with_receipt
from gateway.pipeline.enclose import seal_files
from gateway.pipeline.environment import Environment
from gateway.pipeline.recipient_keys import recipient_key
from gateway.pipeline.roads import OpenRoad
from gateway.pipeline.seal import name_sealed, parcel_of
from gateway.pipeline.send import code_of, keep_reference
from gateway.pipeline.texts import FAILED_RECEIPT
from gateway.pipeline.vault import MessageKey
from gateway.spi import Answered, Fate, Outcome, Parcel, Refused, Taken, TryLater
from gateway.store import messages, outbox, payloads
from gateway.store.database import row_by
from gateway.store.outbox import Item
from gateway.store.parcels import StoredParcel
from gateway.store.payloads import StoredRecord, WrappedKey
from gateway.store.tables import message, message_state

_FAILED_FILE: Final = "feilmelding.json"  # fiks.md 9: one file, an object with the text ``melding``


@dataclass(frozen=True, slots=True)
class _Answered:
    row: Row[Any]
    state: State
    headers: dict[str, str]
    wrapped: WrappedKey | None
    sealed: StoredRecord | None


async def try_answer(env: Environment, item: Item, chosen: StoredParcel, owed: frozenset[State]) -> Outcome | None:
    """One attempt to tell the sender; None when it is owed no more. The outcome is the caller's to settle.

    Raises PartnerUnavailableError when nobody could be called.
    """
    found = await env.store.read(lambda conn: _load(conn, item.message_id, chosen))
    if found.state not in owed:
        return None
    road = env.roads.find(chosen.adapter)
    if road is None:
        message_text = "the road is not open"
        raise PartnerUnavailableError(message_text)
    return await call_with_receipt(env, road, item, await _parcel(env, item, road, chosen, found))


def settled(env: Environment, conn: Connection, item: Item, chosen: StoredParcel, outcome: Outcome) -> bool:
    """Keep what the partner said; whether it has the receipt. What time may mend is tried again."""
    now = env.now()
    flow.note(env, conn, chosen.adapter, outcome)
    keep_reference(conn, chosen, outcome, now)
    if not isinstance(outcome, Taken | Refused) and outbox.held(conn, item):
        wait_s = outcome.after_s if isinstance(outcome, TryLater) and outcome.after_s is not None else 0.0
        outbox.retry(conn, item, code_of(outcome), now, max(backoff_s(env, item.attempt), wait_s))
    return isinstance(outcome, Taken)


def _load(conn: Connection, message_id: str, chosen: StoredParcel) -> _Answered:
    row, state = row_by(conn, message, id=message_id), row_by(conn, message_state, message_id=message_id)
    assert row is not None  # noqa: S101  its effect is in work
    assert state is not None  # noqa: S101  and so is this
    return _Answered(
        row,
        State(state.state),
        messages.headers(conn, message_id),
        payloads.find_key(conn, message_id),
        payloads.find(conn, message_id, chosen.purpose),
    )


async def _parcel(env: Environment, item: Item, road: OpenRoad, chosen: StoredParcel, found: _Answered) -> Parcel:
    fate = Fate.RECEIVED if item.effect is Effect.RECEIPT_POSITIVE else Fate.FAILED
    channel_type = env.types.type(found.row.type).channels.get(chosen.adapter, "")
    answers = Answered(found.row.remote_id or "", channel_type, found.headers, fate)
    key = env.vault.unlock(found.row.tenant, found.row.id, found.wrapped)
    stored = found.sealed
    if fate is Fate.FAILED and stored is None:
        stored = await _failure(env, item, road, chosen, key)
    return parcel_of(env, found.row.type, key, chosen, stored, answers)


async def _failure(env: Environment, item: Item, road: OpenRoad, chosen: StoredParcel, key: MessageKey) -> StoredRecord:
    """What goes with a negative receipt: a text of ours, the same for everybody, sealed once."""
    try:
        certificate = await recipient_key(env, chosen.tenant, road, chosen)
        files = [(_FAILED_FILE, "application/json", [orjson.dumps({"melding": FAILED_RECEIPT})])]
        record = await asyncio.to_thread(seal_files, env, key, files, certificate, road.seal, chosen.purpose)
    except (PolicyError, ConfigError) as error:  # the sender's key may be there tomorrow, and so may ours
        message_text = "the receipt could not be sealed"
        raise PartnerUnavailableError(message_text) from error

    def keep(conn: Connection) -> StoredRecord:
        known = payloads.find(conn, chosen.message_id, chosen.purpose)
        if known is None:
            name_sealed(env, conn, chosen, [record])
        return known or record.stored

    return await env.store.write(keep, Point.SEALED, Lane(item.lane))
