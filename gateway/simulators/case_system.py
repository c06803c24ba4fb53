"""A case system as its vendor should build it: the reference implementation of the pull side, with fault switches.

For each message: claim, fetch head and every document, write them to the own store, note it in the own ledger, read every
document back **from the own store**, confirm with the digests of what was read. The order is the point: what a crash
leaves behind is fetched again, and a message that is in the ledger is never stored twice.
"""

import asyncio
import hashlib
import os
import re
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import aiohttp

from gateway import limits
from gateway.errors import DocumentError, PartnerRefusedError, PartnerUnavailableError
from gateway.simulators.ledger import STORED, Ledger, settle

CONFIRMED: Final = "confirmed"
REJECTED: Final = "rejected"
MISMATCH: Final = "mismatch"  # the gateway found our digests wrong
LATE: Final = "late"  # somebody decided the message meanwhile
_NAME: Final = re.compile(r"[A-Za-z0-9ÆØÅæøå_-][A-Za-z0-9ÆØÅæøå ._-]{0,150}")
_TRIES_MAX: Final = 30
_WAIT_S_MAX: Final = 60.0
_OK, _NO_CONTENT, _UNAUTHORISED, _CONFLICT, _TOO_MANY, _SERVER_ERROR = 200, 204, 401, 409, 429, 500


class CaseSystemFault(StrEnum):
    """What a case system can do wrong; may be changed while it runs."""

    DIES_AFTER_FETCH = "dies-after-fetch"  # SIGKILL to itself when all is fetched and nothing promised
    STORES_HALF = "stores-half"  # the second half of each document never reaches the store
    LIES = "lies"  # confirms with digests of something else
    IS_SLOW = "is-slow"  # waits between storing and confirming
    REJECTS = "rejects"
    FORGETS = "forgets"  # stores, and never confirms


@dataclass(frozen=True, slots=True)
class CaseSystemSettings:
    """How it works. ``base_url`` ends in ``/api/v1``; ``slow_s`` is for the fault of that name."""

    base_url: str
    claim_max: int = 10
    lease_s: int = 300
    poll_s: float = 1.0
    slow_s: float = 5.0
    time_out_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Stored:
    """A message of ours: our own reference, and the names of its documents."""

    reference: str
    names: tuple[str, ...]


