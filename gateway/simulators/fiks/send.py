"""The send API (fiks.md 5.1 and 5.2)."""

import asyncio
import json
import tempfile
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, NoReturn

from aiohttp import BodyPartReader, MultipartReader, web

from gateway import limits
from gateway.domain.identifiers import is_uuid
from gateway.errors import MalformedRequestError, TooLargeError
from gateway.simulators.fiks.access import Access
from gateway.simulators.fiks.dispatch import TTL_DEFAULT, Outgoing, Sent
from gateway.simulators.fiks.faults import Faults, FiksFault

PATH: Final = "/fiks-io/api/v1/send"
BYTES_MAX: Final = 5 * limits.GIB
_TTL_MS_MIN: Final = 1000
_ACCEPTED: Final = 202
_GONE_POLL_S: Final = 0.05
_METADATA_BYTES_MAX: Final = limits.MIB

Deliver = Callable[[Outgoing, Path | bytes], Awaitable[Sent]]


class SendApi:
    """Takes messages and hands them to ``deliver``; payloads wait as files in ``folder``."""

    def __init__(self, access: Access, faults: Faults, deliver: Deliver, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._access = access
        self._faults = faults
        self._deliver = deliver
        self._folder = folder

    def routes(self) -> list[web.RouteDef]:
        """The one call."""
        return [web.post(PATH, self._send)]

    async def _send(self, request: web.Request) -> web.Response:
        self._access.caller(request)
        if not request.content_type.startswith("multipart/"):
            _refuse("the request is not multipart")
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            parts = await request.multipart()
            message = await _metadata(parts)
            self._access.caller_for(request, message.avsender)
            sent = await self._deliver(message, await _payload(parts, Path(folder) / "data"))
        if self._faults.take(FiksFault.SILENT_SEND) and request.transport is not None:
            request.transport.abort()
        if self._faults.take(FiksFault.HANGING_SEND):
            await _gone(request)
        return web.json_response(_accepted(sent), status=_ACCEPTED)


async def _gone(request: web.Request) -> None:
    """Wait until the caller gives up."""
    while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110  it tells nobody
        await asyncio.sleep(_GONE_POLL_S)


async def _metadata(parts: MultipartReader) -> Outgoing:
    part = await _next(parts)
    if part is None or part.name != "metadata":
        _refuse("the first part is not metadata")
    content = bytearray()
    while piece := await part.read_chunk():
        content += piece
        if len(content) > _METADATA_BYTES_MAX:
            _refuse("metadata is too large")
    try:
        document = json.loads(content)
    except ValueError:
        _refuse("metadata is not JSON")
    if not isinstance(document, dict):
        _refuse("metadata is not an object")
    return _outgoing(document)


def _outgoing(document: dict[str, Any]) -> Outgoing:
    ttl, headers, answers = document.get("ttl"), document.get("headere") or {}, document.get("svarPaMelding")
    sender, receiver = document.get("avsenderKontoId"), document.get("mottakerKontoId")
    kind = document.get("meldingType")
    if not _is_id(sender) or not _is_id(receiver) or (answers is not None and not _is_id(answers)):
        _refuse("an id in metadata is missing or is no UUID")
    if not isinstance(kind, str) or not kind:
        _refuse("meldingType is missing")
    if ttl is not None and (type(ttl) is not int or ttl < _TTL_MS_MIN):
        _refuse("ttl is less than a second, or no number")
    if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
        _refuse("headere holds something else than text")
    return Outgoing(
        avsender=str(sender).lower(),
        mottaker=str(receiver).lower(),
        type=kind,
        svar_pa=str(answers).lower() if answers is not None else None,
        ttl=TTL_DEFAULT if ttl is None else timedelta(milliseconds=ttl),
        headers=headers,
    )


async def _payload(parts: MultipartReader, into: Path) -> Path | bytes:
    """Write the part to a file as it comes. The clients do not all name its type, so nobody looks at it."""
    part = await _next(parts)
    if part is None:
        return b""
    if part.name != "data":
        _refuse("the second part is not data")
    size = 0
    with into.open("wb") as file:
        while piece := await part.read_chunk(limits.CHUNK_BYTES):
            size += len(piece)
            if size > BYTES_MAX:
                message = "the payload is larger than the platform takes"
                raise TooLargeError(message)
            await asyncio.to_thread(file.write, piece)
    if not size:
        _refuse("the payload is empty")
    return into


async def _next(parts: MultipartReader) -> BodyPartReader | None:
    try:
        part = await parts.next()
    except ValueError:
        _refuse("the multipart body is broken")
    if isinstance(part, MultipartReader):
        _refuse("a part holds parts")
    return part


def _accepted(sent: Sent) -> dict[str, object]:
    message = sent.message
    return {
        "meldingId": sent.melding_id,
        "meldingType": message.type,
        "avsenderKontoId": message.avsender,
        "mottakerKontoId": message.mottaker,
        "ttl": message.ttl // timedelta(milliseconds=1),
        "dokumentlagerId": sent.dokumentlager_id,
        "svarPaMelding": message.svar_pa,
        "headere": dict(message.headers),
    }


def _is_id(value: object) -> bool:
    return isinstance(value, str) and is_uuid(value.lower())


def _refuse(why: str) -> NoReturn:
    raise MalformedRequestError(why)
