"""Large payloads, which the platform moved to Fiks Dokumentlager (fiks.md 5.5). They die there with the message's time."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

import aiohttp

from adapters.fiks.api import NO_ANSWER, FiksApi, require_good
from adapters.fiks.headers import DOKUMENTLAGER_ID
from adapters.fiks.settings import FiksIo
from gateway.errors import TooLargeError
from gateway.spi import PartnerUnavailableError, Stream, UnknownResourceError, limits

PATH: Final = "/dokumentlager/nedlasting"
_OK: Final = 200
_TIMES: Final = aiohttp.ClientTimeout(total=3600, connect=10, sock_read=60)  # as KS's own client


class Dokumentlager:
    """Fetches by the header of the delivery (``spi.Blobs``). A download begins at the start: ranges are not promised."""

    def __init__(self, io: FiksIo, api: FiksApi) -> None:
        self._bytes_max = io.dokumentlager_bytes_max
        self._api = api

    async def blob(self, headers: Mapping[str, str]) -> Stream:
        """The sealed container; it is whole when the stream ends and not before.

        Raises PartnerUnavailableError, also for one that breaks off; UnknownResourceError when it is gone;
        PartnerRefusedError; TooLargeError.
        """
        path = f"{PATH}/{_identifier(headers)}"
        try:
            async with self._api.called("GET", path, timeout=_TIMES) as response:
                if response.status != _OK:
                    require_good((await self._api.read(response)).status)
                async for piece in self._whole(response):
                    yield piece
        except NO_ANSWER as error:
            message = "fiks: the document did not come to its end"
            raise PartnerUnavailableError(message) from error

    async def _whole(self, response: aiohttp.ClientResponse) -> Stream:
        length, size = response.content_length, 0
        if length is None and "chunked" not in response.headers.get("Transfer-Encoding", "").lower():
            message = "fiks: a document without a length, of which nobody knows the end"
            raise PartnerUnavailableError(message)
        async for piece in response.content.iter_chunked(limits.CHUNK_BYTES):
            size += len(piece)
            if size > self._bytes_max:
                message = "fiks: the document is larger than dokumentlager_bytes_max"
                raise TooLargeError(message)
            yield piece
        if size == 0 or (length is not None and size != length):
            message = "fiks: the document is shorter than it says"
            raise PartnerUnavailableError(message)


def _identifier(headers: Mapping[str, str]) -> str:
    try:
        return str(UUID(headers.get(DOKUMENTLAGER_ID, "")))
    except ValueError:
        message = "fiks: no document is named"
        raise UnknownResourceError(message) from None
