"""A delivery becomes a message: streamed, sealed and committed before anybody is told that it came.

Safe to repeat: the same sealed bytes from the same sender are one message, and the same answer is given again.
"""

import asyncio
import shutil
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Final

import orjson
import uuid_utils
from sqlalchemy import Connection

from gateway.crashpoints import Point, Side, crashpoint
from gateway.crypto.cms import looks_like_envelope
from gateway.crypto.published import published
from gateway.domain import history as words
from gateway.domain.lifecycle import Effect, Event, State
from gateway.domain.message_type import Lane, MessageType
from gateway.errors import StoreFullError, UnknownResourceError
from gateway.observability import metrics
from gateway.pipeline.environment import Environment
from gateway.pipeline.offices import Office
from gateway.pipeline.quotas import require_quota
from gateway.pipeline.receipts_in import take_receipt
from gateway.pipeline.vault import MessageKey, SealedRecord, Sealing
from gateway.spi import (
    Accepted,
    Address,
    Caller,
    Delivery,
    District,
    HistoryRow,
    Municipality,
    Receipt,
    ReceiveCertificates,
)
from gateway.store import dedupe, journal, messages, parcels, payloads, unit_of_work
from gateway.store.dedupe import KeyKind
from gateway.store.parcels import StoredParcel
from gateway.store.payloads import WrappedKey

PART: Final = "part:"


@dataclass(frozen=True, slots=True)
class _Arrival:
    """Everything the commit needs; made before the transaction begins."""

    message_id: str
    office: Office
    kind: MessageType
    delivery: Delivery
    records: tuple[SealedRecord, ...]
    key: MessageKey
    wrapped: WrappedKey
    sealed_key: str
    remote_key: str | None
    at: int


