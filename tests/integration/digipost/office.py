"""An office with a road to Digipost, every rule listed, and registers that know its people: the real engine and a real store."""

import asyncio
import io
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from adapters.digipost import ADAPTER
from adapters.digipost.settings import DigipostSettings
from gateway.app.lending import Lender
from gateway.crypto.certificates import TrustPolicy
from gateway.crypto.digipost import DigipostSigner
from gateway.domain.guards import GUARDS
from gateway.domain.message_type import Audience, LetterForm
from gateway.domain.persons import Contact, Grading, Resident, Standing
from gateway.domain.routing import Road
from gateway.egress import client_context
from gateway.pipeline.environment import Environment
from gateway.pipeline.fetch import run_inbound
from gateway.pipeline.people import Decision, decide
from gateway.pipeline.roads import Roads
from gateway.pipeline.submit import submit
from gateway.pipeline.traffic import prepare
from gateway.spi import Adapter
from tests.digipost_kit import BROKER, KARI, SENDER, pin, simulator, software
from tests.integration.outbound.kit import KIND, cause_of, request
from tests.integration.outbound.kit import melding as sample
from tests.work import work_off


def brev(text: str = "Vi viser til møtet. Planen er lagt ved.") -> bytes:
    """A letter as a case system makes it: A4, its margins free, its font in it."""
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=(210 * mm, 297 * mm), invariant=1)
    canvas.setFont(_font(), 11)
    canvas.drawString(25 * mm, 180 * mm, text)
    canvas.save()
    return out.getvalue()


def _font() -> str:
    if "Vera" not in pdfmetrics.getRegisteredFontNames():
        pdfmetrics.registerFont(TTFont("Vera", "Vera.ttf"))
    return "Vera"


def melding(*names: str, number: str = KARI, media_type: str = "application/pdf", **changes: Any) -> dict[str, Any]:
    """A letter to a mother who lives with the father, about their child; ``brev`` in ``changes`` says how it goes."""
    document = {"mimeType": media_type, "dokumenttype": "BREV", "sladdet": False, "taushetsniva": "T"}
    parties = [
        ("MOR", number, "Kari Nordmann"),
        ("FAR", "09897910036", "Ola Nordmann"),
        ("HOVEDPERSON", "10901560094", "Lise Nordmann"),
    ]
    return sample(
        mottaker={
            "fodselsnummer": number,
            "navn": "Kari Nordmann",
            "aktortype": "A02",
            "rolle": "MOR",
            "postadresse": {"adresselinjer": ["Testgata 1"], "postnummer": "0460", "poststed": "Oslo"},
        },
        parter=[
            {
                "rolle": role,
                "fodselsnummer": own,
                "navn": name,
                "adressegradering": "UGRADERT",
                "reservert": False,
                "adresseSkjultFor": [],
                "partsrett": True,
            }
            for role, own, name in parties
        ],
        melder={"type": "INGEN"},
        foreldresituasjon="SAMMEN",
        formal="Plan til part",
        vedlegg=[{**document, "filnavn": name, "inneholder": ["INGEN"]} for name in names or ("brev.pdf",)],
        **changes,
    )


class Registers:
    """Everybody is a resident who takes letters digitally. ``told``: what KRR says otherwise, of everybody."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self.told: dict[str, Any] = {}

    async def contact(self, person: str) -> Contact:
        return replace(Contact(False, True, True, True, self._clock.now()), **self.told)

    async def resident(self, person: str) -> Resident | None:
        names = {"09897910036": "Ola Nordmann", "10901560094": "Lise Nordmann"}
        return Resident(Standing.RESIDENT, Grading.UNGRADED, self._clock.now(), names.get(person, "Kari Nordmann"))


class LetterTypes:
    """The catalogue, with the trial type written to parties."""

    def __init__(self, types: Any) -> None:
        self._types = types

    def type(self, key: str) -> Any:
        kind = self._types.type(key)
        form = LetterForm({"nb": "Brev fra kommunen", "nn": "Brev frå kommunen"})
        return replace(kind, audience=Audience.PARTY, letter=form) if key == KIND else kind

    def flaws(self, key: str, document: object) -> Any:
        return self._types.flaws(key, document)


class Rounds:
    """The road's clock: a round of asking begins when a test says so, and no request is under way when the test goes on."""

    def __init__(self, clock: Any) -> None:
        self.now, self.monotonic = clock.now, clock.monotonic
        self._turn = asyncio.Semaphore(0)
        self._resting = asyncio.Event()

    async def sleep(self, _seconds: float) -> None:
        """Rest until the next round."""
        self._resting.set()
        await self._turn.acquire()

    async def rest(self) -> None:
        """Until the round has ended."""
        await self._resting.wait()

    async def next(self) -> None:
        """One more round, to its end."""
        self._resting.clear()
        self._turn.release()
        await self.rest()


