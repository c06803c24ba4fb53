"""What the tests of the HTTP edge share: an issuer that signs, a clock that stands still, claims that are right."""

import asyncio
import hashlib
import re
import uuid
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import structlog

from adapters.fiks.produsent import ProdusentFacade
from adapters.fiks.settings import FiksSettings
from gateway import config
from gateway.config import Issuer
from gateway.crypto.jose import SigningJwk
from gateway.crypto.secrets import PasswordDigest
from gateway.crypto.tokens import TokenVerifier
from gateway.errors import PartnerUnavailableError, UnknownResourceError
from gateway.http.connection import Listening
from gateway.http.facade import ProducerDoor, partner_routes
from gateway.http.rate import Cap, RateLimit, UploadQuota
from gateway.http.server import Listener, application
from gateway.spi import (
    Accepted,
    Context,
    District,
    HistoryRow,
    Municipality,
    PublicCertificate,
    ReceiveCertificates,
)

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ISSUER = "https://maskinporten.example/"
DELEGATION = "https://altinn.example/"
SCHOOL_OWNER = "974760673"  # Broennoeysundregistrene's own number: public, and its control digit is right
VENDOR = "991825827"  # Digdir's own number


class StillClock:
    """Time moves only when a test moves it; a sleep moves it too and lets others run."""

    def __init__(self) -> None:
        self.wall = NOW
        self.seconds = 1000.0
        self.slept: list[float] = []

    def now(self):
        return self.wall

    def monotonic(self):
        return self.seconds

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.pass_s(seconds)
        await asyncio.sleep(0)

    def pass_s(self, seconds):
        self.wall += timedelta(seconds=seconds)
        self.seconds += seconds


class TokenIssuer:
    """An issuer whose JWKS is served by ``fetch``; counts fetches and can be down."""

    def __init__(self, name=ISSUER, algorithm="RS256", kid="k1"):
        self.name = name
        self.key = SigningJwk.generate(kid, algorithm)
        self.fetches = 0
        self.down = False

    def settings(self, **more):
        values = {"issuer": self.name, "jwks_uri": f"{self.name}jwk", "delegation_source": DELEGATION} | more
        return Issuer(**values)

    async def fetch(self, address):
        assert address == f"{self.name}jwk"
        self.fetches += 1
        await asyncio.sleep(0)
        if self.down:
            raise PartnerUnavailableError("down")
        return self.key.jwks()

    def claims(self, now=NOW, **changes):
        at = int(now.timestamp())
        claims = {
            "iss": self.name,
            "client_id": "client-of-the-school-system",
            "iat": at,
            "exp": at + 120,
            "scope": "ks:fiks",
            "consumer": organisation(SCHOOL_OWNER),
        } | changes
        return {name: value for name, value in claims.items() if value is not ...}

    def token(self, now=NOW, **changes):
        """A token with right claims but for ``changes``; ``...`` leaves a claim out."""
        return self.key.sign(self.claims(now, **changes))


def organisation(number):
    return {"authority": "iso6523-actorid-upis", "ID": f"0192:{number}"}


# --- The partner listener, really listening -----------------------------------------------------------------------

CLIENT_ID = "3c1b7c0e-7f0f-4d1c-9f53-6f3f3c1f9a10"
FIKS_ORG_ID = "5a1d6d39-4f06-4a33-9d7e-5ffbd0a2a6c3"
PASSWORD = "correct-horse-battery-staple"
BASE = "/bekymringsmelding/api"
CMS_START = bytes.fromhex("308006092a864886f70d010703a080308002010231")


def sealed(content=b"x" * 100):
    """Bytes that begin as CMS EnvelopedData."""
    return CMS_START + content


@dataclass
class Client:
    """A registered client, as the store would give it."""

    id: str = CLIENT_ID
    kind: str = "produsent"
    active: bool = True
    organisation_numbers: frozenset = frozenset({SCHOOL_OWNER})
    fiks_org_id: str | None = FIKS_ORG_ID
    rights: frozenset = frozenset({"bekymringsmelding.send"})
    tenants: frozenset = frozenset()
    password: PasswordDigest = field(default_factory=lambda: PasswordDigest.of(PASSWORD.encode()))
    certificate: str | None = None

    def verify_password(self, password):
        return self.password.matches(password)


class Directory(dict):
    """Clients by id."""

    async def find(self, client_id):
        return self.get(client_id)

    async def find_by_certificate(self, sha256):
        return next((client for client in self.values() if client.certificate == sha256), None)