class Intake:
    """What the gateway lends to roads that deliver (``spi.Intake``)."""

    def __init__(self, env: Environment, adapter: str = "") -> None:
        self._env = env
        self._adapter = adapter
        self._store, self._vault, self._offices = env.store, env.vault, env.offices

    async def accept(self, delivery: Delivery) -> Accepted:
        """See ``spi.Intake.accept``."""
        started = time.monotonic()
        office = self._offices.at(delivery.address)
        if office is None:
            detail = "no child-welfare office is configured at this kommunenummer and bydelsnummer"
            raise UnknownResourceError(detail)
        kind = self._env.types.type(delivery.message_type)
        require_room(self._env, kind.lane)
        require_quota(self._env, kind.lane, delivery.headers.get("client-id"))
        with self._env.right_of_way.report() if kind.lane is Lane.CONCERN else nullcontext():
            accepted = await self._take(delivery, office, kind)
        metrics.RECEIVED.labels(kind.lane.value, str(accepted.repeated).lower()).inc()
        metrics.ACCEPT_SECONDS.labels(kind.lane.value).observe(time.monotonic() - started)
        self._env.log.info("message.accepted", message_id=accepted.id, tenant=str(office.tenant), road=delivery.road)
        return accepted

    async def _take(self, delivery: Delivery, office: Office, kind: MessageType) -> Accepted:
        arrival = await self._stream(delivery, office, kind)
        crashpoint(Point.SPOOL_WRITTEN, Side.AFTER)
        store = self._store.for_tenants([str(office.tenant)])
        accepted = await store.write(lambda conn: self._commit(conn, arrival), Point.ACCEPT, kind.lane)
        await delivery.acknowledge()
        if accepted.repeated:
            await asyncio.to_thread(self._forget, arrival.records)
        return accepted

    async def _stream(self, delivery: Delivery, office: Office, kind: MessageType) -> _Arrival:
        """Seal each part as it comes; nothing is ever whole in memory, or on disk in the clear."""
        message_id = str(uuid_utils.uuid7())
        tenant = str(office.tenant)
        key, wrapped = self._vault.new_key(tenant, message_id)
        sealings: list[Sealing] = []
        try:
            async for name, stream in delivery.parts():
                sealings.append(self._vault.sealing(key, PART + name))
                await sealings[-1].pour(stream)
            records = await asyncio.to_thread(_store, sealings)
        except BaseException:
            for sealing in sealings:
                sealing.writer.discard()
            raise
        identity, remote = delivery.sender.encode() + b"\x00", delivery.remote_id
        return _Arrival(
            message_id=message_id,
            office=office,
            kind=kind,
            delivery=delivery,
            records=records,
            key=key,
            wrapped=wrapped,
            sealed_key=self._vault.mac(tenant, KeyKind.SEALED, _identity(delivery, records)),
            remote_key=self._vault.mac(tenant, KeyKind.REMOTE_ID, identity + remote.encode()) if remote else None,
            at=self._env.now(),
        )

    def _commit(self, conn: Connection, arrival: _Arrival) -> Accepted:
        """Stage 1 of the duplicate rules, then everything that a 201 promises, in one transaction."""
        tenant = str(arrival.office.tenant)
        first = dedupe.claim(conn, tenant, KeyKind.SEALED, arrival.sealed_key, arrival.message_id)
        if first != arrival.message_id:
            entry = journal.Entry(journal.REPEATED, tenant, arrival.at, _actor(arrival.delivery), message_id=first)
            journal.write(conn, entry)
            return Accepted(first, repeated=True)
        self._insert(conn, arrival, tenant)
        if arrival.delivery.fault is not None:
            _set_aside(conn, arrival, tenant, arrival.delivery.fault)
        elif arrival.remote_key is not None:
            owner = dedupe.claim(conn, tenant, KeyKind.REMOTE_ID, arrival.remote_key, arrival.message_id)
            if owner != arrival.message_id:  # the same id with another body: both are kept, a person looks
                happening = unit_of_work.Happening(
                    Event.CONTENT_DIFFERS, "gateway", arrival.at, cause="remote-id-reused", refs={"other": owner}
                )
                unit_of_work.move(conn, arrival.message_id, happening)
        return Accepted(arrival.message_id, repeated=False)

    def _insert(self, conn: Connection, arrival: _Arrival, tenant: str) -> None:
        delivery = arrival.delivery
        values = {
            "id": arrival.message_id,
            "tenant": tenant,
            "direction": "inn",
            "road": delivery.road,
            "sender": delivery.sender,
            "sender_organisation": delivery.headers.get("organisation-number"),
            "client": delivery.headers.get("client-id"),
            "type": arrival.kind.key,
            "lane": arrival.kind.lane.value,
            "remote_id": delivery.remote_id,
            "arrived_at": arrival.at,
        }
        unit_of_work.create(conn, values, State.RECEIVED, Effect.OPEN, arrival.at)
        messages.add_headers(conn, tenant, arrival.message_id, delivery.headers)
        payloads.insert_key(conn, tenant, arrival.message_id, arrival.wrapped)
        for record in arrival.records:
            payloads.insert(conn, tenant, arrival.message_id, record.purpose, record.stored)
        if delivery.answer_to is not None:
            parcels.add(conn, self._answer(arrival, delivery.answer_to), arrival.at)
        entry_id = journal.write(
            conn,
            journal.Entry(
                journal.ARRIVED,
                tenant,
                arrival.at,
                _actor(delivery),
                message_id=arrival.message_id,
                refs={"road": delivery.road, "type": arrival.kind.key, "size": sum(r.size for r in arrival.records)},
                commit={r.purpose: journal.commitment(arrival.key.salt, r.digest) for r in arrival.records},
            ),
        )
        messages.add_history(conn, tenant, arrival.message_id, words.AKSEPTERT, arrival.at)
        messages.add_receipt(conn, tenant, arrival.message_id, "transport", "accepted", arrival.at, entry_id)

    def _answer(self, arrival: _Arrival, recipient: str) -> StoredParcel:
        """The receipt that will be owed, over the road that the message came by."""
        return StoredParcel(
            tenant=str(arrival.office.tenant),
            message_id=arrival.message_id,
            number=1,
            road=arrival.delivery.road,
            adapter=self._adapter,
            recipient=recipient,
            key=str(uuid_utils.uuid4()),
        )

    def _forget(self, records: Sequence[SealedRecord]) -> None:
        for record in records:
            if record.stored.file is not None:
                (self._vault.folder.root / record.stored.file).unlink(missing_ok=True)

    async def receipt(self, receipt: Receipt) -> bool:
        """See ``spi.Intake.receipt``."""
        return await take_receipt(self._env, receipt)

    # --- what such roads ask -------------------------------------------------------------------------------------

    def municipalities(self) -> Sequence[Municipality]:
        """See ``spi.Intake.municipalities``."""
        seen = {office.tenant.kommunenummer: office.kommunenavn for office in self._offices.all()}
        return [Municipality(number, name) for number, name in seen.items()]

    def districts(self, kommunenummer: str) -> Sequence[District]:
        """See ``spi.Intake.districts``."""
        return [
            District(office.tenant.bydelsnummer, office.bydelsnavn, office.standard_receiver, office.version)
            for office in self._offices.in_municipality(kommunenummer)
        ]

    def certificates(self, address: Address) -> ReceiveCertificates:
        """See ``spi.Intake.certificates``."""
        office = self._offices.at(address)
        if office is None:
            detail = "no child-welfare office is configured at this kommunenummer and bydelsnummer"
            raise UnknownResourceError(detail)
        container, print_part = office.receive.decryption_keys()[0], office.print_part.decryption_keys()[0]
        return ReceiveCertificates(published(container.certificate), published(print_part.certificate))

    def begins_as_envelope(self, first: bytes) -> bool:
        """See ``spi.Intake.begins_as_envelope``."""
        return looks_like_envelope(first)

    async def history(self, message_id: str, caller: Caller) -> Sequence[HistoryRow]:
        """See ``spi.Intake.history``."""
        sender = caller.fiks_org_id or ""
        # A sender belongs to no tenant: its own message says where it went, and nothing more is read over them all.
        tenant = await self._store.read(lambda conn: messages.tenant_of(conn, message_id, sender))
        if tenant is None:
            detail = "no message of yours has this id"
            raise UnknownResourceError(detail)
        store = self._store.for_tenants([tenant])
        rows = await store.read(lambda conn: messages.history_for(conn, message_id, sender))
        return [HistoryRow(message_id, messages.moment(row.at), row.status, "") for row in rows]


