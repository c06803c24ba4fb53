"""The platform as one thing: what a test or a program starts, and where everything of it answers."""

import ssl
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.crypto.certificate_facts import facts_of
from gateway.errors import PartnerUnavailableError, UnauthenticatedError
from gateway.simulators.fiks.access import Access, BrokerDoor
from gateway.simulators.fiks.answers import refusals
from gateway.simulators.fiks.catalogue import Catalogue
from gateway.simulators.fiks.dispatch import Dispatch, Outgoing, Sent
from gateway.simulators.fiks.dokumentlager import Dokumentlager
from gateway.simulators.fiks.faults import Faults, FiksFault
from gateway.simulators.fiks.front import Front
from gateway.simulators.fiks.line import BrokerAddress, Line
from gateway.simulators.fiks.mail import DeadLetter, Mail
from gateway.simulators.fiks.offices import Offices
from gateway.simulators.fiks.parcel import Keys
from gateway.simulators.fiks.portal import Portal
from gateway.simulators.fiks.producer_api import ProducerApi
from gateway.simulators.fiks.protocol_account import Exchange, ProtocolAccount
from gateway.simulators.fiks.register import Account, Integration, Register
from gateway.simulators.fiks.reporter import Reporter
from gateway.simulators.fiks.send import BYTES_MAX, SendApi
from gateway.simulators.issuer import IssuerFault, RegisteredClient, TokenIssuer
from gateway.simulators.serving import serving

ISSUER: Final = "https://test.maskinporten.no/"
"""The audience of grants: what Maskinporten's test environment is called (fiks.md 1)."""

KS: Final = "971032146"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a platform runs. ``certificate`` is a PEM file with key and chain; ``ca`` what callers trust it by.

    ``broker_port`` is the broker's own; ``auth_port`` is where that broker asks who may log in. Port 0 takes a free one.
    ``keys`` are the portal's.
    """

    folder: Path
    certificate: Path
    ca: Path
    broker_port: int
    auth_port: int
    keys: Keys
    rest_port: int = 0
    amqp_port: int = 0
    portal_konto_id: str | None = None


class FiksPlatform:
    """The platform. Accounts, integrations and faults may be changed while it runs; ``serve`` runs it."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.base_url = ""
        self.register = Register()
        self.faults = Faults()
        self.issuer = TokenIssuer(ISSUER, [])
        self.access = Access(self.register, self.issuer)
        self.dokumentlager = Dokumentlager(place.folder / "dokumentlager", self.access, self.faults)
        self.dispatch = Dispatch(self.register, self.dokumentlager, self.faults)
        self.front = Front(place.broker_port)
        address = BrokerAddress(place.broker_port, ssl.create_default_context(cafile=place.ca))
        self.mail = Mail(Line(address, self.access), self._undeliverable)
        self.offices = Offices()
        portal_konto_id = place.portal_konto_id or str(uuid.uuid4())
        self.portal = Portal(portal_konto_id, place.keys, self.send, self.faults, place.folder / "portal")
        self.reporter = Reporter(self.portal, self.register, place.keys)
        self._catalogue = Catalogue(self.register, self.access, self.faults, self.mail.counts)
        self._send = SendApi(self.access, self.faults, self.send, place.folder / "innkommende")
        self._producer = ProducerApi(
            self.access, self.register, self.offices, self.portal, facts_of(place.keys.receive.certificate)
        )

    @property
    def token_endpoint(self) -> str:
        """Where grants are changed for tokens; their audience is ``ISSUER``."""
        return f"{self.base_url}/token"

    @property
    def amqp_port(self) -> int:
        """Where receivers connect, over TLS."""
        return self.front.port

    async def add_account(self, account: Account) -> Account:
        """Add an account with its queue."""
        self.register.add_account(account)
        await self.mail.declare(account.konto_id)
        return account

    def add_integration(self, integration: Integration) -> Integration:
        """Add an integration; with a new password, the old one is worthless at once."""
        return self.register.add_integration(integration)

    def add_client(self, client: RegisteredClient) -> None:
        """Let somebody ask for tokens."""
        self.issuer.register(client)

    async def send(self, message: Outgoing, payload: Path | bytes = b"") -> Sent:
        """Send a message as the send API does. A file is taken over."""
        return await self.dispatch.send(self.mail, message, payload)

    async def open_account(
        self, exchange: Exchange, keys: Keys, navn: str, organisasjonsnummer: str
    ) -> ProtocolAccount:
        """Open a partner's account with a protocol of its own, which answers from now on."""
        partner = ProtocolAccount(str(uuid.uuid4()), exchange, keys, self.register, self.send)
        await self._open_own(partner.konto_id, navn, organisasjonsnummer, keys)
        await self.mail.consume(partner.konto_id, partner.take)
        return partner

    async def _open_own(self, konto_id: str, navn: str, organisasjonsnummer: str, keys: Keys) -> None:
        certificate = facts_of(keys.receive.certificate)
        await self.add_account(Account(konto_id, navn, str(uuid.uuid4()), organisasjonsnummer, certificate))

    @asynccontextmanager
    async def serve(self) -> AsyncIterator["FiksPlatform"]:
        """Answer for as long as the block lasts. Raises PartnerUnavailableError without a broker."""
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(self.place.certificate)
        async with AsyncExitStack() as running:
            await running.enter_async_context(serving(BrokerDoor(self.access).routes(), port=self.place.auth_port))
            await running.enter_async_context(self.mail.open())
            running.push_async_callback(self.dispatch.close)
            await self._open_own(self.portal.konto_id, "Fiks bekymringsmelding", KS, self.place.keys)
            await self.mail.consume(self.portal.konto_id, self.portal.take)
            await running.enter_async_context(self.front.open(self.place.amqp_port))
            rest = serving(
                self._routes(),
                port=self.place.rest_port,
                body_bytes_max=BYTES_MAX,
                tls=tls,
                middlewares=[refusals, self._faulty],
            )
            self.base_url = (await running.enter_async_context(rest)).replace("127.0.0.1", "localhost")
            yield self

    def _routes(self) -> list[web.RouteDef]:
        return [
            *self.issuer.routes(),
            *self._catalogue.routes(),
            *self._send.routes(),
            *self.dokumentlager.routes(),
            *self._producer.routes(),
        ]

    async def _undeliverable(self, letter: DeadLetter) -> None:
        await self.dispatch.undeliverable(self.mail, letter)

    @web.middleware
    async def _faulty(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        asks_for_token = request.path == "/token"
        if asks_for_token and self.faults.take(FiksFault.TOKENS_DOWN):
            self.issuer.faults.add(IssuerFault.UNAVAILABLE)  # it refuses in its own words
            try:
                return await handler(request)
            finally:
                self.issuer.faults.discard(IssuerFault.UNAVAILABLE)
        if not asks_for_token and self.faults.take(FiksFault.UNAVAILABLE):
            message = "the service is not available"
            raise PartnerUnavailableError(message)
        if "Authorization" in request.headers and self.faults.take(FiksFault.UNAUTHORISED):
            message = "token, integration or password does not hold"
            raise UnauthenticatedError(message)
        return await handler(request)
