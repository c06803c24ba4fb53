"""Which case system calls: by access token, or by the certificate that it registered.

Mutual TLS binds the registered certificate itself, not any that its issuer made, and is read from our own TLS
connection alone: no header of a proxy counts (requirement S11). Client, tenants and rights are read at every request.
"""

import hashlib
import ssl
from typing import Final

from aiohttp import web

from gateway.crypto.tokens import REFUSAL, TokenVerifier
from gateway.errors import ForbiddenError, UnauthenticatedError
from gateway.http.clients import FAGSYSTEM, ClientDirectory, ClientRecord, FailedLogins
from gateway.http.facade import bearer_token
from gateway.http.rate import RateLimit
from gateway.pipeline.hand_over import CaseSystemClient
from gateway.spi import Clock

_CLIENT_ID_CHARS_MAX: Final = 64


class CaseSystemDoor:
    """Lets registered case systems in, each at its rate."""

    def __init__(
        self, verifier: TokenVerifier, directory: ClientDirectory, clock: Clock, *, rate_per_minute: int
    ) -> None:
        self._verifier = verifier
        self._directory = directory
        self._clock = clock
        self._rate = RateLimit(rate_per_minute, clock)
        self._failed = FailedLogins(clock)

    async def enter(self, request: web.Request) -> CaseSystemClient:
        """Who calls, and whose messages it may see.

        Raises UnauthenticatedError; ForbiddenError for an organisation that is not the client's; ThrottledError.
        """
        try:
            if "Authorization" in request.headers:
                client = await self._by_token(request)
            else:
                client = await self._by_certificate(request)
        except UnauthenticatedError:
            await self._failed.slow(request.remote or "")
            raise
        self._rate.take(client.id)
        return CaseSystemClient(client.id, tuple(sorted(client.tenants)))

    async def _by_token(self, request: web.Request) -> ClientRecord:
        token = await self._verifier.verify(bearer_token(request), self._clock.now())
        scope = self._verifier.issuer(token.issuer).scope_fagsystem
        if scope is None or scope not in token.scopes:
            raise UnauthenticatedError(REFUSAL)
        plausible = len(token.client_id) <= _CLIENT_ID_CHARS_MAX and token.client_id.isprintable()
        client = _usable(await self._directory.find(token.client_id) if plausible else None)
        if not client.organisation_numbers & {token.consumer, token.supplier}:
            message = (
                "The access token speaks for an organisation that this client does not belong to. Get one for its own."
            )
            raise ForbiddenError(message)
        return client

    async def _by_certificate(self, request: web.Request) -> ClientRecord:
        tls = request.transport.get_extra_info("ssl_object") if request.transport is not None else None
        certificate = tls.getpeercert(binary_form=True) if isinstance(tls, ssl.SSLObject) else None
        if not certificate:
            raise UnauthenticatedError(REFUSAL)
        return _usable(await self._directory.find_by_certificate(hashlib.sha256(certificate).hexdigest()))


def _usable(client: ClientRecord | None) -> ClientRecord:
    if client is None or not client.active or client.kind != FAGSYSTEM:
        raise UnauthenticatedError(REFUSAL)
    return client
