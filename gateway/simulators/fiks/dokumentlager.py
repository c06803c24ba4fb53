"""Dokumentlager: payloads too large for the broker, as files, until a day after their message's time (fiks.md 5.5)."""

import asyncio
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from aiohttp import web

from gateway import limits
from gateway.errors import ForbiddenError, PartnerUnavailableError, UnknownResourceError
from gateway.simulators.fiks.access import Access
from gateway.simulators.fiks.faults import Faults, FiksFault

KEPT_AFTER: Final = timedelta(hours=24)
MEDIA_TYPE: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Document:
    """One payload. Integrations with rights to ``konto_id`` may fetch it."""

    dokument_id: str
    path: Path
    size: int
    konto_id: str
    expires: datetime


class Dokumentlager:
    """The store. Nothing of a payload is ever whole in memory."""

    def __init__(
        self, folder: Path, access: Access, faults: Faults, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._access = access
        self._faults = faults
        self._now = now
        self._documents: dict[str, Document] = {}

    def keep(self, file: Path, konto_id: str, ttl: timedelta) -> Document:
        """Take a file over for as long as its message lives and a day longer."""
        self.sweep()
        dokument_id = str(uuid.uuid4())
        path = Path(shutil.move(file, self._folder / dokument_id))
        document = Document(dokument_id, path, path.stat().st_size, konto_id, self._now() + ttl + KEPT_AFTER)
        self._documents[dokument_id] = document
        return document

    def sweep(self) -> None:
        """Delete what has outlived its time."""
        for document in [one for one in self._documents.values() if one.expires <= self._now()]:
            document.path.unlink(missing_ok=True)
            del self._documents[document.dokument_id]

    def routes(self) -> list[web.RouteDef]:
        """The download and what is told of a document."""
        return [
            web.get("/dokumentlager/nedlasting/{dokument_id}", self._download),
            web.get("/dokumentlager/nedlasting/{dokument_id}/metadata", self._metadata),
        ]

    async def _download(self, request: web.Request) -> web.StreamResponse:
        document = self._asked(request)
        if self._faults.take(FiksFault.NO_DOWNLOAD):
            message = "Dokumentlager is not available"
            raise PartnerUnavailableError(message)
        if self._faults.take(FiksFault.TRUNCATED_DOWNLOAD):
            return await self._cut_download(request, document)
        return web.FileResponse(document.path, headers={"Content-Type": MEDIA_TYPE})

    async def _metadata(self, request: web.Request) -> web.Response:
        document = self._asked(request)
        expires = document.expires.isoformat()
        told = {
            "dokumentId": document.dokument_id,
            "mimetype": MEDIA_TYPE,
            "storrelse": document.size,
            "utloper": expires,
        }
        return web.json_response(told)

    def _asked(self, request: web.Request) -> Document:
        self.sweep()
        caller = self._access.caller(request)
        document = self._documents.get(request.match_info["dokument_id"].lower())
        if document is None:
            message = "there is no such document"
            raise UnknownResourceError(message)
        if document.konto_id not in caller.kontoer:
            message = "the document is not for this integration"
            raise ForbiddenError(message)
        return document

    async def _cut_download(self, request: web.Request, document: Document) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": MEDIA_TYPE, "Content-Length": str(document.size)})
        await response.prepare(request)
        left = document.size // 2
        with document.path.open("rb") as file:
            while left and (piece := await asyncio.to_thread(file.read, min(left, limits.CHUNK_BYTES))):
                await response.write(piece)
                left -= len(piece)
        if request.transport is not None:
            request.transport.abort()
        return response
