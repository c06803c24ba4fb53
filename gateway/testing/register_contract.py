"""What every register of people promises, as tests to subclass; for KRR, Folkeregisteret and whoever gives the same facts.

    class TestTannlegeregister(RegisterContract):
        spec = ADAPTER
        partner_type = FakeRegister      # a FakePartner that answers about PERSON, whomever it is asked about

        def settings(self, partner):
            return Settings(url=partner.url)

A fault is an error of two kinds, never a fact. The number that is asked about stands in the body alone; every test reads
the addresses that were called and all that the adapter said.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, ClassVar, Final

import aiohttp

from gateway.egress import client_context
from gateway.errors import DocumentError, GatewayError, PartnerError, PartnerRefusedError, PartnerUnavailableError
from gateway.ports import SystemClock
from gateway.spi import Adapter, AdapterSpec, Contact, Context, Resident
from gateway.testing.contract import recording_log, require_clean, texts
from gateway.testing.partner import MARKER, FakePartner, Fault

PERSON: Final = MARKER.split()[-1]
"""The number of the marker: what is told of it anywhere is told of somebody."""

STRANGER: Final = "02022212345"
_CALL_S: Final = 0.5  # the lent session's time-out
_PATIENCE_S: Final = 5.0
_UNAVAILABLE: Final = (Fault.SERVER_ERROR, Fault.THROTTLED, Fault.CLOSED_BEFORE, Fault.CLOSED_AFTER, Fault.SILENT)


@dataclass(frozen=True, slots=True)
class LentTokens:
    """``spi.Tokens`` without an issuer."""

    async def token(self) -> str:
        """One that any fake takes."""
        return "token"

    def refused(self, token: str) -> None:
        """Nothing to forget."""


@dataclass(slots=True)
class OpenedRegister:
    """A register that is open, its partner, and the addresses that were called."""

    adapter: Adapter
    partner: FakePartner
    called: list[str] = field(default_factory=list)

    async def ask(self, person: str = PERSON) -> Contact | Resident | None:
        """Ask whichever register it is, in time."""
        async with asyncio.timeout(_PATIENCE_S):
            if self.adapter.contacts is not None:
                return await self.adapter.contacts.contact(person)
            assert self.adapter.population is not None, "the adapter is no register"
            return await self.adapter.population.resident(person)


class RegisterContract:
    """What any register of people promises."""

    spec: ClassVar[AdapterSpec[Any]]
    partner_type: ClassVar[type[FakePartner]]

    def settings(self, partner: Any) -> Any:
        """The adapter's settings, for this partner."""
        raise NotImplementedError

    @asynccontextmanager
    async def opened(self, fault: Fault = Fault.NONE) -> AsyncIterator[OpenedRegister]:
        """Open it as the gateway does; afterwards nothing it said, and no address it called, may hold a marker."""
        said: list[str] = []
        called: list[str] = []
        session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=_CALL_S),
            trust_env=False,
            auto_decompress=False,
            trace_configs=[_tracing(called)],
        )
        async with self.partner_type() as partner, session:
            partner.fault = fault
            context = Context(
                clock=SystemClock(),
                session=session,
                log=recording_log(said),
                tokens=lambda _name, _scope: LentTokens(),
                tls=client_context,
            )
            async with self.spec.open(self.settings(partner), context) as adapter:
                yield OpenedRegister(adapter, partner, called)
        require_clean("log", "\n".join(said))
        require_clean("addresses", "\n".join(called))

    async def failed(self, fault: Fault) -> tuple[GatewayError, FakePartner]:
        """The error of one question while the partner fails so."""
        async with self.opened(fault) as opened:
            try:
                found = await opened.ask()
            except GatewayError as error:
                require_clean("error text", texts(error))
                return error, opened.partner
        message = f"{fault}, and the answer was a fact: {type(found).__name__}"
        raise AssertionError(message)

    # --- the promises ---------------------------------------------------------------------------------------------

    async def test_a_person_is_found_with_the_time_of_the_question(self) -> None:
        """Not of the answer: what is old counts as older."""
        async with self.opened() as opened:
            before = SystemClock().now()
            found = await opened.ask()
            assert found is not None, "the fake knows the person, and the adapter found nobody"
            assert before <= found.asked_at <= SystemClock().now(), "asked_at is not when it was asked"
            assert opened.called, "nobody was asked"
            require_clean("repr", repr(found))

    async def test_nothing_is_remembered_by_the_adapter(self) -> None:
        """How long an answer may be used is the gateway's to say."""
        async with self.opened() as opened:
            await opened.ask()
            await opened.ask()
            assert opened.partner.requests > 1, "the second question was answered without asking"

    async def test_an_answer_about_somebody_else_is_an_error(self) -> None:
        """The fake answers about ``PERSON``, whomever it is asked about."""
        async with self.opened() as opened:
            try:
                await opened.ask(STRANGER)
            except DocumentError as error:
                require_clean("error text", texts(error))
                return
        message = "another person's facts were taken for those that were asked for"
        raise AssertionError(message)

    async def test_a_register_that_gives_no_answer_is_unavailable(self) -> None:
        """503, 429, a line that is cut, silence."""
        for fault in _UNAVAILABLE:
            error, _ = await self.failed(fault)
            assert isinstance(error, PartnerUnavailableError), f"{fault} ended in {type(error).__name__}"

    async def test_a_client_error_is_a_refusal(self) -> None:
        """422: our question or our rights are wrong."""
        error, _ = await self.failed(Fault.CLIENT_ERROR)
        assert isinstance(error, PartnerRefusedError), f"a client error ended in {type(error).__name__}"

    async def test_a_redirect_is_not_followed(self) -> None:
        """Where people are asked about stands in configuration."""
        error, partner = await self.failed(Fault.REDIRECT)
        assert isinstance(error, PartnerError), f"a redirect ended in {type(error).__name__}"
        assert partner.requests == 1, "a redirect was followed"

    async def test_an_answer_that_nobody_can_read_is_an_error(self) -> None:
        """Half a document, and one without end."""
        for fault in (Fault.MALFORMED, Fault.HUGE):
            error, _ = await self.failed(fault)
            assert isinstance(error, DocumentError), f"{fault} ended in {type(error).__name__}"

    async def test_cancellation_is_not_swallowed(self) -> None:
        """A slow register is left alone when the gateway says so."""
        async with self.opened(Fault.SILENT) as opened:
            asking = asyncio.create_task(opened.ask())
            async with asyncio.timeout(_PATIENCE_S):
                while opened.partner.requests == 0:  # noqa: ASYNC110  the fake has no event
                    await asyncio.sleep(0)
            asking.cancel()
            await asyncio.wait({asking}, timeout=_PATIENCE_S)
            assert asking.cancelled(), "the cancellation was swallowed"


def _tracing(called: list[str]) -> aiohttp.TraceConfig:
    async def note(_session: object, _context: SimpleNamespace, told: aiohttp.TraceRequestStartParams) -> None:
        called.append(f"{told.method} {told.url} {dict(told.headers)}")

    tracing = aiohttp.TraceConfig()
    tracing.on_request_start.append(note)
    return tracing
