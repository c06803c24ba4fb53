"""Access tokens bought at Maskinporten: one fetch for all who wait, kept while they live (fiks.md 2.2 and 2.3).

A token stands in no log, no error and no ``repr``.
"""

import asyncio
import json
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
import structlog
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from gateway import limits
from gateway.crypto.maskinporten import GRANT_TYPE, GrantRequest, GrantSigner
from gateway.egress import read_body
from gateway.errors import (
    ConfigError,
    KeyUnavailableError,
    PartnerError,
    PartnerRefusedError,
    PartnerUnavailableError,
    TooLargeError,
)
from gateway.spi import Clock, Tokens

_OK: Final = 200
_TOO_MANY: Final = 429
_SERVER_ERROR: Final = 500
_WAIT_S_MAX: Final = 4.0
_LIFE_S_MAX: Final = 24 * 3600.0
_CODE: Final = re.compile(r"\bMP-[0-9]{1,4}\b")
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_HEADERS: Final = {
    "Content-Type": "application/x-www-form-urlencoded",
    "Accept": "application/json",
    "Accept-Encoding": "identity",  # the session inflates nothing
}


@dataclass(slots=True)
class Breaker:
    """Leaves an issuer alone that gave no answer again and again; afterwards the next fault does the same at once."""

    clock: Clock
    _faults: int = 0
    _closed_until: float = 0.0

    def require(self) -> None:
        """Raises PartnerUnavailableError while the issuer is left alone."""
        if self.clock.monotonic() < self._closed_until:
            message = "maskinporten: left alone for a while, it gave no answer"
            raise PartnerUnavailableError(message)

    def fault(self) -> None:
        """No answer, or none that can be used."""
        self._faults += 1
        if self._faults >= limits.TOKEN_FAULTS_MAX:
            self._closed_until = self.clock.monotonic() + limits.TOKEN_BREAK_S

    def well(self) -> None:
        """It answers."""
        self._faults = 0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one issuer changes grants; ``tls`` None: the session's own rules."""

    session: aiohttp.ClientSession = field(repr=False)
    url: str
    tls: ssl.SSLContext | None
    breaker: Breaker

    async def change(self, grant: str) -> dict[str, Any]:
        """One try. Raises PartnerUnavailableError, PartnerRefusedError."""
        self.breaker.require()
        try:
            answer = await self._post(grant)
        except PartnerUnavailableError:
            self.breaker.fault()
            raise
        except PartnerRefusedError:
            self.breaker.well()
            raise
        self.breaker.well()
        return answer

    async def _post(self, grant: str) -> dict[str, Any]:
        form = urlencode({"grant_type": GRANT_TYPE, "assertion": grant})
        timeout = aiohttp.ClientTimeout(total=limits.TOKEN_FETCH_S_MAX)
        try:
            async with self.session.post(
                self.url, data=form, headers=_HEADERS, ssl=self.tls or True, timeout=timeout, allow_redirects=False
            ) as answer:
                body = await _object(answer.content)
                _require_ok(answer.status, body)
                return body
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise _no_answer() from error


class TokenSource:
    """Tokens for one request of one client (``spi.Tokens``). Owner of the fetch: ``_lock`` makes it single."""

    def __init__(
        self,
        request: GrantRequest,
        signer: Callable[[], GrantSigner],
        endpoint: Endpoint,
        clock: Clock,
        log: structlog.stdlib.BoundLogger,
    ) -> None:
        self._request = request
        self._signer = signer
        self._endpoint = endpoint
        self._clock = clock
        self._log = log
        self._lock = asyncio.Lock()
        self._token = ""
        self._good_until = 0.0
        self._fetches = 0
        self._fault: PartnerError | None = None
        self._refused_until = 0.0

    async def token(self) -> str:
        """A token that lives for a while yet. Raises PartnerUnavailableError, PartnerRefusedError."""
        begun = self._fetches
        async with self._lock:
            if self._clock.monotonic() < self._good_until:
                return self._token
            waited = self._fetches != begun  # somebody fetched meanwhile: what that brought counts for all who waited
            if self._fault is not None and (waited or self._clock.monotonic() < self._refused_until):
                raise type(self._fault)(str(self._fault))
            await self._fetch()
            return self._token

    def refused(self, token: str) -> None:
        """Give this one out no more; another's refusal of an older one changes nothing."""
        if token == self._token:
            self._good_until = 0.0

    async def _fetch(self) -> None:
        tries = AsyncRetrying(
            retry=retry_if_exception_type(PartnerUnavailableError),
            stop=stop_after_attempt(limits.TOKEN_TRIES_MAX),
            wait=wait_random_exponential(max=_WAIT_S_MAX),
            sleep=self._clock.sleep,
            reraise=True,
        )
        self._fault = None
        try:
            self._endpoint.breaker.require()
            bought: tuple[str, float] = await tries(self._try)
            self._token, life_s = bought
            self._good_until = self._clock.monotonic() + life_s - min(limits.TOKEN_MARGIN_S, life_s / 2)
        except PartnerError as error:
            self._fault = error
            if isinstance(error, PartnerRefusedError):
                self._refused_until = self._clock.monotonic() + limits.TOKEN_REFUSED_S
            self._log.warning("maskinporten.no_token", issuer=self._request.audience, error=str(error))
            raise
        finally:
            self._fetches += 1

    async def _try(self) -> tuple[str, float]:
        try:
            grant = await asyncio.to_thread(self._signer().grant, self._request, self._clock.now())
        except KeyUnavailableError as error:
            message = "maskinporten: the key that signs grants is away"
            raise PartnerUnavailableError(message) from error
        return _token_in(await self._endpoint.change(grant))


