"""Asks a time-stamp authority over HTTPS (RFC 3161 section 3.4) what time it is with what the caller shows it.

Only a digest leaves the house. Nothing ever waits for a stamp: who calls this rings when it fails, and goes on.
"""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

import aiohttp
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from gateway import config, limits
from gateway.crypto.time_stamps import TimeStamp, TimeStampRequest, read_time_stamp
from gateway.crypto.trust import Certificate, read_roots
from gateway.egress import client_context, read_body
from gateway.errors import (
    PartnerRefusedError,
    PartnerUnavailableError,
    StructureError,
    TooLargeError,
)

_HEADERS: Final = {
    "Content-Type": "application/timestamp-query",
    "Accept": "application/timestamp-reply",
    "Accept-Encoding": "identity",
}
_OK: Final = 200
_TOO_MANY: Final = 429
_SERVER_ERROR: Final = 500
_WAIT_S_MAX: Final = 2.0


@dataclass(frozen=True, slots=True)
class Authority:
    """Whom we ask and believe. ``policy`` is the only one taken, None takes any; ``tls`` None: the session's own rules."""

    url: str
    roots: tuple[Certificate, ...]
    policy: str | None = None
    tls: ssl.SSLContext | None = None

    @classmethod
    def configured(cls, folder: Path, section: config.TimeStamp) -> "Authority":
        """As ``[evidence.time_stamp]`` says, with paths that count from ``folder``. Raises ConfigError."""
        roots = read_roots(config.resolve(folder, file) for file in section.roots)
        tls_roots = [config.resolve(folder, file) for file in section.tls_roots]
        tls = client_context(tls_roots) if tls_roots else None
        return cls(section.url, roots, section.policy, tls)


class TimeStampClient:
    """Asks one authority."""

    def __init__(self, session: aiohttp.ClientSession, authority: Authority) -> None:
        self._session = session
        self._authority = authority

    async def stamp(self, data: bytes) -> TimeStamp:
        """A stamp over these octets, after ``TIME_STAMP_TRIES_MAX`` questions at most, each with a nonce of its own.

        It may take half a minute: run it where nothing else waits.

        Raises PartnerUnavailableError when all went unanswered, PartnerRefusedError when the authority will not, and what
        ``read_time_stamp`` raises for an answer that is not to be believed.
        """
        tries = AsyncRetrying(
            retry=retry_if_exception_type(PartnerUnavailableError),
            stop=stop_after_attempt(limits.TIME_STAMP_TRIES_MAX),
            wait=wait_random_exponential(max=_WAIT_S_MAX),
            reraise=True,
        )
        return await tries(self._ask, data)

    async def _ask(self, data: bytes) -> TimeStamp:
        request = TimeStampRequest.over(data, self._authority.policy)
        return read_time_stamp(await self._post(request.encoded()), request, self._authority.roots)

    async def _post(self, body: bytes) -> bytes:
        timeout = aiohttp.ClientTimeout(total=limits.TIME_STAMP_S_MAX)
        try:
            async with self._session.post(
                self._authority.url,
                data=body,
                headers=_HEADERS,
                ssl=self._authority.tls or True,
                timeout=timeout,
                allow_redirects=False,
            ) as answer:
                if answer.status != _OK:
                    _refused(answer.status)
                if answer.content_type != _HEADERS["Accept"]:
                    message = "time stamp: an answer of another media type"
                    raise StructureError(message)
                return await read_body(answer.content, limits.TIME_STAMP_BYTES_MAX)
        except TooLargeError as error:
            message = "time stamp: an answer that is too large"
            raise StructureError(message) from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            message = "time stamp: no answer"
            raise PartnerUnavailableError(message) from error


def _refused(status: int) -> NoReturn:
    message = f"time stamp: the answer was {status}"
    if status == _TOO_MANY or status >= _SERVER_ERROR:
        raise PartnerUnavailableError(message)
    raise PartnerRefusedError(message)
