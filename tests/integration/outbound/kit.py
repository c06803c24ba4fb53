"""What the tests of the way out share: messages to send, and partners that do as they are told."""

import asyncio
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sqlalchemy import select

from gateway.crypto.asice import verify_container
from gateway.crypto.certificates import TrustPolicy
from gateway.crypto.cms import open_envelope
from gateway.crypto.profiles import GATEWAY_ENVELOPE, STRICT_CONTAINER
from gateway.domain.routing import Road
from gateway.pipeline.environment import Environment
from gateway.pipeline.roads import Roads
from gateway.pipeline.submit import submit
from gateway.pipeline.traffic import prepare
from gateway.spi import Adapter, Outcome, Parcel, Part, Taken
from gateway.store.tables import alarm, attempt, message_state, parcel, queue_item
from tests.conftest import ROOT

SAMPLE = json.loads((ROOT / "schemas/prove.forsendelse/v1/samples/valid-melding.json").read_bytes())
KIND = "prove.forsendelse.v1"
RECIPIENT = SAMPLE["mottaker"]["orgnr"]
BREV = b"%PDF-1.7 et brev"


def melding(**changes) -> dict:
    """An envelope of its own; a change of None takes the field away."""
    made = {**SAMPLE, "meldingId": str(uuid.uuid4()), **changes}
    return {name: value for name, value in made.items() if value is not None}


async def stream(raw: bytes, chunk: int = 7000):
    for start in range(0, len(raw), chunk):
        yield raw[start : start + chunk]


async def request(envelope: dict | bytes, documents: Mapping[str, bytes]):
    raw = envelope if isinstance(envelope, bytes) else json.dumps(envelope).encode()
    yield Part("melding", stream(raw))
    for name, content in documents.items():
        yield Part(name, stream(content))


async def hand_in(env, client, envelope=None, documents=None, key=None) -> str:
    """Submit; returns the id."""
    envelope = melding() if envelope is None else envelope
    documents = {"brev.pdf": BREV} if documents is None else documents
    return await submit(env, client, key or str(uuid.uuid4()), request(envelope, documents))


class OwnDirectory:
    """Seals to the office itself, so that a test can open what was sent."""

    def __init__(self, env: Environment, tenant: str) -> None:
        self._certificate = env.offices.of(tenant).receive.decryption_keys()[0].certificate

    async def certificate(self, recipient: str) -> str:
        from cryptography.hazmat.primitives.serialization import Encoding

        return self._certificate.public_bytes(Encoding.PEM).decode()


@dataclass
class Scripted:
    """A partner that answers by script: an outcome, an exception, or a coroutine function; the last one for ever."""

    answers: list = field(default_factory=lambda: [Taken("ref-1")])
    states: list = field(default_factory=lambda: [None])
    idempotent: bool = False
    sent: list[tuple[str, bytes]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    async def send(self, parcel: Parcel) -> Outcome:
        raw = b"".join([chunk async for chunk in parcel.content()])
        assert len(raw) == parcel.size_bytes
        self.sent.append((parcel.key, raw))
        return await self._next(self.answers)

    async def status(self, parcel: Parcel) -> Outcome | None:
        self.asked.append(parcel.key)
        return await self._next(self.states)

    async def _next(self, script: list):
        answer = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(answer, BaseException):
            raise answer
        return await answer() if callable(answer) else answer


async def with_roads(env: Environment, tenant: str, guards=(), **partners) -> Environment:
    """The same gateway with these partners, in this order, as the roads of the type."""
    roads = Roads({KIND: tuple(Road(name) for name in partners)}, tuple(guards), env.roads.bases)
    made = replace(env, roads=roads)
    for name, partner in partners.items():
        await prepare(made, name)
        roads.open(name, Adapter(outbound=partner, directory=OwnDirectory(env, tenant)))
    return made


def opened(env: Environment, site, raw: bytes) -> dict[str, bytes]:
    """What the recipient reads: decrypted, and signed by the office."""
    import io

    keys = env.offices.of(site.tenant).receive.decryption_keys()
    plain = io.BytesIO(b"".join(open_envelope(io.BytesIO(raw), keys, GATEWAY_ENVELOPE)))
    trust = TrustPolicy(roots=(site.pki.root.certificate,))
    profile = replace(STRICT_CONTAINER, deliver_with_warning=True)  # nobody is asked about revocation here
    container = verify_container(plain, profile, trust, env.clock.now())
    container.signer.require_organisation("964338531")
    return {document.name: b"".join(container.open(document.name)) for document in container.documents}


async def read(env, query):
    return await env.store.read(lambda conn: conn.execute(query).all())


async def cause_of(env, message_id):
    rows = await read(env, select(message_state.c.cause).where(message_state.c.message_id == message_id))
    return rows[0].cause


async def alarms_of(env, subject=None):
    rows = await read(env, select(alarm.c.code, alarm.c.subject).where(alarm.c.closed_at.is_(None)))
    return sorted(row.code for row in rows if subject in {None, row.subject})


async def attempts_of(env, message_id, effect="send"):
    rows = await read(
        env,
        select(attempt).where(attempt.c.message_id == message_id, attempt.c.effect == effect).order_by(attempt.c.id),
    )
    return [row.code for row in rows if row.phase == "ended"]


async def parcels_of(env, message_id):
    return await read(env, select(parcel).where(parcel.c.message_id == message_id).order_by(parcel.c.number))


async def waiting(env, message_id):
    rows = await read(env, select(queue_item.c.effect).where(queue_item.c.message_id == message_id))
    return sorted(row.effect for row in rows)


async def until(condition, timeout_s=10.0):
    """Wait for something that other tasks bring about."""
    async with asyncio.timeout(timeout_s):
        while not await condition():
            await asyncio.sleep(0.01)
