"""Calls of the platform's REST services (fiks.md 1.1 and 3): our three headers, bounded answers, no redirects.

Each call has a connection of its own: a kept one that the other side just closed would leave us not knowing whether it
took what we sent.
"""

import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn, Protocol

import aiohttp

from gateway.spi import (
    ConfigError,
    Context,
    PartnerRefusedError,
    PartnerUnavailableError,
    UnknownResourceError,
    limits,
)

UNAUTHORISED: Final = 401
NOT_FOUND: Final = frozenset({404, 410})
TEMPORARY: Final = frozenset({408, 429})
CLIENT_ERROR: Final = 400
SERVER_ERROR: Final = 500
_GOOD: Final = range(200, 300)
_ERROR_ID: Final = re.compile(r"[0-9a-fA-F-]{1,36}")
_SECONDS: Final = re.compile(r"[0-9]{1,6}")
_HEADERS: Final = {"Accept": "application/json", "Accept-Encoding": "identity", "Connection": "close"}

NO_ANSWER: Final = (aiohttp.ClientError, OSError, TimeoutError)
"""What is raised when no whole answer came."""

Json = Mapping[str, Any]


class Login(Protocol):
    """Where the platform answers, and who we are there."""

    @property
    def api_url(self) -> str:
        """The services' common address."""
        ...

    @property
    def tls_roots(self) -> tuple[Path, ...]:
        """Of its servers, where no public issuer made their certificates."""
        ...

    @property
    def integration_id(self) -> str:
        """The integration."""
        ...

    @property
    def integration_password(self) -> str:
        """A reference to its password."""
        ...

    @property
    def maskinporten(self) -> str:
        """The section of ``gateway.toml`` whose client buys tokens."""
        ...

    @property
    def scope(self) -> str:
        """What the tokens are for."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, the JSON object that came with it or the objects of a list, and how long we are asked to wait."""

    status: int
    body: Json | None
    retry_after_s: float | None
    rows: tuple[Json, ...] | None = None

    @property
    def good(self) -> bool:
        """2xx."""
        return self.status in _GOOD


class FiksApi:
    """Calls with the integration's credentials; the password is read at each, so that it can be changed at any time."""

    def __init__(self, io: Login, context: Context) -> None:
        self._io = io
        self._context = context
        self._tokens = context.tokens(io.maskinporten, io.scope)
        self._tls = context.tls(io.tls_roots)

    async def get(self, path: str, *, authenticated: bool = True) -> Json:
        """A JSON object. Raises PartnerUnavailableError, PartnerRefusedError, UnknownResourceError, ConfigError."""
        answer = await self._got(path, authenticated=authenticated)
        if answer.body is None:
            _unavailable("an answer that nobody can read")
        return answer.body

    async def rows(self, path: str) -> tuple[Json, ...]:
        """A list of JSON objects. Raises what ``get`` does."""
        answer = await self._got(path, authenticated=True)
        if answer.rows is None:
            _unavailable("an answer that nobody can read")
        return answer.rows

    async def _got(self, path: str, *, authenticated: bool) -> Answer:
        try:
            calling = self.called("GET", path) if authenticated else self._request("GET", path, _HEADERS)
            async with calling as response:
                answer = await self.read(response)
        except NO_ANSWER as error:
            _unavailable("no answer", error)
        require_good(answer.status)
        return answer

    async def post(self, path: str, form: Callable[[], aiohttp.MultipartWriter], added_s: float) -> Answer:
        """Send a form that is made anew for each try, with so much more time than a call has otherwise.

        Raises what is in ``NO_ANSWER``, PartnerUnavailableError and PartnerRefusedError for want of a token, ConfigError.
        """
        usual = self._context.session.timeout
        total = usual.total + added_s if usual.total is not None else None
        timeout = aiohttp.ClientTimeout(total=total, connect=usual.connect)
        async with self.called("POST", path, form, timeout) as response:
            return await self.read(response)

    @asynccontextmanager
    async def called(
        self,
        method: str,
        path: str,
        form: Callable[[], aiohttp.MultipartWriter] | None = None,
        timeout: aiohttp.ClientTimeout | None = None,  # noqa: ASYNC109  of the whole call, streamed body included
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer whose body is still to be read; a token that is not taken is replaced once."""
        token = await self._tokens.token()
        async with self._request(method, path, self._headers(token), form, timeout) as response:
            if response.status != UNAUTHORISED:
                yield response
                return
            await self.read(response)
        self._tokens.refused(token)
        token = await self._tokens.token()
        async with self._request(method, path, self._headers(token), form, timeout) as response:
            yield response

    async def read(self, response: aiohttp.ClientResponse) -> Answer:
        """The answer within bounds; of an error the platform's number goes into the log, and no word of its text."""
        value = await _json(response.content)
        body = value if isinstance(value, dict) else None
        rows = tuple(value) if isinstance(value, list) and all(isinstance(row, dict) for row in value) else None
        if response.status >= CLIENT_ERROR:
            number = body.get("errorId") if body is not None else None
            known = isinstance(number, str) and _ERROR_ID.fullmatch(number) is not None
            self._context.log.warning("fiks.error", status=response.status, error_id=number if known else None)
        wait = response.headers.get("Retry-After", "")
        return Answer(response.status, body, float(wait) if _SECONDS.fullmatch(wait) else None, rows)

    def _headers(self, token: str) -> Mapping[str, str]:
        password = self._context.secret(self._io.integration_password).strip()
        if not password.isascii() or not password.isprintable():
            message = "integration_password: not a text that a header can hold"
            raise ConfigError(message)
        return _HEADERS | {
            "Authorization": f"Bearer {token}",
            "IntegrasjonId": self._io.integration_id,
            "IntegrasjonPassord": password,
        }

    def _request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        form: Callable[[], aiohttp.MultipartWriter] | None = None,
        timeout: aiohttp.ClientTimeout | None = None,
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        return self._context.session.request(
            method,
            f"{self._io.api_url}{path}",
            data=form() if form is not None else None,
            headers=headers,
            ssl=self._tls,
            timeout=timeout or self._context.session.timeout,
            allow_redirects=False,
        )


def require_good(status: int) -> None:
    """Raises UnknownResourceError, PartnerRefusedError or PartnerUnavailableError unless it is 2xx."""
    if status in _GOOD:
        return
    if status in NOT_FOUND:
        message = "fiks: there is no such thing"
        raise UnknownResourceError(message)
    if CLIENT_ERROR <= status < SERVER_ERROR and status not in TEMPORARY:
        message = f"fiks: refused with {status}"
        raise PartnerRefusedError(message)
    _unavailable(f"the answer was {status}")


async def _json(content: aiohttp.StreamReader) -> Any:
    body = bytearray()
    while piece := await content.read(limits.CHUNK_BYTES):
        body += piece
        if len(body) > limits.PARTNER_ANSWER_BYTES_MAX:
            return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _unavailable(why: str, cause: Exception | None = None) -> NoReturn:
    message = f"fiks: {why}"
    raise PartnerUnavailableError(message) from cause
