"""Two gateways: one hands a report on, the other is a drop-in of KS's producer API and takes it over real HTTP."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import aiohttp
from aiohttp import web

from adapters.fiks.produsent import ProdusentFacade
from adapters.fiks.produsent_client import ADAPTER, NAME
from adapters.fiks.produsent_client_settings import KsProdusentSettings
from adapters.fiks.settings import FiksSettings
from gateway import config
from gateway.app.lending import Lender
from gateway.config import Configuration
from gateway.crypto.tokens import TokenVerifier
from gateway.domain.deadlines import OSLO
from gateway.domain.routing import AddressKind, Road
from gateway.http.connection import Listening
from gateway.http.facade import ProducerDoor, partner_routes
from gateway.http.rate import Cap, RateLimit, UploadQuota
from gateway.http.server import Listener, application
from gateway.pipeline.accept import Intake
from gateway.pipeline.environment import Environment
from gateway.pipeline.hand_over import CaseSystemClient
from gateway.pipeline.roads import Roads
from gateway.pipeline.traffic import prepare
from gateway.simulators.sample import JSON_NAME, PDF_NAME
from gateway.simulators.sample_pdf import make_pdf
from gateway.spi import Adapter, Awaited, Clock, Context, Tokens
from tests.conftest import ROOT
from tests.edge_kit import CLIENT_ID, FIKS_ORG_ID, PASSWORD, Client, Directory, Lines, TokenIssuer, recording_log
from tests.integration.outbound.kit import hand_in, melding
from tests.work import work_off

OFFENTLIG = "bekymringsmelding.videresendt.offentlig.v1"
PRIVAT = "bekymringsmelding.videresendt.privat.v1"
RECIPIENT = {"orgnr": "964338531", "navn": "Årstad barneverntjeneste", "aktortype": "A50", "kommunenummer": "4601"}
SMALL = {"ask_after_s": (0.001,), "ask_every_s": 0.01, "look_every_s": 0.01}


class IssuedTokens:
    """Tokens that the other gateway believes (``spi.Tokens``)."""

    def __init__(self, issuer: TokenIssuer) -> None:
        self._issuer = issuer

    async def token(self) -> str:
        return self._issuer.token(datetime.now(UTC))

    def refused(self, token: str) -> None:
        raise AssertionError("a good token was refused")


@dataclass
class Server:
    """Where a producer API answers, and what was asked there. Answers to paths that end as ``lost`` never arrive; for each
    of ``busy`` an upload is answered 503 and not looked at, and it is done."""

    url: str
    tokens: Tokens
    fiks_org_id: str = FIKS_ORG_ID
    asked: list[tuple[str, str]] = field(default_factory=list)
    lost: tuple[str, ...] = ()
    busy: list[Callable[[], None]] = field(default_factory=list)

    @property
    def uploads(self) -> list[str]:
        return [path for method, path in self.asked if method == "POST"]

    @property
    def questions(self) -> int:
        return sum(path.endswith("/status") for _, path in self.asked)

    @web.middleware
    async def watch(self, request, handler):
        self.asked.append((request.method, request.path))
        if self.busy and request.method == "POST":
            await request.read()
            self.busy.pop(0)()
            return web.Response(status=503)
        answer = await handler(request)
        if request.path.endswith(self.lost):
            request.transport.abort()
        return answer


@asynccontextmanager
async def producer_api(env: Environment, clock: Clock | None = None) -> AsyncIterator[Server]:
    """Our own facade over a gateway's real intake; ``clock`` judges its certificates."""
    issuer, directory, log = TokenIssuer(), Directory(), recording_log(Lines())
    directory[CLIENT_ID] = Client()
    verifier = TokenVerifier([issuer.settings()], issuer.fetch, env.clock)
    facade = ProdusentFacade(FiksSettings(), Context(clock=clock or env.clock, session=None, log=log))
    bounds = config.Intake()
    quota = UploadQuota(RateLimit(bounds.bytes_per_minute, env.clock, Cap.BYTES), set())
    routes = partner_routes(facade.routes(Intake(env)), ProducerDoor(verifier, directory, env.clock), bounds, quota)
    app = application(
        routes, Listener(clock=env.clock, log=log, hosts=frozenset(), error_media_type="application/json")
    )
    server = Server("", IssuedTokens(issuer))
    app.middlewares.append(server.watch)
    async with Listening(app, "127.0.0.1", 0, None) as listening:
        server.url = f"http://127.0.0.1:{listening.port}"
        yield server


