"""A message on its way out, as each step reads it anew: its state, its envelope, its roads, and what it is to the rules."""

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row

from gateway.domain.lifecycle import State
from gateway.domain.routing import Road
from gateway.errors import StoreError
from gateway.pipeline.envelope import Melding, read_envelope
from gateway.pipeline.envelope_letter import Person
from gateway.pipeline.environment import Environment
from gateway.pipeline.vault import MessageKey
from gateway.store import outbox, parcels, payloads
from gateway.store.database import locked_state
from gateway.store.outbox import Item
from gateway.store.parcels import StoredParcel
from gateway.store.tables import message, message_state

MELDING: Final = "melding"
"""The envelope: the name of the part that carries it, and of the record it is stored under."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message with its envelope opened. ``state`` and ``generation`` are as read, not locked."""

    row: Row[Any]
    state: State
    generation: int
    key: MessageKey
    raw: bytes
    melding: Melding
    parcels: tuple[StoredParcel, ...]


async def load(env: Environment, message_id: str) -> Outgoing:
    """Read a message that goes out. Raises DecryptionError once it is shredded."""

    def work(conn: Connection) -> tuple[Any, ...]:
        row = conn.execute(message.select().where(message.c.id == message_id)).one()
        state = conn.execute(message_state.select().where(message_state.c.message_id == message_id)).one()
        stored = payloads.find(conn, message_id, MELDING)
        return row, state, payloads.find_key(conn, message_id), stored, tuple(parcels.all_of(conn, message_id))

    row, state, wrapped, stored, chosen = await env.store.read(work)
    key = env.vault.unlock(row.tenant, row.id, wrapped)
    raw = await asyncio.to_thread(lambda: b"".join(env.vault.pieces(key, MELDING, stored)))
    return Outgoing(row, State(state.state), state.generation, key, raw, read_envelope(raw), chosen)


def recipient_pseudonym(env: Environment, melding: Melding) -> str | None:
    """What stands for a recipient who is a person wherever the number may not: the same for the same person and office."""
    if not isinstance(melding.mottaker, Person):
        return None
    return env.vault.mac(melding.tenant, "recipient", melding.mottaker.fodselsnummer.encode())


def case_pseudonym(env: Environment, melding: Melding) -> str | None:
    """What stands for the case: the same as for the reference of a confirmed report, where the case system tells one."""
    return env.vault.mac(melding.tenant, "reference", melding.avsenders_ref.encode()) if melding.avsenders_ref else None


def road_of(chosen: StoredParcel) -> Road:
    """The road of a parcel, as it was configured when it was chosen. Raises StoreError."""
    road = Road.parse(chosen.road)
    if road is None:
        message = "a parcel's road is none"
        raise StoreError(message)
    return road


def still_owed(conn: Connection, item: Item, state: State) -> bool:
    """Whether the message rests in the very state that owed this effect; locks it until the transaction ends."""
    row = locked_state(conn, item.message_id)
    return row is not None and (row.state, row.generation) == (state.value, item.generation)


def overtaken(env: Environment, conn: Connection, item: Item) -> str:
    """Something else happened first: the effect is owed no more."""
    if outbox.held(conn, item):
        outbox.finish(conn, item, "overtaken", env.now())
    return "overtaken"
