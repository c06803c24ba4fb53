"""Reports sealed beforehand, and a sender that only posts them: sealing is the sender's work and is not measured here."""

import asyncio
import json
import ssl
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import aiohttp

from gateway import limits
from gateway.crypto.keys import KeyFile, SigningKey, read_key
from gateway.demo.cast import SENDER_FIKS_ORG_ID, Cast
from gateway.simulators.produsent import Receiver
from gateway.simulators.sample import Form, Office, Report, make_report
from gateway.simulators.seal import Receivers, seal
from gateway.simulators.upload import content_type, multipart
from gateway.testing.site import KOMMUNENUMMER

JSON_BYTES: Final = 20_000
_TIME_OUT_S: Final = 300
_CREATED: Final = 201


@dataclass(frozen=True, slots=True)
class Upload:
    """One report as it is posted."""

    klient_id: str
    body: bytes | Path


@dataclass(frozen=True, slots=True)
class Sizes:
    """Octets of one report: in the clear, and of its two sealed parts."""

    json: int
    pdf: int
    container: int
    print_part: int


@dataclass(frozen=True, slots=True)
class Posted:
    """A report that was answered 201."""

    uuid: str
    seconds: float


class Sender:
    """Posts what was sealed, over connections that stay open."""

    def __init__(self, cast: Cast, session: aiohttp.ClientSession, receiver: Receiver, receivers: Receivers) -> None:
        self._cast = cast
        self._session = session
        self._receiver = receiver
        self.receivers = receivers
        self.key: SigningKey = read_key(KeyFile(cast.site.sender_pem))

    def report(self, number: int = 0) -> Report:
        """The sample report to this office."""
        office = Office(KOMMUNENUMMER, "Bergen", self._receiver.bydelsnummer, self._receiver.bydelsnavn)
        return make_report(Form.OFFENTLIG, self._receiver.version, office, number=number)

    def sealed(self, count: int) -> tuple[list[Upload], Sizes]:
        """That many reports of 20 kB of JSON and 100 kB of PDF, each another."""
        sample = self.report()
        sizes = Sizes(0, 0, 0, 0)
        uploads = []
        for content in documents(sample.json, count):
            done = seal(replace(sample, json=content), self.receivers, self.key, datetime.now(UTC))
            klient_id = str(uuid.uuid4())
            uploads.append(Upload(klient_id, multipart(done, klient_id)))
            sizes = Sizes(len(content), len(sample.pdf), len(done.container), len(done.print_part))
        return uploads, sizes

    async def post(self, upload: Upload) -> Posted:
        """One upload, which must be answered 201; a file is sent chunked, piece by piece."""
        path = f"mottak/fagsystem/{SENDER_FIKS_ORG_ID}/{KOMMUNENUMMER}/{self._receiver.bydelsnummer}/{Form.OFFENTLIG}"
        url = f"{self._cast.site.partner_url}/bekymringsmelding/api/{self._receiver.version.lower()}/{path}"
        headers = await self._cast.produsent._headers()  # noqa: SLF001  its login, without its sealing
        headers["Content-Type"] = content_type(upload.klient_id)
        data = upload.body if isinstance(upload.body, bytes) else _pieces(upload.body)
        begin = time.perf_counter()
        async with self._session.post(url, data=data, headers=headers) as answer:
            told = await answer.json()
            if answer.status != _CREATED:
                message = f"the gateway answered {answer.status}"
                raise RuntimeError(message)
        return Posted(told["uuid"], time.perf_counter() - begin)

    async def post_all(self, uploads: list[Upload], producers: int) -> list[Posted]:
        """All of them, by so many producers at once, each posting its next when the last is answered."""
        waiting = iter(uploads)

        async def produce() -> list[Posted]:
            return [await self.post(upload) for upload in waiting]

        return [one for posted in await asyncio.gather(*(produce() for _ in range(producers))) for one in posted]


@asynccontextmanager
async def sender(cast: Cast) -> AsyncIterator[Sender]:
    """A sender of this cast; the gateway must be running."""
    receiver = await cast.produsent.receiver(KOMMUNENUMMER)
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=cast.site.ca))
    timeout = aiohttp.ClientTimeout(total=_TIME_OUT_S)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        yield Sender(cast, session, receiver, await cast.produsent.receivers(receiver))


def documents(sample: bytes, count: int) -> Iterator[bytes]:
    """The sample with a text that fills it up; no two alike, since a report that comes twice is linked, not delivered."""
    document = json.loads(sample)
    told = document["melding"]["melding"]
    filling = "Oppdiktet tekst som fyller meldingen. " * (JSON_BYTES // 30)
    room = JSON_BYTES - len(sample) - len(f"{0:08} ")
    for number in range(count):
        document["melding"]["melding"] = f"{number:08} {told}{filling[:room]}"
        yield json.dumps(document, ensure_ascii=False, indent=2).encode()


async def _pieces(file: Path) -> AsyncIterator[bytes]:
    with file.open("rb") as source:
        while piece := await asyncio.to_thread(source.read, limits.CHUNK_BYTES):
            yield piece
