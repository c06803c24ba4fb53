"""What roads that bring something promise: it is acknowledged after the commit, never before, and nothing of it is told.

Two kits: ``InboundContract`` for roads that fetch, ``FacadeContract`` for roads that partners call over HTTP.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final

import aiohttp

from gateway.errors import GatewayError, MalformedRequestError, StoreError
from gateway.ports import SystemClock
from gateway.spi import (
    Accepted,
    Adapter,
    AdapterSpec,
    Address,
    Answer,
    Caller,
    Context,
    Delivery,
    District,
    HistoryRow,
    Municipality,
    Part,
    PublicCertificate,
    Receipt,
    ReceiveCertificates,
    Route,
    Stream,
)
from gateway.testing.contract import recording_log, require_clean, texts
from gateway.testing.partner import MARKER, FakePartner

_PATIENCE_S: Final = 5.0
_ID: Final = "0198f0a0-1111-7222-8333-444455556666"


@dataclass(slots=True)
class LentIntake:
    """The gateway's side, without a store: reads a delivery to its end, then waits until the test lets it commit."""

    fails: GatewayError | None = None
    read: asyncio.Event = field(default_factory=asyncio.Event)
    commit: asyncio.Event = field(default_factory=asyncio.Event)
    accepted: dict[str, bytes] = field(default_factory=dict)

    async def accept(self, delivery: Delivery) -> Accepted:
        """See ``spi.Intake.accept``; the delivery's own acknowledgement comes after the commit here too."""
        async for name, stream in delivery.parts():
            self.accepted[name] = b"".join([chunk async for chunk in stream])
        self.read.set()
        if self.fails is not None:
            raise self.fails
        await self.commit.wait()
        await delivery.acknowledge()
        return Accepted(_ID, repeated=False)

    async def receipt(self, receipt: Receipt) -> bool:
        """See ``spi.Intake.receipt``."""
        await self.commit.wait()
        return bool(receipt.partner_reference)

    def municipalities(self) -> Sequence[Municipality]:
        """One."""
        return [Municipality("4601", "Bergen")]

    def districts(self, kommunenummer: str) -> Sequence[District]:
        """One office of the one municipality."""
        return [District("02", "Bergenhus", standard_receiver=True, version="V2")] if kommunenummer == "4601" else []

    def certificates(self, address: Address) -> ReceiveCertificates:
        """Not a real one."""
        del address
        now = datetime.now(UTC)
        made = PublicCertificate("", now, now + timedelta(days=1), "1", "CN=a", "CN=b")
        return ReceiveCertificates(made, made)

    def begins_as_envelope(self, first: bytes) -> bool:
        """The first octet of every envelope."""
        return first.startswith(b"\x30")

    async def history(self, message_id: str, caller: Caller) -> Sequence[HistoryRow]:
        """One row."""
        del caller
        return [HistoryRow(message_id, datetime.now(UTC), "AKSEPTERT", "")]


@dataclass(slots=True)
class Upload:
    """A sound request that delivers something: the path it goes to, and the parts of its body."""

    path: str
    parts: Mapping[str, bytes]
    caller: Caller
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Request:
    caller: Caller
    path: Mapping[str, str]
    headers: Mapping[str, str]
    upload: Upload
    torn: bool

    async def parts(self) -> AsyncIterator[Part]:
        for name, raw in self.upload.parts.items():
            yield Part(name, self._stream(raw))

    async def _stream(self, raw: bytes) -> Stream:
        for start in range(0, len(raw), 1000):
            yield raw[start : start + 1000]
            if self.torn:
                message = "The body ended before it was whole."
                raise MalformedRequestError(message)


class _IntakeContract:
    """What both kits share."""

    spec: ClassVar[AdapterSpec[Any]]
    partner_type: ClassVar[type[FakePartner] | None] = None

    def settings(self, partner: Any) -> Any:
        """The adapter's settings, for this partner."""
        del partner
        return self.spec.settings()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[tuple[Adapter, Any, list[str]]]:
        """The adapter, its partner, and what it says; afterwards no marker may stand in that."""
        said: list[str] = []
        async with AsyncExitStack() as stack:
            partner = await stack.enter_async_context(self.partner_type()) if self.partner_type else None
            session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1), trust_env=False)
            await stack.enter_async_context(session)
            context = Context(clock=SystemClock(), session=session, log=recording_log(said))
            yield await stack.enter_async_context(self.spec.open(self.settings(partner), context)), partner, said
        require_clean("log", "\n".join(said))


