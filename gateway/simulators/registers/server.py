"""What both registers have in common: whose token is taken, and what goes wrong."""

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web

from gateway import limits
from gateway.crypto.jose import KeySet
from gateway.errors import StructureError, TrustError
from gateway.simulators.fault_desk import Faults
from gateway.simulators.issuer import TokenIssuer
from gateway.simulators.registers.faults import RegisterFault
from gateway.simulators.registers.people import Registered
from gateway.simulators.serving import serving

ISSUER: Final = "https://test.maskinporten.no/"
"""The audience of grants: what Maskinporten's test environment is called (fiks.md 1)."""

PERSONS_MAX: Final = 1000
RETRY_AFTER_S: Final = 7
_NOBODY_READS: Final = 500
_LOOK_S: Final = 0.02
_STATUS: Final = {RegisterFault.SERVER_ERROR: 500, RegisterFault.THROTTLED: 429, RegisterFault.UNAUTHORISED: 401}
_PIECE: Final = b'{"personer": ["' + b"x" * limits.CHUNK_BYTES


class RegisterServer(ABC):
    """A register over HTTP. People and faults may be changed while it runs; ``questions``: what was asked, by address."""

    def __init__(self, issuer: TokenIssuer, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.faults = Faults(RegisterFault)
        self.questions: list[str] = []
        self.people: dict[str, Registered] = {}
        self._issuer = issuer
        self._now = now

    def add(self, *people: Registered) -> None:
        """Know these; somebody of the same number is as told now."""
        self.people.update((person.number, person) for person in people)

    @abstractmethod
    def routes(self) -> list[web.RouteDef]:
        """Where questions are taken."""

    @asynccontextmanager
    async def serve(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
        """Answer over HTTP, tokens included; yields the base address."""
        async with serving([*self._issuer.routes(), *self.routes()], host=host, port=port) as base:
            yield base

    def scopes(self, request: web.Request) -> frozenset[str]:
        """What the token of a call is for; empty when it is none that holds now."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer":
            return frozenset()
        try:
            claims = KeySet.parse(self._issuer.jwks()).verified_claims(token)
        except (StructureError, TrustError):
            return frozenset()
        if claims.get("iss") != self._issuer.name or claims.get("exp", 0) <= self._now().timestamp():
            return frozenset()
        return frozenset(str(claims.get("scope", "")).split(" "))

    async def asked(self, request: web.Request, field: str) -> Sequence[str] | None:
        """The numbers of a question, or None where it is none."""
        self.questions.append(f"{request.method} {request.path_qs}")
        try:
            numbers = (await request.json())[field]
        except (ValueError, KeyError, TypeError):
            return None
        if not isinstance(numbers, list) or not 0 < len(numbers) <= PERSONS_MAX:
            return None
        return numbers if all(isinstance(number, str) for number in numbers) else None

    async def hit(self, request: web.Request, fault: RegisterFault) -> web.StreamResponse | None:
        """What a fault does to the whole answer, or None where it spoils what is in it."""
        match fault:
            case RegisterFault.DOWN:
                return web.Response(status=503, text="<html>Service Unavailable</html>", content_type="text/html")
            case RegisterFault.SERVER_ERROR | RegisterFault.THROTTLED | RegisterFault.UNAUTHORISED:
                headers = {"Retry-After": str(RETRY_AFTER_S)} if fault is RegisterFault.THROTTLED else {}
                return web.json_response({"error": fault.value}, status=_STATUS[fault], headers=headers)
            case RegisterFault.CUT | RegisterFault.HANGING:
                return await _silent(request, at_once=fault is RegisterFault.CUT)
            case RegisterFault.GARBAGE:
                return web.Response(body=b'{"personer": [{"personid', content_type="application/json")
            case RegisterFault.HUGE:
                return await _endless(request)
            case _:
                return None


async def _silent(request: web.Request, *, at_once: bool) -> web.StreamResponse:
    """No answer: the line is cut, or held until the caller hangs up."""
    line = request.transport
    if line is not None and at_once:
        line.abort()
    while line is not None and not line.is_closing():  # noqa: ASYNC110  there is no event for it
        await asyncio.sleep(_LOOK_S)
    return web.Response(status=_NOBODY_READS)


async def _endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    for _ in range(64 * limits.MIB // len(_PIECE)):
        await response.write(_PIECE)
    return response


def answered(value: Any, status: int = 200) -> web.Response:
    """A JSON answer, in UTF-8 as both registers write it."""
    body = json.dumps(value, ensure_ascii=False).encode()
    return web.Response(status=status, body=body, content_type="application/json")