@dataclass
class Office:
    """A running office. ``server``: Digipost."""

    env: Environment
    server: Any
    adapter: Adapter
    client: Any
    rounds: Rounds
    registers: Registers

    async def hand_in(self, contents: tuple[bytes, ...] = (), names: tuple[str, ...] = (), **changes: Any) -> str:
        """What the case system does."""
        made = contents or (brev(),)
        documents = dict(zip(names or [f"brev-{number}.pdf" for number in range(len(made))], made, strict=True))
        envelope = melding(*documents, **changes)
        return await submit(self.env, self.client, str(uuid.uuid4()), request(envelope, documents))

    async def release(self, message_id: str, *persons: str, road: str | None = None) -> None:
        """What people do."""
        for person in persons:
            await decide(self.env, message_id, Decision("release", person, "gjennomgått", road=road))

    async def sent(self, **changes: Any) -> str:
        """A letter that two people have released, and that was tried once."""
        message_id = await self.hand_in(**changes)
        await work_off(self.env)
        assert await cause_of(self.env, message_id) == "r18-four-eyes"
        await self.release(message_id, "sb-ingrid", "sb-ola")
        await work_off(self.env)
        return message_id

    async def hears(self, condition: Any, timeout_s: float = 10.0) -> None:
        """Let the road bring what happened until something is so."""
        stop = asyncio.Event()
        assert self.adapter.inbound is not None
        listening = asyncio.create_task(run_inbound(self.env, "digipost", self.adapter.inbound, stop))
        async with asyncio.timeout(timeout_s):
            await self.rounds.rest()
            while not await condition():
                await self.rounds.next()
        stop.set()
        await listening

    @property
    def letters(self) -> list[Any]:
        """What Digipost has."""
        return list(self.server.post.letters.values())


@asynccontextmanager
async def office(
    configuration: Any, bare: Environment, client: Any, keys: Any, **settings: Any
) -> AsyncIterator[Office]:
    """Open the road to a simulator of its own. In ``settings``, ``server``: one that is there already; ``pdfs``: who reads."""
    async with AsyncExitStack() as stack:
        given = settings.pop("server", None)
        server = given or simulator(keys, bare.clock)
        base = server.base if given else await stack.enter_async_context(server.serve())
        session = await stack.enter_async_context(
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5), auto_decompress=False)
        )
        env = replace(bare, roads=roads(bare), types=LetterTypes(bare.types), pdfs=settings.pop("pdfs", bare.pdfs))
        lent = Lender(configuration, env, session).context("digipost")
        key = software(keys.ours)

        def signs(_name: str, believed: Any) -> DigipostSigner:
            return DigipostSigner(lambda: key, TrustPolicy(pins=believed.pins))

        rounds = Rounds(env.clock)
        context = replace(lent, signs=signs, tls=client_context, clock=rounds)
        told = {
            "api_url": base,
            "broker_id": BROKER,
            "pins": [pin(keys.digipost)],
            "senders": [{"kommunenummer": "4601", "bydelsnummer": "02", "sender_id": SENDER}],
        }
        adapter = await stack.enter_async_context(ADAPTER.open(DigipostSettings(**(told | settings)), context))
        await prepare(env, "digipost")
        registers = Registers(env.clock)
        env.roads.open("digipost", adapter)
        env.roads.open("registre", Adapter(contacts=registers, population=registers))
        yield Office(env, server, adapter, client, rounds, registers)


def roads(env: Environment) -> Roads:
    """Digipost's mailbox, then paper, under every rule."""
    both = tuple(road for text in ("digipost:fodselsnummer", "digipost:post") if (road := Road.parse(text)) is not None)
    return Roads({KIND: both}, tuple(GUARDS), env.roads.bases)
