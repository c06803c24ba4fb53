"""A letter as SvarUt's ``forsendelse``: the metadata, and the form that carries it with its documents.

Nothing here can be printed: ``kunDigitalLevering`` is true, every document is excluded from print, and there is neither a
print configuration nor a postal address, which the schema asks for only where print is allowed.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import aiohttp
from aiohttp.payload import AsyncIterablePayload, BytesPayload

from adapters.svarut.settings import Konto
from gateway.spi import DocumentError, Envelopes, Letter, LetterDocument, Parcel, Stream

DIGEST: Final = "sha256"
"""The name of our own metadata of a document: the digest of its bytes before they were sealed (hexadecimal).

SvarUt gives it back when it is asked, and stores no other word of ours that could tell two letters of one key apart.
"""
_OCTETS: Final = "application/octet-stream"
_JSON: Final = "application/json; charset=UTF-8"


def write_forsendelse(parcel: Parcel, letter: Letter, konto: Konto, system: str) -> Mapping[str, Any]:
    """The metadata of a letter."""
    told: dict[str, Any] = {
        "tittel": letter.primary.subject,
        "mottaker": {"navn": letter.name, "digitalId": letter.person},
        "avgivendeSystem": system,
        "eksternReferanse": parcel.key,
        "kunDigitalLevering": True,
        "krevNiva4Innlogging": True,
        "kryptert": True,
        "taushetsbelagtPost": True,
        "dokumenter": [
            {
                "filnavn": name,
                "mimeType": document.media_type,
                "skalEkskluderesFraUtskrift": True,
                "ekstraMetadata": [{"key": DIGEST, "value": document.sha256.lower()}],
            }
            for name, document in zip(file_names(letter.documents), letter.documents, strict=True)
        ],
    }
    return told | ({"konteringskode": konto.konteringskode} if konto.konteringskode is not None else {})


def file_names(documents: Sequence[LetterDocument]) -> Sequence[str]:
    """Each document's name; SvarUt wants no name twice in one letter."""
    names: list[str] = []
    for number, document in enumerate(documents, 1):
        name = document.file_name
        while name in names:
            name = f"{number}-{name}"
        names.append(name)
    return names


def write_form(told: Mapping[str, Any], letter: Letter, envelopes: Envelopes) -> aiohttp.MultipartWriter:
    """The body: sealed while it is sent, and of a length that is known before. Raises CertificateError."""
    form = aiohttp.MultipartWriter("form-data")
    metadata = json.dumps(told, ensure_ascii=False).encode()
    part = form.append_payload(BytesPayload(metadata, content_type=_JSON))
    part.set_content_disposition("form-data", name="forsendelse")
    for number, document in enumerate(letter.documents):
        sealed = _Sized(envelopes.sealed(_whole(document)), envelopes.size_bytes(document.size_bytes))
        part = form.append_payload(sealed)
        name = told["dokumenter"][number]["filnavn"]
        part.set_content_disposition("form-data", quote_fields=False, name=f"filer_{number}", filename=name)
    return form


async def _whole(document: LetterDocument) -> Stream:
    """The content, which must be as long as was told. Raises DocumentError, and what reading it raises."""
    size = 0
    async for piece in document.content():
        size += len(piece)
        yield piece
    if size != document.size_bytes:
        message = "svarut: a document is not as long as it should be"
        raise DocumentError(message)


class _Sized(AsyncIterablePayload):
    """A stream of known length, so that the upload has one, too."""

    def __init__(self, stream: Stream, size_bytes: int) -> None:
        super().__init__(stream, content_type=_OCTETS)
        self._size = size_bytes
