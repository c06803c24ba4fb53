"""Receiving signed webhooks by the Standard Webhooks scheme (case-system.md): the bell that says that something waits.

Signed is ``id.timestamp.body``, HMAC-SHA256 under a shared secret. A bell carries an event's type and id and never
content, so what it says is not used: it only makes the case system ask.
"""

import binascii
import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, NoReturn

from aiohttp import web

from gateway.errors import ConfigError, UnauthenticatedError

SKEW_S: Final = 300
SECRET_PREFIX: Final = "whsec_"  # noqa: S105  the scheme's prefix, not a secret
_SECRET_BYTES_MIN: Final = 24
_SECONDS: Final = re.compile(r"[0-9]{1,12}")


class WebhookReceiver:
    """Verifies rings and passes each on once. ``refused`` and ``repeated`` count what was not passed on."""

    def __init__(
        self, secret: str, ring: Callable[[], object], now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._secret = read_secret(secret)
        self._ring = ring
        self._now = now
        self._seen: dict[str, float] = {}
        self.refused = 0
        self.repeated = 0

    def routes(self) -> list[web.RouteDef]:
        """Where the gateway rings."""
        return [web.post("/webhook", self._handle)]

    async def _handle(self, request: web.Request) -> web.Response:
        try:
            ringing = self.accept(request.headers, await request.read())
        except UnauthenticatedError:
            self.refused += 1
            return web.Response(status=401)
        if ringing:
            self._ring()
        else:
            self.repeated += 1
        return web.Response(status=204)  # a repeated one too: our first answer may have been lost on the way

    def accept(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether a ring is new. Raises UnauthenticatedError for a wrong signature or a time over 5 minutes off."""
        number, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        now = self._now().timestamp()
        if not number or not _SECONDS.fullmatch(timestamp) or abs(now - int(timestamp)) > SKEW_S:
            _refuse()
        expected = sign(self._secret, number, timestamp, body).encode()
        given = headers.get("webhook-signature", "").encode("utf-8", "surrogateescape").split(b" ")
        if not any(hmac.compare_digest(one, expected) for one in given):
            _refuse()
        # An id is forgotten only when its timestamp can no longer pass.
        self._seen = {seen: at for seen, at in self._seen.items() if at > now - 2 * SKEW_S}
        new = number not in self._seen
        self._seen.setdefault(number, now)
        return new


def sign(secret: bytes, number: str, timestamp: str, body: bytes) -> str:
    """The header's one entry: ``v1,`` and the base64 of the MAC."""
    content = f"{number}.{timestamp}.".encode("utf-8", "surrogateescape") + body
    return "v1," + b64encode(hmac.digest(secret, content, hashlib.sha256)).decode()


def read_secret(text: str) -> bytes:
    """The octets of ``whsec_<base64>``. Raises ConfigError."""
    try:
        secret = b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if not text.startswith(SECRET_PREFIX) or len(secret) < _SECRET_BYTES_MIN:
        message = "a webhook secret is whsec_ and the base64 of at least 24 octets"
        raise ConfigError(message)
    return secret


def _refuse() -> NoReturn:
    message = "the ring is not the gateway's, or not of now"
    raise UnauthenticatedError(message)
