"""A real RabbitMQ for tests: one node per process of the run, and a Fiks platform of one's own on it for each test.

The node asks the platform that runs just now who may log in, always at the same port. Accounts have new ids each time, so
nothing of one test is seen by another.
"""

import asyncio
import atexit
import os
import secrets
import shutil
import ssl
import tempfile
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import aiohttp
import pytest

from gateway.crypto.certificate_facts import CertificateFacts, facts_of
from gateway.crypto.keys import SoftwareKey
from gateway.errors import ConfigError
from gateway.simulators.fiks.broker import Broker, find_program
from gateway.simulators.fiks.offices import Bydel
from gateway.simulators.fiks.parcel import Keys
from gateway.simulators.fiks.platform import ISSUER, FiksPlatform, Place
from gateway.simulators.fiks.register import Account, Integration
from gateway.simulators.issuer import RegisteredClient
from gateway.simulators.token_source import TokenRequest, TokenSource
from gateway.testing.pki import Credential, Pki, certificate_pem, receive_key
from gateway.testing.site import free_port

SUPPLIER = "987654325"
CLIENT = "prove-fiks-klient"


@dataclass
class RunningBroker:
    """The node, and the certificates that it and the platforms on it show."""

    node: Broker
    folder: Path
    auth_port: int
    pki: Pki
    certificate: Path
    ca: Path

    async def on_disk(self, konto_id: str) -> None:
        """Wait until an account's queue outlives a kill."""
        await asyncio.to_thread(self.node.await_queues, [konto_id])


@dataclass
class Member:
    """Somebody with an account and an integration. ``receive`` opens what is sealed for the account."""

    konto_id: str
    integrasjon_id: str
    passord: str = field(repr=False)
    receive: Credential = field(repr=False)
    tokens: TokenSource = field(repr=False)

    async def headers(self) -> dict[str, str]:
        """The three headers of every call."""
        return {
            "Authorization": f"Bearer {await self.tokens.token()}",
            "IntegrasjonId": self.integrasjon_id,
            "IntegrasjonPassord": self.passord,
        }

    async def broker_password(self) -> str:
        return f"{self.passord} {await self.tokens.token()}"


@dataclass
class Fiks:
    """A running platform, how to trust it, and somebody to ask for tokens as."""

    platform: FiksPlatform
    ca: Path
    trust: ssl.SSLContext
    session: aiohttp.ClientSession
    supplier: SoftwareKey = field(repr=False)
    supplier_credential: Credential = field(repr=False)

    async def member(self, name: str = "Prøvekontoret", *, receive: Credential | None = None) -> Member:
        """A new account with a key pair, and an integration that has rights to it."""
        key = receive or shared_receive_key()
        konto_id, integrasjon_id, passord = str(uuid.uuid4()), str(uuid.uuid4()), secrets.token_urlsafe(16)
        await self.platform.add_account(
            Account(konto_id, name, str(uuid.uuid4()), SUPPLIER, facts_of(key.certificate), kommunenummer="4601")
        )
        self.platform.add_integration(Integration(integrasjon_id, passord, SUPPLIER, frozenset({konto_id})))
        return Member(konto_id, integrasjon_id, passord, key, self.token_source())

    def office(self, member: Member, bydelsnummer: str = "02", **other) -> Bydel:
        """An office in Bergen that gets its reports on the member's account."""
        return self.platform.offices.add(Bydel("4601", "Bergen", bydelsnummer, "Bergenhus", member.konto_id, **other))

    def token_source(self) -> TokenSource:
        request = TokenRequest(self.platform.token_endpoint, ISSUER, CLIENT, "ks:fiks")
        return TokenSource(self.session, request, self.supplier)

    def certificate_of(self, member: Member) -> CertificateFacts:
        return facts_of(member.receive.certificate)


@cache
def shared_receive_key() -> Credential:
    """One key pair for all accounts of a run that do not ask for their own: making one takes long."""
    return receive_key("Prove mottak")


@cache
def _portal_keys() -> Keys:
    signing, receive = broker().pki.organisation("971032146", "Prove KS"), receive_key("Prove portal")
    return Keys(SoftwareKey(signing.key, signing.chain), SoftwareKey(receive.key, receive.chain))


@cache
def _supplier() -> Credential:
    return broker().pki.organisation(SUPPLIER, "Prove leverandor")


def require_rabbitmq() -> None:
    """Without RabbitMQ the test is skipped; in CI that is a failure."""
    try:
        find_program("rabbitmq-server")
    except ConfigError:
        if os.environ.get("CI"):
            pytest.fail("CI must prove the promises on RabbitMQ, and there is none here")
        pytest.skip("no RabbitMQ is installed here")


def broker() -> RunningBroker:
    """The process's node, started when first asked for."""
    require_rabbitmq()
    return _shared()


@asynccontextmanager
async def running_fiks(folder: Path, on: RunningBroker | None = None) -> AsyncIterator[Fiks]:
    """A platform of one's own on the node, with a client that may ask for tokens."""
    found = on or broker()
    trust = ssl.create_default_context(cafile=found.ca)
    place = Place(
        folder / "fiks", certificate=found.certificate, ca=found.ca,
        broker_port=found.node.port, auth_port=found.auth_port, keys=_portal_keys(),
    )  # fmt: skip
    supplier = _supplier()
    key = SoftwareKey(supplier.key, supplier.chain)
    async with (
        FiksPlatform(place).serve() as platform,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as session,
    ):
        known = frozenset({facts_of(key.certificate).sha256})
        platform.add_client(RegisteredClient(CLIENT, SUPPLIER, frozenset({"ks:fiks"}), certificates=known))
        yield Fiks(platform, found.ca, trust, session, key, supplier)


@cache
def _shared() -> RunningBroker:
    folder = Path(tempfile.mkdtemp(prefix="bsmq"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    made = new_broker(folder)
    atexit.register(made.node.stop)
    made.node.start()
    return made


def new_broker(folder: Path) -> RunningBroker:
    """A node of one's own in a folder, not started: to kill it, or to begin it late. Its owner stops it."""
    pki = Pki()
    certificate = pki.tls_server().write_pem(folder / "tls.pem")
    ca = folder / "ca.pem"
    ca.write_bytes(certificate_pem(pki.root.certificate))
    port = free_port()
    node = Broker(folder / "node", certificate=certificate, key=certificate, auth_url=f"http://127.0.0.1:{port}/auth")
    return RunningBroker(node, folder, port, pki, certificate, ca)
