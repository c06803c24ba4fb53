"""KRR or Folkeregisteret as a simulator, and our adapter to it with tokens that it really bought."""

import io
from contextlib import asynccontextmanager
from types import SimpleNamespace

import aiohttp

from adapters.freg import ADAPTER as FREG
from adapters.freg.settings import FregSettings
from adapters.krr import ADAPTER as KRR
from adapters.krr.settings import KrrSettings
from gateway.app.maskinporten import Client, Maskinporten
from gateway.crypto.certificate_facts import facts_of
from gateway.crypto.maskinporten import GrantRequest, GrantSigner
from gateway.egress import client_context
from gateway.observability import logging
from gateway.simulators.issuer import RegisteredClient, TokenIssuer
from gateway.simulators.registers.freg import SCOPE, FregServer
from gateway.simulators.registers.krr import CONTACT_SCOPE, MAIL_SCOPE, KrrServer
from gateway.simulators.registers.people import Kind, PersonOfRegisters, Protection, Status
from gateway.simulators.registers.server import ISSUER
from gateway.spi import Context
from gateway.testing.clock import HandClock
from tests import crypto_kit as kit

KARI, PER, RESERVERT, SPERRET = "01010112345", "02020212345", "04040412345", "05050512345"
UKJENT = "03030312345"
NAMES = ("Kåre Hemmeligås", "Prøvesen")
PEOPLE = [
    PersonOfRegisters(number=KARI, first_name=NAMES[0]),
    PersonOfRegisters(number=PER, kind=Kind.NOT_USER),
    PersonOfRegisters(number=RESERVERT, kind=Kind.RESERVED),
    PersonOfRegisters(number=SPERRET, kind=Kind.BLOCKED),
]
SCOPES = frozenset({SCOPE, CONTACT_SCOPE, MAIL_SCOPE})
KINDS = {"krr": (KrrServer, KRR, KrrSettings), "freg": (FregServer, FREG, FregSettings)}


def person(number=KARI, **told):
    """Somebody as the registers know him."""
    return PersonOfRegisters(number=number, **told).registered()


def graded(protection, **told):
    return person(protection=Protection(protection), **told)


def standing(status, **told):
    return person(status=Status(status), **told)


@asynccontextmanager
async def register(kind, session_s=5.0, granted=SCOPES, **settings):
    """The server, the adapter and everything that the gateway's side wrote in the log."""
    server_kind, spec, settings_kind = KINDS[kind]
    known = RegisteredClient("oss", kit.ORGANISATION, granted, frozenset({facts_of(kit.signer().certificate).sha256}))
    clock, log = HandClock(), io.StringIO()
    server = server_kind(TokenIssuer(ISSUER, [known]))
    server.add(*(one.registered() for one in PEOPLE))
    timeout = aiohttp.ClientTimeout(total=session_s, connect=2)
    async with server.serve() as base, aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session:
        request = GrantRequest(audience=ISSUER, client_id="oss", scope="")
        client = Client(request, GrantSigner(kit.signer()), f"{base}/token")
        maskinporten = Maskinporten({"krr": client, "freg": client}, session, clock, logging.to(log))
        context = Context(clock, session, logging.to(log), tokens=maskinporten.tokens, tls=client_context)
        async with spec.open(settings_kind(api_url=base, **settings), context) as adapter:
            yield SimpleNamespace(
                server=server,
                adapter=adapter,
                log=log,
                clock=clock,
                base=base,
                client=known,
                tokens=lambda scope: maskinporten.tokens(kind, scope),
            )
