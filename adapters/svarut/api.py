"""Calls of SvarUt's REST API (fiks.md 3 and 11): our three headers, bounded answers, no redirects.

Each call has a connection of its own: a kept one that the other side just closed would leave us not knowing whether it
took what we sent. Whom a letter is for stands in bodies alone, never in an address, a log or an error.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Final

import aiohttp

from adapters.svarut.settings import NAME, SvarUtSettings
from gateway.spi import (
    ConfigError,
    Context,
    DocumentError,
    Json,
    PartnerRefusedError,
    PartnerUnavailableError,
    limits,
    read_object,
)

NO_ANSWER: Final = (aiohttp.ClientError, OSError, TimeoutError)
"""What is raised when no whole answer came."""
NOT_CONNECTED: Final = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
NO_CREDENTIALS: Final = (PartnerUnavailableError, PartnerRefusedError, ConfigError)
"""What is raised when there is no token, or no password to send with it: SvarUt was not called."""

_UNAUTHORISED: Final = 401
_CLIENT_ERROR: Final = 400
_GOOD: Final = range(200, 300)
_ERROR_ID: Final = re.compile(r"[0-9a-fA-F-]{1,36}")
_SECONDS: Final = re.compile(r"[0-9]{1,6}")
_HEADERS: Final = {"Accept": "application/json", "Accept-Encoding": "identity", "Connection": "close"}

Form = Callable[[], aiohttp.MultipartWriter]
"""Makes the same form anew for each try."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it came; ``body`` is None for one that is too large to read."""

    status: int
    body: bytes | None = field(repr=False)
    retry_after_s: float | None = None

    @property
    def good(self) -> bool:
        """2xx."""
        return self.status in _GOOD

    def json(self) -> Json:
        """The object in it. Raises DocumentError."""
        if self.body is None:
            message = f"{NAME}: the answer is too large"
            raise DocumentError(message)
        return read_object(NAME, self.body)


class SvarUtApi:
    """Calls with the integration's credentials; the password is read at each, so that it can be changed at any time.

    All raise what is in ``NO_ANSWER`` and ``NO_CREDENTIALS``.
    """

    def __init__(self, settings: SvarUtSettings, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._tokens = context.tokens(settings.maskinporten, settings.scope)
        self._tls = context.tls(settings.tls_roots)

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Reply:
        """Ask."""
        return await self._call(lambda headers: self._request("GET", path, headers, params=query))

    async def post(self, path: str, question: Json) -> Reply:
        """Ask with a body."""
        return await self._call(lambda headers: self._request("POST", path, headers, json=question))

    async def upload(self, path: str, form: Form) -> Reply:
        """Send a form, with the time that KS may take for one."""
        timeout = aiohttp.ClientTimeout(total=self._settings.send_s, connect=self._context.session.timeout.connect)
        return await self._call(lambda headers: self._request("POST", path, headers, data=form(), timeout=timeout))

    async def _call(
        self, request: Callable[[Mapping[str, str]], AbstractAsyncContextManager[aiohttp.ClientResponse]]
    ) -> Reply:
        """Once; and once more with another token where the first was not taken."""
        token = await self._tokens.token()
        async with request(self._headers(token)) as response:
            reply = await self._read(response)
        if reply.status != _UNAUTHORISED:
            return reply
        self._tokens.refused(token)
        async with request(self._headers(await self._tokens.token())) as response:
            return await self._read(response)

    def _request(
        self, method: str, path: str, headers: Mapping[str, str], **more: object
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        url = f"{self._settings.api_url}{self._settings.base_path}{path}"
        return self._context.session.request(
            method, url, headers=headers, ssl=self._tls, allow_redirects=False, **more  # type: ignore[arg-type]
        )  # fmt: skip

    def _headers(self, token: str) -> Mapping[str, str]:
        password = self._context.secret(self._settings.integration_password).strip()
        if not password.isascii() or not password.isprintable():
            message = "integration_password: not a text that a header can hold"
            raise ConfigError(message)
        return _HEADERS | {
            "Authorization": f"Bearer {token}",
            "IntegrasjonId": self._settings.integration_id,
            "IntegrasjonPassord": password,
        }

    async def _read(self, response: aiohttp.ClientResponse) -> Reply:
        """The answer within bounds; of an error KS's number for it goes into the log, and no word of its text."""
        body = bytearray()
        while piece := await response.content.read(limits.CHUNK_BYTES):
            body += piece
            if len(body) > limits.PARTNER_ANSWER_BYTES_MAX:
                return Reply(response.status, None)
        wait = response.headers.get("Retry-After", "")
        reply = Reply(response.status, bytes(body), float(wait) if _SECONDS.fullmatch(wait) else None)
        if reply.status >= _CLIENT_ERROR:
            self._context.log.warning("svarut.error", status=reply.status, error_id=_error_id(reply))
        return reply


def _error_id(reply: Reply) -> str | None:
    try:
        number = reply.json().get("errorId")
    except DocumentError:
        return None
    return number if isinstance(number, str) and _ERROR_ID.fullmatch(number) else None