class CaseSystem:
    """One case system with a store and a ledger of its own below ``folder``.

    ``token`` gives the bearer token and ``forget`` throws it away; ``die`` is what DIES_AFTER_FETCH does.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        settings: CaseSystemSettings,
        folder: Path,
        token: Callable[[], Awaitable[str]],
        *,
        forget: Callable[[], None] = lambda: None,
        die: Callable[[], object] = lambda: os.kill(os.getpid(), signal.SIGKILL),
    ) -> None:
        self.fault: CaseSystemFault | None = None
        self.bell = asyncio.Event()
        self.ledger = Ledger(folder / "case-system.jsonl")
        self._store = folder / "documents"
        self._store.mkdir(parents=True, exist_ok=True)
        self._stored = {
            row["id"]: Stored(row["reference"], tuple(row["documents"]))
            for row in self.ledger.rows()
            if row["event"] == STORED
        }
        self._number = len(self._stored)
        self._session = session
        self._settings = settings
        self._token = token
        self._forget = forget
        self._die = die
        self._unsure = True  # an earlier process may have claimed, or an answer to a claim been lost

    # --- the loop -----------------------------------------------------------------------------------------------

    async def run_until(self, done: Callable[[], bool]) -> None:
        """Work until ``done``; asked between rounds. A gateway that is away is asked again."""
        while not done():
            try:
                worked = await self.work_once()
            except PartnerUnavailableError:
                worked = 0
            if not worked:
                await self._rest()

    async def register_bell(self, url: str, secret: str) -> None:
        """Ask to be rung at ``url``, where a ``WebhookReceiver`` with the same secret listens. Raises PartnerError."""
        await self._call("PUT", "/webhook", {"url": url, "secret": secret})

    async def work_once(self) -> int:
        """Claim and handle one round; how many messages it was. Raises PartnerError."""
        ids = await self._claims()
        outcomes = await asyncio.gather(*(self.handle(message_id) for message_id in ids), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, PartnerUnavailableError):
                self._unsure = True  # the claim still runs: take it up again from the list
            elif isinstance(outcome, BaseException):
                raise outcome
        return len(ids)

    async def _rest(self) -> None:
        """Until the bell rings, or the time to poll has come anyway: a bell can break."""
        try:
            await asyncio.wait_for(self.bell.wait(), self._settings.poll_s)
        except TimeoutError:
            return
        self.bell.clear()

    async def _claims(self) -> list[str]:
        if self._unsure:
            listed = await self._call("GET", f"/messages?state=OFFERED&limit={limits.LIST_MAX}")
            self._unsure = False
            if listed["messages"] and self.fault is not CaseSystemFault.FORGETS:
                return [message["id"] for message in listed["messages"]]
        order = {"max": self._settings.claim_max, "leaseSeconds": self._settings.lease_s}
        try:
            return [claim["id"] for claim in (await self._call("POST", "/messages/claim", order))["claims"]]
        except PartnerUnavailableError:
            self._unsure = True
            raise

    # --- one message --------------------------------------------------------------------------------------------

    async def handle(self, message_id: str) -> None:
        """Bring one claimed message home. Raises PartnerError."""
        if message_id not in self._stored:
            try:
                await self._take_in(message_id)
            except DocumentError:
                await self._reject(message_id, "document-name")
                return
        if self.fault is CaseSystemFault.REJECTS:
            await self._reject(message_id, "simulated")
        elif self.fault is not CaseSystemFault.FORGETS:
            await self._confirm(message_id)

    async def _take_in(self, message_id: str) -> None:
        """Fetch and store. The ledger's line comes last: before it, nothing counts as stored."""
        head = await self._call("GET", f"/messages/{message_id}")
        names = tuple(document["name"] for document in head["documents"])
        if any(_NAME.fullmatch(name) is None for name in names):
            message = "a document's name cannot be a file's name here"
            raise DocumentError(message)
        folder = self._store / message_id
        folder.mkdir(exist_ok=True)
        for document in head["documents"]:
            await self._fetch(message_id, folder / f"{document['name']}.part", document)
        if self.fault is CaseSystemFault.DIES_AFTER_FETCH:
            self._die()
        await asyncio.to_thread(self._settle, folder, names)
        self._number += 1
        stored = Stored(f"SAK-{self._number:06}", names)
        documents = await asyncio.to_thread(self._read_back, message_id, names)
        await asyncio.to_thread(
            self.ledger.append, STORED, id=message_id, reference=stored.reference, documents=documents
        )
        self._stored[message_id] = stored

    async def _fetch(self, message_id: str, partial: Path, document: dict[str, Any]) -> None:
        """Stream one document to a file that does not count yet."""
        path = f"/messages/{message_id}/documents/{document['name']}"
        async with self._exchange("GET", path) as response:
            with partial.open("wb") as file:
                async for piece in response.content.iter_chunked(limits.CHUNK_BYTES):
                    file.write(piece)
                size = file.tell()
        if size != document["size"]:
            message = "a document came short"
            raise PartnerUnavailableError(message)

    def _settle(self, folder: Path, names: Iterable[str]) -> None:
        for name in names:
            partial = folder / f"{name}.part"
            if self.fault is CaseSystemFault.STORES_HALF:
                os.truncate(partial, partial.stat().st_size // 2)
            settle(partial, folder / name)

    def _read_back(self, message_id: str, names: Iterable[str]) -> dict[str, str]:
        """SHA-256 of each document as it lies in the own store: never of what was fetched."""
        digests = {}
        for name in names:
            with (self._store / message_id / name).open("rb") as file:
                digests[name] = hashlib.file_digest(file, "sha256").hexdigest()
        return digests

    async def _confirm(self, message_id: str) -> None:
        stored = self._stored[message_id]
        digests = await asyncio.to_thread(self._read_back, message_id, stored.names)
        if self.fault is CaseSystemFault.LIES:
            digests = {name: hashlib.sha256(digest.encode()).hexdigest() for name, digest in digests.items()}
        if self.fault is CaseSystemFault.IS_SLOW:
            await asyncio.sleep(self._settings.slow_s)
        body = {
            "reference": stored.reference,
            "documents": [{"name": name, "sha256": digest} for name, digest in digests.items()],
        }
        answer = await self._call("POST", f"/messages/{message_id}/confirm", body)
        event = {None: CONFIRMED, "readback-mismatch": MISMATCH}.get(answer.get("code"), LATE)
        await asyncio.to_thread(self.ledger.append, event, id=message_id, reference=stored.reference)

    async def _reject(self, message_id: str, reason: str) -> None:
        answer = await self._call("POST", f"/messages/{message_id}/reject", {"reason": reason, "text": ""})
        await asyncio.to_thread(self.ledger.append, LATE if "code" in answer else REJECTED, id=message_id)

    # --- the wire -----------------------------------------------------------------------------------------------

    async def _call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """A JSON answer; that of a conflict too, which is known by its ``code``. Raises PartnerError."""
        async with self._exchange(method, path, body) as response:
            if response.status == _NO_CONTENT:
                return {}
            answer = await response.json(content_type=None)
        if not isinstance(answer, dict):
            message = "the gateway's answer is no JSON object"
            raise PartnerUnavailableError(message)
        return answer

    @asynccontextmanager
    async def _exchange(self, method: str, path: str, body: object = None) -> AsyncIterator[aiohttp.ClientResponse]:
        """One request. Told to wait, it waits and asks the same again: to begin anew would only ask for more."""
        timeout = aiohttp.ClientTimeout(total=self._settings.time_out_s)
        url = self._settings.base_url + path
        try:
            for _ in range(_TRIES_MAX):
                headers = {"Authorization": f"Bearer {await self._token()}"}
                async with self._session.request(method, url, json=body, headers=headers, timeout=timeout) as response:
                    wait_s = _told_to_wait_s(response)
                    if wait_s is None:
                        self._judge(response.status)
                        yield response
                        return
                await asyncio.sleep(wait_s)
        except (aiohttp.ClientError, TimeoutError, ValueError) as fault:
            message = "the gateway is not reached, or its answer is none"
            raise PartnerUnavailableError(message) from fault
        message = "the gateway told us to wait again and again"
        raise PartnerUnavailableError(message)

    def _judge(self, status: int) -> None:
        """Raise for what a later try may mend, and for what only a person can."""
        if status == _UNAUTHORISED:
            self._forget()  # the token can have run out on the way
        if status == _UNAUTHORISED or status >= _SERVER_ERROR:
            message = f"the gateway answers {status}"
            raise PartnerUnavailableError(message)
        if status not in {_OK, _NO_CONTENT, _CONFLICT}:
            message = f"the gateway refuses: {status}"
            raise PartnerRefusedError(message)


def _told_to_wait_s(response: aiohttp.ClientResponse) -> float | None:
    """What a 429 says in ``Retry-After``, in seconds and within reason; None for every other answer."""
    if response.status != _TOO_MANY:
        return None
    said = response.headers.get("Retry-After", "")
    return min(float(said), _WAIT_S_MAX) if said.isascii() and said.isdigit() else 1.0
