"""Access tokens for a simulated client: one grant a token, kept until shortly before it runs out (fiks.md 2.3)."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import aiohttp

from gateway.errors import PartnerRefusedError, PartnerUnavailableError
from gateway.simulators.grant import GRANT_TYPE, GrantKey, make_grant

MARGIN_S: Final = 30
_SERVER_ERROR: Final = 500


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """What to ask for, and where. ``audience`` is the issuer's name, not the address of its endpoint.

    ``resource`` restricts the token to one API and becomes its ``aud``.
    """

    endpoint: str
    audience: str
    client_id: str
    scope: str
    resource: str | None = None


class TokenSource:
    """Gives a token that still lives. Many may ask at once; one of them fetches."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        request: TokenRequest,
        key: GrantKey,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._session = session
        self._request = request
        self._key = key
        self._now = now
        self._lock = asyncio.Lock()
        self._token = ""
        self._good_until = 0.0

    async def token(self) -> str:
        """Give the token. Raises PartnerUnavailableError (try later) or PartnerRefusedError (configuration)."""
        async with self._lock:
            if time.monotonic() >= self._good_until:
                await self._fetch()
            return self._token

    def forget(self) -> None:
        """Throw the token away: somebody refused it."""
        self._good_until = 0.0

    async def _fetch(self) -> None:
        asked = self._request
        grant = make_grant(
            self._key,
            audience=asked.audience,
            client_id=asked.client_id,
            scope=asked.scope,
            at=self._now(),
            resource=asked.resource,
        )
        form = {"grant_type": GRANT_TYPE, "assertion": grant}
        try:
            async with self._session.post(asked.endpoint, data=form) as answer:
                if answer.status >= _SERVER_ERROR:
                    message = f"the issuer answers {answer.status}"
                    raise PartnerUnavailableError(message)
                if not answer.ok:
                    message = f"the issuer refuses the grant: {answer.status}"
                    raise PartnerRefusedError(message)
                body = await answer.json()
                self._token = body["access_token"]
                self._good_until = time.monotonic() + body["expires_in"] - MARGIN_S
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError) as error:
            message = "the issuer is not reached, or its answer is none"
            raise PartnerUnavailableError(message) from error
