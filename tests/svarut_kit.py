"""SvarUt as a simulator and our road to it, with tokens that were really bought."""

import io
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from types import SimpleNamespace

import aiohttp

from adapters.svarut import open_road
from adapters.svarut.settings import SvarUtSettings
from gateway.app.maskinporten import Client, Maskinporten
from gateway.crypto.certificate_facts import facts_of
from gateway.crypto.enveloping import CertificateEnvelopes
from gateway.crypto.maskinporten import GrantRequest, GrantSigner
from gateway.egress import client_context
from gateway.observability import logging
from gateway.simulators.digipost.people import Kind
from gateway.simulators.fiks.register import Integration, Register
from gateway.simulators.issuer import RegisteredClient, TokenIssuer
from gateway.simulators.svarut.server import ISSUER, SvarUtServer
from gateway.spi import Address, Awaited, Context
from gateway.testing.clock import HandClock
from gateway.testing.pki import Make, receive_key
from tests import crypto_kit as kit
from tests.digipost_kit import KARI, RESERVERT, UKJENT

OFFICE = Address("4601", "02")
KONTO = "3f0b1f56-6f0e-4d0b-8f43-92e0a1c7e001"
INTEGRATION = "0f1f6f0e-4e4a-4b8c-9f0a-0a4f5d1f2b3c"
PASSWORD = "passord-1"


@lru_cache
def own_key():
    """SvarUt's."""
    return kit.software(receive_key("Prove SvarUt"))


@lru_cache
def other_key():
    return kit.software(receive_key("Noen annen", Make(key_bits=4096)))


@dataclass
class Office:
    """What the gateway would know: of whom it waits, who has not opened, and who may call."""

    clock: HandClock = field(default_factory=HandClock)
    awaited: list = field(default_factory=list)
    unopened: list = field(default_factory=list)
    passwords: dict = field(default_factory=lambda: {"file:password": PASSWORD})
    sealed_for: object = field(default_factory=own_key)

    def wait_for(self, parcel, outcome):
        self.awaited.append(self.of(parcel, outcome))

    def of(self, parcel, outcome):
        return Awaited(parcel.key, OFFICE, "pseudonym", outcome.partner_reference, self.clock.now())


def wall():
    return datetime.now(UTC)


def simulator(now=wall):
    """A server that knows our integration and some people."""
    known = RegisteredClient(
        "oss", kit.ORGANISATION, frozenset({"ks:fiks"}), frozenset({facts_of(kit.signer().certificate).sha256})
    )
    register = Register()
    register.add_integration(Integration(INTEGRATION, PASSWORD, kit.ORGANISATION, frozenset({KONTO})))
    server = SvarUtServer(own_key(), register, TokenIssuer(ISSUER, [known], now), now)
    server.register = register
    server.post.people.update({KARI: Kind.USER, RESERVERT: Kind.RESERVED, UKJENT: Kind.NOT_USER})
    return server


def settings_for(base, **more):
    told = {
        "api_url": base,
        "integration_id": INTEGRATION,
        "integration_password": "file:password",
        "certificate": "svarut.pem",
        "kontoer": [{"kommunenummer": "4601", "bydelsnummer": "02", "konto_id": KONTO.upper()}],
    }
    return SvarUtSettings(**(told | more))


def lent(context_or_parts, base, office):
    """The context with everything that SvarUt's road needs."""
    clock, session, log = context_or_parts

    async def awaiting():
        return list(office.awaited)

    async def unopened():
        return list(office.unopened)

    request = GrantRequest(audience=ISSUER, client_id="oss", scope="")
    client = Client(request, GrantSigner(kit.signer()), f"{base}/token")
    return Context(
        clock=clock,
        session=session,
        log=log,
        tokens=Maskinporten({"fiks": client}, session, clock, log).tokens,
        secret=lambda reference: office.passwords[reference],
        tls=client_context,
        envelopes=lambda _path: CertificateEnvelopes(office.sealed_for.certificate),
        awaiting=awaiting,
        unopened=unopened,
    )


@asynccontextmanager
async def svarut(session_s=5.0, sealed_for=None, **settings):
    """The server, our road to it, and everything that the gateway's side wrote in the log."""
    office, log = Office(), io.StringIO()
    server = simulator(office.clock.now)
    if sealed_for is not None:
        office.sealed_for = sealed_for
    timeout = aiohttp.ClientTimeout(total=session_s, connect=2)
    async with server.serve() as base, aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session:
        context = lent((office.clock, session, logging.to(log)), base, office)
        async with open_road(settings_for(base, **settings), context) as road:
            yield SimpleNamespace(server=server, road=road, office=office, log=log, clock=office.clock, context=context)
