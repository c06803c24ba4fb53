"""Reading a letter that was sent: its metadata, and its documents opened with SvarUt's key."""

import asyncio
import io
import json
from collections.abc import Sequence
from typing import Any, Final, NoReturn

from aiohttp import BodyPartReader, MultipartReader, web

from gateway import limits
from gateway.crypto.cms import open_envelope
from gateway.crypto.keys import DecryptionKey
from gateway.crypto.profiles import SVARUT_ENVELOPE
from gateway.errors import DecryptionError, MalformedRequestError, StructureError, TooLargeError
from gateway.simulators.svarut.post import Document

DOCUMENT_BYTES_MAX: Final = 350 * limits.MIB
_METADATA_BYTES_MAX: Final = limits.MIB
_TEXTS: Final = {
    "tittel": 1000, "avgivendeSystem": 100, "eksternReferanse": 100, "korrelasjonsid": 100, "konteringskode": 20,
    "forsendelsestype": 100,
}  # fmt: skip
_FORBIDDEN: Final = frozenset('*:"\\/<>|?')
_FILE_NAME_CHARS_MAX: Final = 226


async def read_letter(request: web.Request, key: DecryptionKey) -> tuple[dict[str, Any], Sequence[Document]]:
    """Metadata and documents, in their order. Raises MalformedRequestError, TooLargeError."""
    if not request.content_type.startswith("multipart/"):
        _refuse("the request is not multipart")
    parts = await request.multipart()
    told = await _metadata(parts)
    documents = [await _document(parts, one, key if told.get("kryptert") else None) for one in told["dokumenter"]]
    if await parts.next() is not None:
        _refuse("a file that the metadata does not name")
    return told, documents


async def _metadata(parts: MultipartReader) -> dict[str, Any]:
    part = await _next(parts)
    if part is None or part.name != "forsendelse":
        _refuse("the first part is not forsendelse")
    try:
        told = json.loads(await _read(part, _METADATA_BYTES_MAX))
    except ValueError:
        _refuse("forsendelse is not JSON")
    _require_sound(told)
    return dict(told)


def _require_sound(told: Any) -> None:
    """What the schema demands, and what its descriptions do."""
    if not isinstance(told, dict) or not isinstance(told.get("mottaker"), dict) or not told.get("tittel"):
        _refuse("tittel or mottaker is missing")
    if not isinstance(told["mottaker"].get("navn"), str):
        _refuse("mottaker has no navn")
    if any(not isinstance(told.get(name, ""), str) or len(told.get(name, "")) > most for name, most in _TEXTS.items()):
        _refuse("a text is too long, or is none")
    documents = told.get("dokumenter")
    if not isinstance(documents, list) or not documents or not all(_is_document(one) for one in documents):
        _refuse("dokumenter does not hold documents")
    if len({one["filnavn"] for one in documents}) != len(documents):
        _refuse("a file name is there twice")
    if told.get("krevNiva4Innlogging") and not told.get("kryptert"):
        _refuse("krevNiva4Innlogging needs documents that are encrypted")
    if told.get("kunDigitalLevering"):
        if not told["mottaker"].get("digitalId"):
            _refuse("digital delivery needs digitalId")
    elif not told["mottaker"].get("poststed"):
        _refuse("what may be printed needs a postal address")


def _is_document(one: Any) -> bool:
    if not isinstance(one, dict) or not isinstance(one.get("mimeType"), str):
        return False
    name = one.get("filnavn")
    return isinstance(name, str) and 0 < len(name) <= _FILE_NAME_CHARS_MAX and not _FORBIDDEN & set(name)


async def _document(parts: MultipartReader, told: dict[str, Any], key: DecryptionKey | None) -> Document:
    part = await _next(parts)
    if part is None or part.filename != told["filnavn"]:
        _refuse("the files are not those of the metadata, in their order")
    raw = await _read(part, DOCUMENT_BYTES_MAX)
    if key is None:
        return Document(told, raw, len(raw))
    try:
        clear = await asyncio.to_thread(lambda: b"".join(open_envelope(io.BytesIO(raw), [key], SVARUT_ENVELOPE)))
    except (DecryptionError, StructureError):
        _refuse("a document that does not open with this key")
    return Document(told, clear, len(raw))


async def _next(parts: MultipartReader) -> BodyPartReader | None:
    part = await parts.next()
    if isinstance(part, MultipartReader):
        _refuse("a part of parts")
    return part


async def _read(part: BodyPartReader, most: int) -> bytes:
    content = bytearray()
    while piece := await part.read_chunk(limits.CHUNK_BYTES):
        content += piece
        if len(content) > most:
            message = "a part is too large"
            raise TooLargeError(message)
    return bytes(content)


def _refuse(why: str) -> NoReturn:
    raise MalformedRequestError(why)
