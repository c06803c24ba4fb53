"""What every adapter promises, as tests to subclass: the contract kit (a new partner in an hour).

    class TestTannlege(HttpAdapterContract):
        spec = ADAPTER
        partner_type = FakeTannlege

        def settings(self, partner):
            return TannlegeSettings(url=partner.url)

A promise that is broken fails an assertion that says which. Every test also reads all that the adapter said (its log,
what it printed, its errors, metrics) for personal data, which the parcel and the partner's answers are full of.
"""

import asyncio
import contextlib
import io
import logging
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

import aiohttp
import prometheus_client
import structlog

from gateway.limits import MIB
from gateway.observability import metrics
from gateway.ports import SystemClock
from gateway.spi import (
    CODE,
    REFERENCE,
    Adapter,
    AdapterSpec,
    Context,
    Outbound,
    Outcome,
    Parcel,
    Receipt,
    Refused,
    Stream,
    Taken,
    TryLater,
    Uncertain,
    attempt,
)
from gateway.testing.partner import MARKER, RETRY_AFTER_S, FakePartner, Fault

_CALL_S: Final = 0.5  # the lent session's time-out
_PATIENCE_S: Final = 5.0  # an attempt that takes longer does not obey it
_ANSWER_BYTES_MAX: Final = 16 * MIB  # read of a huge answer, with what buffers hold
_RECIPIENT: Final = "974760673"
_CONTENT: Final = (MARKER.encode() + b"\n") * 4000


@dataclass(slots=True)
class Opened:
    """An adapter that is open, its partner, and everything that it said."""

    adapter: Adapter
    partner: FakePartner | None
    said: list[str] = field(default_factory=list)

    @property
    def outbound(self) -> Outbound:
        """The road out; an adapter under this contract has one."""
        assert self.adapter.outbound is not None, "the adapter has no outbound road"
        return self.adapter.outbound


def parcel(content: Callable[[], Stream] | None = None) -> Parcel:
    """A parcel full of markers."""
    return Parcel(str(uuid.uuid4()), "prove.forsendelse.v1", _RECIPIENT, len(_CONTENT), content or _chunks)


async def _chunks() -> Stream:
    for start in range(0, len(_CONTENT), 10_000):
        yield _CONTENT[start : start + 10_000]