class MemoryIntake:
    """The intake's promises, kept in memory: all parts or none, the same sealed bytes give the same id."""

    def __init__(self):
        self.stored = {}
        self.fault = None
        self.arrivals = asyncio.Queue()
        self.hold = None

    async def accept(self, delivery):
        if self.fault is not None:
            raise self.fault
        self.arrivals.put_nowait(delivery)
        if self.hold is not None:
            await self.hold.wait()
        parts = {name: b"".join([chunk async for chunk in stream]) async for name, stream in delivery.parts()}
        key = (delivery.sender, hashlib.sha256(parts[delivery.sealed_part]).hexdigest())
        repeated = key in self.stored
        if not repeated:
            self.stored[key] = (str(uuid.uuid4()), delivery.address, delivery.message_type, parts, delivery.headers)
        return Accepted(self.stored[key][0], repeated)

    def municipalities(self):
        return [Municipality("4601", "Bergen"), Municipality("0301", "Oslo"), Municipality("4624", "Bjørnafjorden")]

    def districts(self, kommunenummer):
        oslo = [District("01", "Gamle Oslo", False, "V1"), District("02", "Grünerløkka", True, "V2")]
        whole = [District("00", "Barneverntjenesten", True, "V2")]
        return {"0301": oslo, "4601": whole, "4624": whole}.get(kommunenummer, [])

    def certificates(self, address):
        one = PublicCertificate(
            pem="-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
            not_before=NOW - timedelta(days=180),
            not_after=NOW + timedelta(days=180),
            serial="123456789012345678901234567890",
            subject="CN=mottak,O=Oslo kommune",
            issuer="CN=CA,O=Utsteder",
        )
        return ReceiveCertificates(container=one, print_part=replace(one, not_after=NOW - timedelta(days=1)))

    def begins_as_envelope(self, first):
        return first[:1] == b"\x30" and bytes.fromhex("06092a864886f70d010703") in first[:16]

    async def history(self, message_id, caller):
        for (sender, _), row in self.stored.items():
            if row[0] == message_id and sender == caller.fiks_org_id:
                return [HistoryRow(message_id, NOW, "AKSEPTERT", "Mottatt")]
        raise UnknownResourceError("No message under this id.")


class Lines(list):
    """Log lines; one can wait for the next of a kind."""

    def __init__(self):
        super().__init__()
        self._news = asyncio.Event()

    def append(self, line):
        super().append(line)
        self._news.set()

    async def wait_for(self, event):
        while not [line for line in self if line["event"] == event]:
            self._news.clear()
            await self._news.wait()


@dataclass
class Partner:
    """What a test may reach of a running partner listener."""

    port: int
    issuer: TokenIssuer
    directory: Directory
    intake: MemoryIntake
    clock: StillClock
    lines: Lines

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def headers(self, **changes):
        values = {
            "Authorization": f"Bearer {self.issuer.token(self.clock.now())}",
            "IntegrasjonId": CLIENT_ID,
            "IntegrasjonPassord": PASSWORD,
        } | changes
        return {name: value for name, value in values.items() if value is not ...}


@asynccontextmanager
async def partner(issuer=None, intake_settings=None, hosts=frozenset(), scopes=None, **extra):
    """A partner listener on loopback with one producer and the Fiks facade."""
    issuer, clock, directory, intake, lines = (
        issuer or TokenIssuer(),
        StillClock(),
        Directory(),
        MemoryIntake(),
        Lines(),
    )
    directory[CLIENT_ID] = Client()
    intake = extra.get("wrap", lambda inner: inner)(intake)
    verifier = TokenVerifier([issuer.settings(**(scopes or {}))], issuer.fetch, clock)
    log = recording_log(lines)
    facade = ProdusentFacade(FiksSettings(), Context(clock=clock, session=None, log=log))
    door = ProducerDoor(verifier, directory, clock)
    bounds = intake_settings or config.Intake()
    over = extra.get("over_quota", set())
    quota = UploadQuota(RateLimit(bounds.bytes_per_minute, clock, Cap.BYTES), over)
    routes = partner_routes(facade.routes(intake), door, bounds, quota)
    settings = Listener(clock=clock, log=log, hosts=hosts, error_media_type="application/json")
    async with Listening(application([*routes, *extra.get("routes", ())], settings), "127.0.0.1", 0, None) as open_door:
        yield Partner(open_door.port, issuer, directory, intake, clock, lines)


def recording_log(lines):
    """A logger whose lines are the list."""

    def keep(_, __, line):
        lines.append(dict(line))
        raise structlog.DropEvent

    return structlog.wrap_logger(None, processors=[keep])


async def raw(port, octets, wait_s=5.0, tls=None):
    """Send octets as they are and give everything that comes back until the server closes or ``wait_s`` is over."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    writer.write(octets)
    await writer.drain()
    answer = bytearray()
    try:
        async with asyncio.timeout(wait_s):
            while chunk := await reader.read(65536):
                answer += chunk
    except (TimeoutError, ConnectionError):
        pass
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
    return bytes(answer)


async def one(port, octets, tls=None):
    """Send octets as they are and give the first answer, head and body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    writer.write(octets)
    await writer.drain()
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"Content-Length: (\d+)", head)
        bodiless = length is None or octets.startswith(b"HEAD ")
        return head if bodiless else head + await reader.readexactly(int(length[1]))
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


def multipart(parts, boundary=b"frontier"):
    """A body of (name, content) parts, or of (header block, content) where the name is bytes."""
    body = bytearray()
    for name, content in parts:
        head = name if isinstance(name, bytes) else f'Content-Disposition: form-data; name="{name}"'.encode()
        body += b"--" + boundary + b"\r\n" + head + b"\r\n\r\n" + content + b"\r\n"
    return bytes(body + b"--" + boundary + b"--\r\n")


MULTIPART = {"Content-Type": "multipart/form-data; boundary=frontier"}


def report(print_part=None, container=None):
    """A right body: both parts sealed."""
    return multipart([("bekymringsmelding", print_part or sealed(b"pdf")), ("asice", container or sealed(b"asice"))])


def mottak(kind="offentlig", version="v2", office="0301/02", sender=FIKS_ORG_ID):
    """Where a report is posted."""
    return f"{BASE}/{version}/mottak/fagsystem/{sender}/{office}/{kind}"
