"""Digipost's official Java client in the hands of a test, and a simulator for it to call (digipost-client/README.md)."""

import asyncio
import uuid
from contextlib import asynccontextmanager
from types import SimpleNamespace

from gateway.simulators.digipost.faults import DigipostFault
from gateway.testing.clock import HandClock
from tests.digipost_kit import BROKER, SENDER, simulator
from tests.interop.fiks.kit import DIGIPOST_CLIENT, peer

PASSWORD = b"prove"


def java_client(folder):
    """The process in which every client of a test run lives. Skips where the client cannot be had."""
    return peer("Digipost", folder, project=DIGIPOST_CLIENT)


class Client:
    """One client: each call is an order, and what is returned is what the client made of our answers. Raises PeerError."""

    def __init__(self, java):
        self.folder = java.folder
        self._java = java
        self._name = str(uuid.uuid4())

    async def __call__(self, do, **order):
        return await asyncio.to_thread(self._java, do, name=self._name, **order)

    async def connect(self, api, credential, at, broker=BROKER):
        """Begin to call; the client's clock stands still at ``at``."""
        keys = credential.write_pkcs12(self.folder / f"{self._name}.p12", PASSWORD)
        await self("connect", api=api, broker=broker, keys=keys, password=PASSWORD.decode(), at=instant(at))

    async def send(self, key, *documents, **more):
        return await self("send", id=key, sender=SENDER, documents=documents, **more)

    async def status(self, document):
        return await self("status", sender=SENDER, uuid=document["uuid"])


def instant(at):
    """A time as Java's clocks are told it."""
    return at.isoformat().replace("+00:00", "Z")


@asynccontextmanager
async def office(java, keys, start=None):
    """The simulator at one time, and a client of our broker; ``other``: makes another client."""
    clock = HandClock(start)
    server = simulator(keys, clock)

    async def other(credential=keys.ours, at=None):
        client = Client(java)
        await client.connect(base, credential, at or clock.now())
        return client

    async with server.serve() as base:
        yield SimpleNamespace(server=server, clock=clock, base=base, client=await other(), other=other)


def prepare(server, before):
    """What happens at Digipost before a recorded order, as it stands in the recording."""
    for what, name in before:
        match what:
            case "arm":
                server.faults.arm(DigipostFault(name))
            case "open":
                server.post.open(name)
            case "postmark":
                server.post.postmark(name)
