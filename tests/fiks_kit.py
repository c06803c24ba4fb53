"""An office of ours on a running Fiks platform, put together by hand: its inbound road and all that is lent to it."""

import asyncio
import io
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

from adapters.fiks.connection import Connector
from adapters.fiks.consumer import FiksInbound
from adapters.fiks.delivery import Reader
from adapters.fiks.health import Health
from adapters.fiks.settings import FiksAccount, FiksIo
from gateway.crypto.keys import SoftwareKey
from gateway.crypto.published import opens
from gateway.egress import client_context
from gateway.observability import logging
from gateway.ports import SystemClock
from gateway.simulators.fiks.dispatch import Outgoing
from gateway.simulators.fiks.register import Integration
from gateway.simulators.token_source import TokenSource
from gateway.spi import Context, PartnerUnavailableError, Stream
from tests.broker import SUPPLIER, Fiks

REPORTS = "no.ks.fiks.bekymringsmelding.v2"
REPORT = "no.ks.fiks.bekymringsmelding.offentlig.v2"
TYPES = {
    f"no.ks.fiks.bekymringsmelding.{kind}.{version}": f"bekymringsmelding.{kind}.{version}"
    for kind in ("privat", "offentlig")
    for version in ("v1", "v2")
}


class ShortPauses(SystemClock):
    """This machine's time; whoever wants to wait for long waits a moment, and how long it was to be is kept."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def sleep(self, seconds):
        self.slept.append(seconds)
        await asyncio.sleep(min(seconds, 0.02))


@dataclass
class Tokens:
    """Real tokens; those that were refused are remembered."""

    source: TokenSource
    given: list[str] = field(default_factory=list)
    thrown: list[str] = field(default_factory=list)

    async def token(self):
        self.given.append(await self.source.token())
        return self.given[-1]

    def refused(self, token):
        self.thrown.append(token)
        self.source.forget()


class NoBlobs:
    """Where nothing lies."""

    async def blob(self, headers: Mapping[str, str]) -> Stream:
        raise PartnerUnavailableError
        yield b""


@dataclass
class Office:
    """Accounts of ours, and the road that fetches from them."""

    fiks: Fiks
    sender: str
    io: FiksIo
    context: Context
    tokens: Tokens
    secrets: dict[str, str]
    logged: io.StringIO
    health: Health = field(default_factory=Health)
    clock: ShortPauses = field(default_factory=ShortPauses)

    @property
    def account(self) -> str:
        return self.io.accounts[0].id

    def road(self) -> FiksInbound:
        connector = Connector(self.io, self.context, self.health, lambda: 0.5)
        return FiksInbound(self.io, self.context, connector, Reader(TYPES, NoBlobs(), self.clock), self.health)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[AsyncIterator]:
        async with aclosing(self.road().deliveries()) as coming:
            yield coming

    async def send(self, number=1, *, account=None, **more):
        """Reports of a few octets, as somebody else's send API call; their ids in order."""
        outgoing = Outgoing(self.sender, account or self.account, more.pop("type", REPORT), **more)
        return [(await self.fiks.platform.send(outgoing, b"forseglet %d" % n)).melding_id for n in range(number)]

    async def counts(self, account=None):
        return await self.fiks.platform.mail.counts(account or self.account)

    def told(self, trouble, subject):
        """Whether the health says that all is well; None where nothing was said."""
        return self.health._known.get((trouble, subject))

    def lines(self, code):
        return [line for line in self.logged.getvalue().splitlines() if f'"{code}"' in line]


async def make_office(fiks: Fiks, accounts: int = 1, **more) -> Office:
    """An integration of ours with so many accounts, and somebody else who sends."""
    sender = await fiks.member("Avsender")
    own = [await fiks.member("Mottaker") for _ in range(accounts)]
    integration = Integration(str(uuid.uuid4()), "prove-passord", SUPPLIER, frozenset(one.konto_id for one in own))
    fiks.platform.add_integration(integration)
    settings = FiksIo(
        api_url=fiks.platform.base_url,
        amqp_host="localhost",
        amqp_port=fiks.platform.amqp_port,
        tls_roots=(fiks.ca,),
        integration_id=integration.integrasjon_id,
        integration_password="file:passord",
        accounts=tuple(FiksAccount(id=one.konto_id, kommunenummer="4601", protocols=(REPORTS,)) for one in own),
        **{"connects_max": 100, **more},
    )
    key = SoftwareKey(own[0].receive.key, own[0].receive.chain)
    clock, tokens, logged = ShortPauses(), Tokens(fiks.token_source()), io.StringIO()
    secrets = {"file:passord": f"{integration.passord}\n"}
    context = Context(
        clock=clock,
        session=fiks.session,
        log=logging.to(logged),
        tokens=lambda name, scope: tokens,
        secret=secrets.__getitem__,
        tls=client_context,
        opens=lambda address, certificate: opens(certificate, [key]),
        types=TYPES,
    )
    return Office(fiks, sender.konto_id, settings, context, tokens, secrets, logged, clock=clock)


async def take(coming, number=1):
    """So many of what comes, unacknowledged."""
    async with asyncio.timeout(10):
        return [await anext(coming) for _ in range(number)]


async def until(true: Callable[[], object], what="it"):
    """Wait for something that surely happens soon."""
    async with asyncio.timeout(10):
        while not (found := await true() if asyncio.iscoroutinefunction(true) else true()):
            await asyncio.sleep(0.01)
        return found


async def counted(office: Office, *, consumers: int, waiting: int, account=None):
    """Wait until the broker counts so."""

    async def fits():
        found = await office.counts(account)
        return (found.consumers, found.waiting) == (consumers, waiting)

    try:
        await until(fits)
    except TimeoutError:
        raise AssertionError(await office.counts(account)) from None