class InboundContract(_IntakeContract):
    """For roads that fetch. The partner has one delivery waiting, full of markers, and counts ``acknowledged``."""

    async def test_a_delivery_is_acknowledged_after_the_commit_and_never_before(self) -> None:
        """The order that loses nothing."""
        async with self.opened() as (adapter, partner, _):
            delivery = await self._first(adapter)
            intake = LentIntake()
            taking = asyncio.create_task(intake.accept(delivery))
            await asyncio.wait_for(intake.read.wait(), _PATIENCE_S)
            await asyncio.sleep(0.05)
            assert partner.acknowledged == 0, "acknowledged before it was stored"
            intake.commit.set()
            await asyncio.wait_for(taking, _PATIENCE_S)
            assert partner.acknowledged == 1, "not acknowledged after it was stored"
            assert intake.accepted, "it has no parts"
            assert delivery.sealed_part in intake.accepted, "the part that makes two deliveries the same was not there"

    async def test_a_delivery_that_was_not_stored_is_not_acknowledged(self) -> None:
        """It comes again."""
        async with self.opened() as (adapter, partner, _):
            delivery = await self._first(adapter)
            failure = StoreError("the database cannot be written")
            try:
                await LentIntake(fails=failure).accept(delivery)
            except StoreError:
                await delivery.give_back()
            assert partner.acknowledged == 0, "acknowledged although it was not stored"

    async def _first(self, adapter: Adapter) -> Delivery:
        assert adapter.inbound is not None, "the adapter has no inbound road"
        async with asyncio.timeout(_PATIENCE_S):
            async for brought in adapter.inbound.deliveries():
                if not isinstance(brought, Receipt):
                    return brought
        message = "no delivery came"
        raise AssertionError(message)


class FacadeContract(_IntakeContract):
    """For roads that partners call. Give every kind of upload there is; their parts hold markers."""

    def uploads(self) -> Sequence[Upload]:
        """One sound request for each route that delivers."""
        raise NotImplementedError

    async def test_nobody_is_told_that_it_came_before_the_commit(self) -> None:
        """The answer waits for it."""
        for upload in self.uploads():
            async with self.opened() as (adapter, _, _):
                intake = LentIntake()
                answering = asyncio.create_task(_handle(adapter, intake, upload))
                reading = asyncio.create_task(intake.read.wait())
                await asyncio.wait({answering, reading}, timeout=_PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
                await asyncio.sleep(0.05)
                early = answering.done()
                intake.commit.set()
                answer = await asyncio.wait_for(answering, _PATIENCE_S)
                assert not early, "answered before it was stored"
                assert answer.status in range(200, 300), f"a sound upload was answered {answer.status}"
                assert dict(upload.parts).items() >= intake.accepted.items(), "not the bytes that came"
                require_clean("answer", repr(answer.body))

    async def test_what_could_not_be_stored_is_not_accepted(self) -> None:
        """The gateway answers for its own failures; the adapter lets them through."""
        for upload in self.uploads():
            failure = StoreError("the database cannot be written")
            await self._must_fail(upload, LentIntake(fails=failure), torn=False)

    async def test_a_body_that_is_cut_is_not_accepted(self) -> None:
        """Both parts, or nothing."""
        for upload in self.uploads():
            await self._must_fail(upload, LentIntake(), torn=True)

    async def _must_fail(self, upload: Upload, intake: LentIntake, *, torn: bool) -> None:
        intake.commit.set()
        async with self.opened() as (adapter, _, _):
            try:
                answer = await _handle(adapter, intake, upload, torn=torn)
            except GatewayError as error:
                require_clean("error text", texts(error))
                return
            assert answer.status not in range(200, 300), "told that it came, although it did not"


async def _handle(adapter: Adapter, intake: LentIntake, upload: Upload, *, torn: bool = False) -> Answer:
    assert adapter.facade is not None, "the adapter has no facade"
    for route in adapter.facade.routes(intake):
        values = _path_values(route, upload)
        if values is not None:
            return await route.handler(_Request(upload.caller, values, upload.headers, upload, torn))
    message = f"no route answers {upload.method} {upload.path}"
    raise AssertionError(message)


def _path_values(route: Route, upload: Upload) -> dict[str, str] | None:
    pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(route.path))
    found = re.fullmatch(pattern, upload.path)
    return found.groupdict() if found and route.method == upload.method else None


UPLOADED: Final = b"\x30\x80" + MARKER.encode() * 200
"""A part's bytes: it begins as an envelope does, and is full of markers."""
