"""Calls we make to addresses of our own configuration."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NoReturn

import aiohttp

from gateway import limits
from gateway.egress import read_body
from gateway.errors import PartnerUnavailableError, TooLargeError

_OK = 200
_PATIENCE_S = 15.0


@asynccontextmanager
async def http_session() -> AsyncIterator[aiohttp.ClientSession]:
    """For calls we make: bounded in time, no redirects followed by default, no proxy variables (S54)."""
    timeout = aiohttp.ClientTimeout(total=60, connect=10)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=False, auto_decompress=False) as session:
        yield session


async def fetch(session: aiohttp.ClientSession, url: str, body: bytes | None = None) -> bytes:
    """A small document from an address of our configuration; with a body it is asked for by POST, as OCSP is.

    Raises PartnerUnavailableError.
    """
    headers = {"Content-Type": "application/ocsp-request"} if body is not None else {}
    method = "GET" if body is None else "POST"
    try:
        async with session.request(method, url, data=body, headers=headers, allow_redirects=False) as answer:
            if answer.status != _OK:
                message = f"the answer was {answer.status}"
                raise PartnerUnavailableError(message)
            return await read_body(answer.content, limits.REVOCATION_BYTES_MAX)
    except TooLargeError as error:
        raise PartnerUnavailableError(str(error)) from error
    except (aiohttp.ClientError, TimeoutError) as error:
        message = "no answer"
        raise PartnerUnavailableError(message) from error


def blocking(session: aiohttp.ClientSession) -> Callable[[str, bytes | None], bytes]:
    """The same for code in worker threads, which may wait. Raises PartnerUnavailableError."""
    loop = asyncio.get_running_loop()

    def ask(url: str, body: bytes | None) -> bytes:
        waiting = asyncio.run_coroutine_threadsafe(fetch(session, url, body), loop)
        try:
            return waiting.result(_PATIENCE_S)
        except TimeoutError as error:
            waiting.cancel()
            message = "no answer"
            raise PartnerUnavailableError(message) from error

    return ask


def nobody(_url: str, _body: bytes | None) -> NoReturn:
    """Asks nobody: for looking at a configuration. Raises PartnerUnavailableError."""
    message = "nobody is asked while a configuration is checked"
    raise PartnerUnavailableError(message)