@dataclass(frozen=True, slots=True)
class Client:
    """A section ``[maskinporten.<name>]``, opened: what it asks for (its scope is given later), where, and who signs."""

    request: GrantRequest
    signer: GrantSigner
    endpoint: str
    tls: ssl.SSLContext | None = None


class Maskinporten:
    """Every client of this installation; what is asked for twice is fetched once. ``tokens`` is ``Context.tokens``."""

    def __init__(
        self,
        clients: Mapping[str, Client],
        session: aiohttp.ClientSession,
        clock: Clock,
        log: structlog.stdlib.BoundLogger,
    ) -> None:
        self._clients = dict(clients)
        self._session = session
        self._clock = clock
        self._log = log
        self._breakers: dict[str, Breaker] = {}
        self._sources: dict[tuple[str, GrantRequest], TokenSource] = {}

    def renew(self, clients: Mapping[str, Client]) -> None:
        """Sign with renewed keys from the next grant on; tokens that are bought already stay."""
        self._clients.update(clients)

    def tokens(self, name: str, scope: str) -> Tokens:
        """The tokens of one client for one scope. Raises ConfigError."""
        client = self._clients.get(name)
        if client is None:
            message = f"maskinporten: there is no section maskinporten.{name}"
            raise ConfigError(message)
        request = replace(client.request, scope=scope)
        source = self._sources.get((name, request))
        if source is None:
            breaker = self._breakers.setdefault(client.endpoint, Breaker(self._clock))
            endpoint = Endpoint(self._session, client.endpoint, client.tls, breaker)
            source = TokenSource(request, lambda: self._clients[name].signer, endpoint, self._clock, self._log)
            self._sources[name, request] = source
        return source


def _require_ok(status: int, body: dict[str, Any]) -> None:
    if status == _OK:
        return
    if status == _TOO_MANY or status >= _SERVER_ERROR:
        message = f"maskinporten: the answer was {status}"
        raise PartnerUnavailableError(message)
    description = body.get("error_description")
    code = _CODE.search(description) if isinstance(description, str) else None
    message = f"maskinporten: refused with {status}, {code[0] if code else 'no code'}"
    raise PartnerRefusedError(message)


def _token_in(answer: dict[str, Any]) -> tuple[str, float]:
    """The token and how many seconds it lives. Raises PartnerUnavailableError."""
    token, life = answer.get("access_token"), answer.get("expires_in")
    if not isinstance(token, str) or len(token) > limits.TOKEN_BYTES_MAX or _TOKEN.fullmatch(token) is None:
        raise _no_answer()
    if isinstance(life, bool) or not isinstance(life, int | float) or not 0 < life <= _LIFE_S_MAX:
        raise _no_answer()
    return token, float(life)


async def _object(content: aiohttp.StreamReader) -> dict[str, Any]:
    """A JSON object within bounds; empty where there is none, which no answer that counts is."""
    try:
        value = json.loads(await read_body(content, limits.TOKEN_ANSWER_BYTES_MAX))
    except TooLargeError:
        raise _no_answer() from None
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _no_answer() -> PartnerUnavailableError:
    return PartnerUnavailableError("maskinporten: no answer that can be used")
