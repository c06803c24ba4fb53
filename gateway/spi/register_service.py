"""Asking a public register: one JSON object is posted, one is answered, by a token of Maskinporten.

Whom it is about stands in the body alone: never in an address, a log or an error (S66, S88). A question changes nothing, so
it is asked once more where the token was not taken, or where a kept connection had just been closed.
"""

import json
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

import aiohttp

from gateway import limits
from gateway.errors import DocumentError, PartnerRefusedError, PartnerUnavailableError
from gateway.spi.adapter import Tokens

Json = Mapping[str, Any]

_OK: Final = 200
_UNAUTHORISED: Final = 401
_TEMPORARY: Final = frozenset({408, 429})
_SERVER_ERROR: Final = 500
_HEADERS: Final = {"Accept": "application/json", "Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True)
class RegisterService:
    """Where a register answers. ``name``: in our errors. ``url``: the same for everybody who is asked about."""

    name: str
    url: str
    tokens: Tokens
    session: aiohttp.ClientSession = field(repr=False)
    tls: ssl.SSLContext

    async def ask(self, question: Json) -> Json:
        """The object that was answered.

        Raises PartnerUnavailableError, PartnerRefusedError, DocumentError for an answer that nobody can read.
        """
        token = await self.tokens.token()
        try:
            status, body = await self._posted(token, question)
            if status == _UNAUTHORISED:
                self.tokens.refused(token)
                status, body = await self._posted(await self.tokens.token(), question)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            message = f"{self.name}: no answer"
            raise PartnerUnavailableError(message) from error
        self._require_good(status)
        return read_object(self.name, body)

    async def _posted(self, token: str, question: Json) -> tuple[int, bytes]:
        try:
            return await self._post(token, question)
        except aiohttp.ServerDisconnectedError:
            return await self._post(token, question)

    async def _post(self, token: str, question: Json) -> tuple[int, bytes]:
        headers = {**_HEADERS, "Authorization": f"Bearer {token}"}
        async with self.session.post(
            self.url, json=question, headers=headers, ssl=self.tls, allow_redirects=False
        ) as answer:
            return answer.status, await self._read(answer.content)

    async def _read(self, content: aiohttp.StreamReader) -> bytes:
        body = bytearray()
        while piece := await content.read(limits.CHUNK_BYTES):
            body += piece
            if len(body) > limits.PARTNER_ANSWER_BYTES_MAX:
                message = f"{self.name}: the answer is too large"
                raise DocumentError(message)
        return bytes(body)

    def _require_good(self, status: int) -> None:
        if status == _OK:
            return
        message = f"{self.name}: the answer was {status}"
        if status in _TEMPORARY or status >= _SERVER_ERROR:
            raise PartnerUnavailableError(message)
        raise PartnerRefusedError(message)


def read_object(name: str, octets: bytes) -> Json:
    """A JSON object in which nothing is said twice. Raises DocumentError."""

    def once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            _unreadable(name)
        return found

    try:
        value = json.loads(octets.decode("utf-8"), object_pairs_hook=once, parse_constant=lambda _: _unreadable(name))
    except (ValueError, RecursionError):
        _unreadable(name)
    if not isinstance(value, dict):
        _unreadable(name)
    return value


def _unreadable(name: str) -> NoReturn:
    message = f"{name}: an answer that nobody can read"
    raise DocumentError(message) from None  # the parser's words quote what it stumbled over