def require_room(env: Environment, lane: Lane) -> None:
    """Below the disk floor everything but concern reports waits outside. Raises StoreFullError."""
    if lane is Lane.CONCERN:
        return
    if shutil.disk_usage(env.vault.folder.root).free < env.settings.intake.disk_floor_bytes:
        message = "the disk floor is reached"
        raise StoreFullError(message)


def _identity(delivery: Delivery, records: Sequence[SealedRecord]) -> bytes:
    """What makes two deliveries the same one: sender, the platform's id where it has one, and the sealed bytes.

    The same bytes under another id are another delivery, because their sender awaits a receipt under that id; opening
    finds that they are a copy. Where nothing sealed came, everything that did come must be equal.
    """
    sealed = [record.digest for record in records if record.purpose == PART + delivery.sealed_part]
    if delivery.blob is not None:
        content = [delivery.blob.encode()]
    else:
        content = sealed or [record.digest for record in records] + [orjson.dumps(sorted(delivery.headers.items()))]
    remote = (delivery.remote_id or "").encode()
    return b"\x00".join([delivery.sender.encode(), *([remote] if remote else []), *content])


def _set_aside(conn: Connection, arrival: _Arrival, tenant: str, fault: str) -> None:
    """What cannot be understood is stored as it came, and waits for a person."""
    messages.add_warning(conn, tenant, arrival.message_id, "not-understood", fault)
    happening = unit_of_work.Happening(Event.NOT_UNDERSTOOD, "gateway", arrival.at, cause=fault)
    unit_of_work.move(conn, arrival.message_id, happening)


def _actor(delivery: Delivery) -> str:
    return delivery.headers.get("client-id") or delivery.road


def _store(sealings: Sequence[Sealing]) -> tuple[SealedRecord, ...]:
    return tuple(sealing.store() for sealing in sealings)
