"""An example of an HTTP partner, and its adapter: a post box that takes parcels, gives receipts, and has letters for us.

PUT  /parcels/{key}    201 {"id"}          GET    /parcels/{key}   200 {"id"} or 404
GET  /waiting          200 [{...}]         DELETE /waiting/{id}    204: it need not come again
GET  /letters/{id}     200 octets
"""

import json
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web
from pydantic import BaseModel, ConfigDict

from gateway.spi import (
    Adapter,
    AdapterSpec,
    Address,
    Context,
    Delivery,
    Outcome,
    Parcel,
    Receipt,
    Refused,
    Stream,
    Taken,
    TryLater,
    Uncertain,
)
from gateway.testing.partner import MARKER, FakePartner

NAME = "postkasse"
ANSWER_BYTES_MAX = 65536
LETTER = b"\x30\x80" + MARKER.encode() * 100


class PostkasseSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    idempotent: bool = True


@dataclass
class Letter:
    """A delivery that waits at the post box."""

    road_: "PostkasseRoad"
    id: str
    road: str = NAME
    address: Address = field(default_factory=lambda: Address("4601", "02"))
    message_type: str = "bekymringsmelding.offentlig.v2"
    sender: str = "postkasse"
    sealed_part: str = "asice"
    headers: Mapping[str, str] = field(default_factory=dict)
    answer_to: str | None = None
    fault: str | None = None
    blob: str | None = None

    @property
    def remote_id(self) -> str:
        return self.id

    async def parts(self) -> AsyncIterator[tuple[str, Stream]]:
        yield "asice", self._stream()

    async def _stream(self) -> Stream:
        async with self.road_.session.get(f"{self.road_.url}/letters/{self.id}") as answer:
            async for chunk in answer.content.iter_chunked(8192):
                yield chunk

    async def acknowledge(self) -> None:
        await self.road_.forget(self.id)

    async def give_back(self) -> None:
        return


class PostkasseRoad:
    def __init__(self, settings: PostkasseSettings, context: Context) -> None:
        self.url = settings.url
        self.idempotent = settings.idempotent
        self.session = context.session
        self.log = context.log

    async def send(self, parcel: Parcel) -> Outcome:
        headers = {"X-Recipient": parcel.recipient}
        try:
            async with self.session.put(
                f"{self.url}/parcels/{parcel.key}", data=parcel.content(), headers=headers, allow_redirects=False
            ) as answer:
                return await self.outcome(answer)
        except aiohttp.ClientConnectorError:
            return TryLater("unreachable")
        except (aiohttp.ClientError, TimeoutError) as error:
            self.log.warning("postkasse.no_answer", error=type(error).__name__)
            return Uncertain("no-answer")

    async def status(self, parcel: Parcel) -> Outcome | None:
        async with self.session.get(f"{self.url}/parcels/{parcel.key}", allow_redirects=False) as answer:
            return TryLater("not-there") if answer.status == 404 else await self.outcome(answer)

    async def outcome(self, answer: aiohttp.ClientResponse) -> Outcome:
        if answer.status in {200, 201}:
            reference = _reference(await _bounded(answer))
            return Uncertain("unreadable-answer") if reference is None else Taken(reference)
        if answer.status == 429:
            return TryLater("throttled", float(answer.headers.get("Retry-After", "60")))
        if answer.status >= 500 or answer.status < 400:
            return TryLater(f"status-{answer.status}")
        return Refused(f"status-{answer.status}")

    async def deliveries(self) -> AsyncGenerator[Delivery | Receipt, None]:
        async with self.session.get(f"{self.url}/waiting") as answer:
            rows = json.loads(await _bounded(answer))
        for row in rows:
            if row["kind"] == "letter":
                yield Letter(self, row["id"])
            else:
                yield Receipt(
                    NAME, row["recipient"], row["reference"], key=row["key"], acknowledge=self.forgetting(row["id"])
                )

    def forgetting(self, waiting_id: str):
        async def acknowledge() -> None:
            await self.forget(waiting_id)

        return acknowledge

    async def forget(self, waiting_id: str) -> None:
        async with self.session.delete(f"{self.url}/waiting/{waiting_id}"):
            return


async def _bounded(answer: aiohttp.ClientResponse) -> bytes:
    body = b""
    while len(body) <= ANSWER_BYTES_MAX and (more := await answer.content.read(ANSWER_BYTES_MAX)):
        body += more
    return body


def _reference(body: bytes) -> str | None:
    try:
        found = json.loads(body)["id"]
    except (ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) else None


def spec_of(road_type: type[PostkasseRoad] = PostkasseRoad) -> AdapterSpec[PostkasseSettings]:
    @asynccontextmanager
    async def opened(settings: PostkasseSettings, context: Context) -> AsyncIterator[Adapter]:
        road = road_type(settings, context)
        yield Adapter(inbound=road, outbound=road)

    return AdapterSpec(name=NAME, settings=PostkasseSettings, open=opened)


class FakePostkasse(FakePartner):
    """The post box itself."""

    def __init__(self) -> None:
        super().__init__()
        self.references: dict[str, str] = {}
        self.waiting: list[dict[str, str]] = []

    def routes(self):
        return [
            web.put("/parcels/{key}", self.put),
            web.get("/parcels/{key}", self.get),
            web.get("/waiting", self.list),
            web.delete("/waiting/{id}", self.delete),
            web.get("/letters/{id}", self.letter),
        ]

    async def put(self, request: web.Request) -> web.Response:
        key, content = request.match_info["key"], await request.read()
        if key not in self.references:
            self.take(key, content)
            self.references[key] = uuid.uuid4().hex
            receipt = {"reference": self.references[key], "key": key, "recipient": request.headers["X-Recipient"]}
            self.waiting.append({"kind": "receipt", "id": f"r{len(self.waiting)}", **receipt})
        return web.json_response({"id": self.references[key], "note": MARKER}, status=201)

    async def get(self, request: web.Request) -> web.Response:
        key = request.match_info["key"]
        if key not in self.references:
            return web.json_response({"error": MARKER}, status=404)
        return web.json_response({"id": self.references[key]})

    async def list(self, _: web.Request) -> web.Response:
        return web.json_response(self.waiting)

    async def delete(self, request: web.Request) -> web.Response:
        self.waiting = [row for row in self.waiting if row["id"] != request.match_info["id"]]
        self.acknowledged += 1
        return web.Response(status=204)

    async def letter(self, _: web.Request) -> web.Response:
        return web.Response(body=LETTER)


class FakePostkasseWithLetter(FakePostkasse):
    """One letter waits."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting.append({"kind": "letter", "id": "l1"})