class AdapterContract:
    """What any road out promises."""

    spec: ClassVar[AdapterSpec[Any]]
    partner_type: ClassVar[type[FakePartner] | None] = None

    def settings(self, partner: Any) -> Any:
        """The adapter's settings, for this partner (None where the adapter is its own)."""
        del partner
        return self.spec.settings()

    def parcel(self, content: Callable[[], Stream] | None = None) -> Parcel:
        """A parcel that this road can take; override it where types, recipients or offices must be the road's own."""
        return parcel(content)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Opened]:
        """Open the adapter as the gateway does; afterwards, nothing it said may hold a marker."""
        async with contextlib.AsyncExitStack() as stack:
            said = stack.enter_context(overheard())
            partner = await stack.enter_async_context(self.partner_type()) if self.partner_type else None
            context = await self._context(stack, said)
            adapter = await stack.enter_async_context(self.spec.open(self.settings(partner), context))
            yield Opened(adapter, partner, said)

    async def _context(self, stack: contextlib.AsyncExitStack, said: list[str]) -> Context:
        return await lent(stack, said)

    async def send(self, opened: Opened, sent: Parcel) -> Outcome:
        """One attempt as the gateway makes it, with everything checked that holds for any outcome."""
        return await tried(opened.outbound, sent)

    # --- the promises ---------------------------------------------------------------------------------------------

    async def test_a_parcel_is_taken(self) -> None:
        """The happy road: whole, once."""
        async with self.opened() as opened:
            sent = self.parcel()
            outcome = await self.send(opened, sent)
            assert isinstance(outcome, Taken), f"a good parcel on a good day was not taken: {outcome}"
            if opened.partner is not None:
                assert list(opened.partner.taken.values()) == [[_CONTENT]], "the partner did not get the bytes once"

    async def test_the_same_parcel_twice_has_one_effect_if_the_adapter_says_so(self) -> None:
        """``idempotent`` is a promise of the partner's."""
        async with self.opened() as opened:
            sent = self.parcel()
            first, second = await self.send(opened, sent), await self.send(opened, sent)
            if not opened.outbound.idempotent:
                return
            assert isinstance(first, Taken), "not taken"
            assert first == second, "the same parcel got two different answers"
            if opened.partner is not None:
                assert all(len(each) == 1 for each in opened.partner.taken.values()), "one parcel had two effects"
                assert len(opened.partner.taken) == 1, "one parcel had two effects under two keys"

    async def test_the_status_of_a_parcel_is_the_truth(self) -> None:
        """Not taken before, taken after; or the partner cannot be asked at all."""
        async with self.opened() as opened:
            sent = self.parcel()
            before = await opened.outbound.status(sent)
            assert before is None or isinstance(before, TryLater), f"never sent, but its status is {before}"
            outcome = await self.send(opened, sent)
            after = await opened.outbound.status(sent)
            assert (before is None) == (after is None), "a partner can be asked, or it cannot"
            assert after is None or after == outcome, f"sending gave {outcome}, asking gives {after}"

    async def test_cancellation_in_the_middle_stops_the_attempt_and_nothing_else(self) -> None:
        """It is not swallowed, and the next parcel goes through."""
        async with self.opened() as opened:
            reached = asyncio.Event()

            async def stuck() -> Stream:
                yield _CONTENT[:10]
                reached.set()
                await asyncio.Event().wait()

            task = asyncio.create_task(opened.outbound.send(self.parcel(stuck)))
            waiting = asyncio.create_task(reached.wait())
            await asyncio.wait({task, waiting}, timeout=_PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
            assert reached.is_set(), "the content was not read"
            task.cancel()
            await asyncio.wait({task}, timeout=_PATIENCE_S)
            assert task.cancelled(), "the cancellation was swallowed"
            assert isinstance(await self.send(opened, self.parcel()), Taken), (
                "after a cancellation nothing goes through"
            )

    async def test_content_that_cannot_be_read_to_its_end_is_not_taken(self) -> None:
        """A disk may fail in the middle."""

        async def torn() -> Stream:
            yield _CONTENT[:10]
            message = "the disk failed"
            raise OSError(message)

        async with self.opened() as opened:
            outcome = await self.send(opened, self.parcel(torn))
            assert isinstance(outcome, Uncertain | TryLater), f"a torn parcel ended in {outcome}"

    async def test_a_receipt_is_the_parcels_own_and_is_acknowledged_only_when_told(self) -> None:
        """For adapters that also fetch."""
        async with self.opened() as opened:
            if opened.adapter.inbound is None:
                return
            sent = self.parcel()
            outcome = await self.send(opened, sent)
            assert isinstance(outcome, Taken), "not taken"
            async with asyncio.timeout(_PATIENCE_S):
                receipt = await anext(aiter(opened.adapter.inbound.deliveries()))
            assert isinstance(receipt, Receipt), "what came for a parcel that was taken is not its receipt"
            assert receipt.road == self.spec.name, "a receipt's road is the adapter's name"
            assert receipt.recipient == sent.recipient, "a receipt's recipient is the parcel's"
            assert receipt.partner_reference == outcome.partner_reference, "a receipt's reference is the answer's"
            assert receipt.key in {None, sent.key}, "a receipt's key is the parcel's, or none"
            if opened.partner is not None:
                assert opened.partner.acknowledged == 0, "acknowledged before it was stored"
                await receipt.acknowledge()
                assert opened.partner.acknowledged == 1, "not acknowledged when told"


class HttpAdapterContract(AdapterContract):
    """What a road over HTTP promises besides."""

    partner_type: ClassVar[type[FakePartner] | None]

    async def faulty(self, fault: Fault) -> tuple[Outcome, FakePartner]:
        """One attempt while the partner fails so; the adapter's word is held against what the partner has."""
        async with self.opened() as opened:
            assert opened.partner is not None, "give partner_type"
            opened.partner.fault = fault
            outcome = await self.send(opened, self.parcel())
            if opened.partner.taken:
                assert isinstance(outcome, Taken | Uncertain), f"the partner has it, but the outcome is {outcome}"
            else:
                assert not isinstance(outcome, Taken), "the partner has nothing, but the outcome is that it was taken"
            return outcome, opened.partner

    async def test_a_client_error_is_a_final_no(self) -> None:
        """422: the same again would get the same."""
        outcome, _ = await self.faulty(Fault.CLIENT_ERROR)
        assert isinstance(outcome, Refused), f"a client error ended in {outcome}"

    async def test_a_server_error_is_tried_again(self) -> None:
        """503: no final no, and no second request of the adapter's own."""
        outcome, partner = await self.faulty(Fault.SERVER_ERROR)
        assert isinstance(outcome, TryLater | Uncertain), f"a server error ended in {outcome}"
        assert partner.requests == 1, "one attempt called more than once: retries are the gateway's"

    async def test_a_throttled_call_waits_as_long_as_it_was_told(self) -> None:
        """429 with Retry-After."""
        outcome, _ = await self.faulty(Fault.THROTTLED)
        assert isinstance(outcome, TryLater), f"429 ended in {outcome}"
        assert outcome.after_s == RETRY_AFTER_S, "the wait that the partner asked for was not passed on"

    async def test_a_redirect_is_not_followed(self) -> None:
        """Where a parcel goes stands in configuration."""
        _, partner = await self.faulty(Fault.REDIRECT)
        assert partner.requests == 1, "a redirect was followed"

    async def test_a_refused_connection_is_tried_later(self) -> None:
        """Nothing can have left."""
        async with self.opened() as opened:
            assert opened.partner is not None, "give partner_type"
            await opened.partner.__aexit__(None, None, None)
            outcome = await self.send(opened, self.parcel())
            assert isinstance(outcome, TryLater), f"nobody listens, but the outcome is {outcome}"

    async def test_a_connection_closed_before_the_first_byte_is_no_answer(self) -> None:
        """Neither yes nor no."""
        outcome, _ = await self.faulty(Fault.CLOSED_BEFORE)
        assert isinstance(outcome, TryLater | Uncertain), f"no answer, but the outcome is {outcome}"

    async def test_a_connection_closed_after_the_last_byte_is_uncertain(self) -> None:
        """The partner may have it."""
        outcome, _ = await self.faulty(Fault.CLOSED_AFTER)
        assert isinstance(outcome, Uncertain), f"all bytes left, but the outcome is {outcome}"

    async def test_silence_past_the_time_out_is_uncertain(self) -> None:
        """And it ends in time."""
        begun = time.monotonic()
        outcome, _ = await self.faulty(Fault.SILENT)
        assert isinstance(outcome, Uncertain), f"silence, but the outcome is {outcome}"
        assert time.monotonic() - begun < _PATIENCE_S, "the time-out was not obeyed"

    async def test_a_huge_answer_is_not_swallowed(self) -> None:
        """Answers are bounded."""
        outcome, partner = await self.faulty(Fault.HUGE)
        assert isinstance(outcome, Uncertain), f"an endless answer ended in {outcome}"
        assert partner.answered_bytes < _ANSWER_BYTES_MAX, "a huge answer was read to its end"

    async def test_a_malformed_answer_proves_nothing(self) -> None:
        """The status says yes, the body says nothing."""
        outcome, _ = await self.faulty(Fault.MALFORMED)
        assert isinstance(outcome, Uncertain), f"an answer nobody can read ended in {outcome}"


@contextlib.contextmanager
def overheard() -> Iterator[list[str]]:
    """Everything that is said meanwhile, in logs, print and metrics; afterwards none of it may hold a marker."""
    said: list[str] = []
    printed, handler = io.StringIO(), _Recorder(said)
    logging.getLogger().addHandler(handler)
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            yield said
    finally:
        logging.getLogger().removeHandler(handler)
    require_clean("log", "\n".join(said))
    require_clean("output", printed.getvalue())
    for registry in (metrics.REGISTRY, prometheus_client.REGISTRY):
        require_clean("metrics", prometheus_client.generate_latest(registry).decode())


async def lent(stack: contextlib.AsyncExitStack, said: list[str]) -> Context:
    """What an adapter is lent: a session that gives up soon, and a log that keeps everything."""
    timeout = aiohttp.ClientTimeout(total=_CALL_S)
    session = aiohttp.ClientSession(timeout=timeout, trust_env=False, auto_decompress=False)
    await stack.enter_async_context(session)
    return Context(clock=SystemClock(), session=session, log=recording_log(said))


async def tried(outbound: Outbound, sent: Parcel) -> Outcome:
    """One attempt as the gateway makes it, with everything checked that holds for any outcome."""
    errors: list[Exception] = []
    try:
        async with asyncio.timeout(_PATIENCE_S):
            outcome = await attempt(outbound, sent, errors.append)
    except TimeoutError:
        message = "the attempt did not end, although the session's time-out was over"
        raise AssertionError(message) from None
    for error in errors:
        require_clean("error text", texts(error))
    require_clean("outcome", repr(outcome))
    if isinstance(outcome, Taken):
        assert REFERENCE.fullmatch(outcome.partner_reference), "a reference is 1 to 128 visible ASCII characters"
    else:
        assert CODE.fullmatch(outcome.code), "a code is a word of the adapter's own: a-z, 0-9 and -"
    return outcome


class _Recorder(logging.Handler):
    """Every line of the standard module, with its error's text."""

    def __init__(self, said: list[str]) -> None:
        super().__init__(logging.DEBUG)
        self._said = said

    def emit(self, record: logging.LogRecord) -> None:
        self._said.append(record.getMessage())
        if record.exc_info and record.exc_info[1] is not None:
            self._said.append(texts(record.exc_info[1]))


def recording_log(said: list[str]) -> structlog.stdlib.BoundLogger:
    """A logger that keeps every field, also those that the gateway's own would drop."""

    def keep(_logger: object, _method: str, record: Any) -> Any:
        error = record.get("exc_info")
        if isinstance(error, BaseException):
            said.append(texts(error))
        said.append(repr(record))
        raise structlog.DropEvent

    log: structlog.stdlib.BoundLogger = structlog.wrap_logger(None, processors=[keep])
    return log


def texts(error: BaseException) -> str:
    """The error and what it came from, as anybody might print them."""
    lines: list[str] = []
    found: BaseException | None = error
    while found is not None:
        lines.append(repr(found))
        found = found.__cause__
    return "\n".join(lines)


def require_clean(where: str, text: str) -> None:
    """Fail when any word of the marker is in a text, in any of the forms that logs write it in."""
    for word in MARKER.split():
        assert word not in text and ascii(word)[1:-1] not in text, f"personal data in the adapter's {where}"  # noqa: PT018