def settings(server: Server, **more) -> KsProdusentSettings:
    sender = {
        "kommunenummer": "4601",
        "fiks_org_id": server.fiks_org_id,
        "integration_id": CLIENT_ID,
        "integration_password": "file:keys/ks",
    }
    return KsProdusentSettings(api_url=server.url, senders=(sender,), **(SMALL | more))


@dataclass
class Way:
    """A gateway with this road out for both types, after it other ones."""

    env: Environment
    adapter: Adapter
    server: Server
    client: CaseSystemClient
    awaiting: Callable[[], Awaitable[Sequence[Awaited]]]

    async def hand_in(self, envelope: dict, documents: dict[str, bytes]) -> str:
        message_id = await hand_in(self.env, self.client, envelope, documents)
        await work_off(self.env)
        return message_id

    async def receipts(self, number: int = 1) -> None:
        """Take so many of what the adapter hears, as the gateway would."""
        async with asyncio.timeout(10), aclosing(self.adapter.inbound.deliveries()) as coming:
            for _ in range(number):
                assert await Intake(self.env).receipt(await anext(coming))

    async def hears_nothing(self) -> None:
        """Although it asks again and again."""
        before = self.server.questions
        async with aclosing(self.adapter.inbound.deliveries()) as coming:
            hearing = asyncio.create_task(anext(coming))
            async with asyncio.timeout(10):
                while self.server.questions < before + 3:
                    await asyncio.sleep(0.01)
            assert not hearing.done()
            hearing.cancel()
            await asyncio.wait([hearing])


@asynccontextmanager
async def forwarding(configuration: Configuration, env: Environment, server: Server, **more) -> AsyncIterator[Way]:
    """Opened as the application opens it, but for its secrets. ``then``: roads after this one, by name."""
    then = more.pop("then", {})
    way = (Road(NAME, AddressKind.BYDEL), *(Road(name) for name in then))
    roads = Roads(dict.fromkeys((OFFENTLIG, PRIVAT), way), ("R01",), env.roads.bases)
    made = replace(env, roads=roads)
    timeout = aiohttp.ClientTimeout(total=5, connect=2)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=False, auto_decompress=False) as session:
        lent = Lender(configuration, made, session).context(NAME)
        context = replace(lent, tokens=lambda *_: server.tokens, secret=lambda _: PASSWORD)
        async with ADAPTER.open(settings(server, **more), context) as adapter:
            for name, opened in {NAME: adapter, **then}.items():
                await prepare(made, name)
                roads.open(name, opened)
            yield Way(made, adapter, server, CaseSystemClient("fagsystem-1", ("4601-02",)), lent.awaiting)


def report(form: str = "offentlig", **changes) -> dict[str, bytes]:
    """Both documents of a report to Årstad; ``changes`` are of its JSON."""
    sample = ROOT / f"schemas/bekymringsmelding.videresendt.{form}/v1/samples/valid-fullstendig.json"
    document = json.loads(sample.read_bytes())
    document |= {"kommunenummer": "4601", "kommunenavn": "Bergen", "bydelsnummer": "03", "bydelsnavn": "Årstad"}
    document["sendingstidspunkt"] = datetime.now(OSLO).replace(tzinfo=None).isoformat(timespec="seconds")
    raw = json.dumps(document | changes, ensure_ascii=False, indent=1).encode()
    return {JSON_NAME: raw, PDF_NAME: make_pdf("Bekymringsmelding", ["Oppdiktet"])}


def envelope(kind: str = OFFENTLIG, district: str | None = "03", **recipient) -> dict:
    """Whom a report goes to; without a district, to the municipality's standard receiver."""
    to = RECIPIENT | ({"bydelsnummer": district} if district else {}) | recipient
    name, _, version = kind.rpartition(".")
    attached = {"dokumenttype": "MELDING", "sladdet": False, "taushetsniva": "S"}
    return melding(
        meldingId=str(uuid.uuid4()),
        meldingstype=name,
        meldingstypeVersjon=version,
        mottaker=to,
        hjemmel=[{"lov": "BVL2021", "kapittel": "13", "paragraf": "13-1"}],
        formal="Meldingen gjelder et barn som bor i en annen bydel",
        konfidensialitet="S",
        vedlegg=[
            {"filnavn": PDF_NAME, "mimeType": "application/pdf", **attached},
            {"filnavn": JSON_NAME, "mimeType": "application/json", **attached},
        ],
    )
