"""The platform's catalogue: whom to seal for, and what it sees of an account (fiks.md 6.2 and 6.3).

Whoever holds the catalogue could give out a key of their own. So the certificates of a recipient can be pinned: then no
other is sealed for, and it rings.
"""

import hashlib
import re
import ssl
from base64 import b64decode
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from adapters.fiks.api import FiksApi, Json
from adapters.fiks.health import Health
from adapters.fiks.settings import FiksIo
from gateway.errors import CertificateError
from gateway.spi import Clock, PartnerUnavailableError, Trouble, UnknownResourceError

PATH: Final = "/fiks-io/katalog/api/v1/kontoer"
_PEM: Final = re.compile("-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\\s]{1,65536})-----END CERTIFICATE-----")
KEPT_S: Final = 600.0  # as KS's Java client
KEPT_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Status:
    """What the platform sees of an account: consumers, and messages that wait."""

    consumers: int
    waiting: int


class FiksCatalogue:
    """Asks the catalogue (``spi.Directory``); certificates are kept for ten minutes."""

    def __init__(self, io: FiksIo, api: FiksApi, clock: Clock, health: Health) -> None:
        self._io = io
        self._api = api
        self._clock = clock
        self._health = health
        self._kept: dict[str, tuple[float, str]] = {}

    async def certificate(self, recipient: str) -> str:
        """What to seal for, PEM.

        Raises UnknownResourceError; CertificateError for one that is not valid, or not the one that was pinned; and
        PartnerUnavailableError, PartnerRefusedError.
        """
        account = _account(recipient)
        until, pem = self._kept.pop(account, (0.0, ""))
        if self._clock.monotonic() >= until:
            found = await self._key(account)
            until, pem = self._clock.monotonic() + KEPT_S, _canonical(found)
            self._require_valid(found)
            self._require_pinned(account, pem)
        self._kept[account] = (until, pem)
        while len(self._kept) > KEPT_MAX:
            del self._kept[next(iter(self._kept))]
        return pem

    async def published_certificate(self, account: str) -> str:
        """What others seal for, PEM, asked for anew and not judged. Raises what ``certificate`` does."""
        return _canonical(await self._key(account))

    async def status(self, account: str) -> Status:
        """What it sees of an account now. Raises PartnerUnavailableError, PartnerRefusedError, UnknownResourceError."""
        found = await self._api.get(f"{PATH}/{account}/status")
        return Status(_count(found, "antallKonsumenter"), _count(found, "antallUavhentedeMeldinger"))

    async def _key(self, account: str) -> Json:
        return await self._api.get(f"{PATH}/{account}/offentligNokkel", authenticated=False)

    def _require_valid(self, found: Json) -> None:
        if self._io.allow_invalid_key:
            return
        ends = _time(found.get("validTo"))
        if found.get("valid") is False or (ends is not None and ends < self._clock.now()):
            message = "the recipient's certificate is not valid in the catalogue"
            raise CertificateError(message)

    def _require_pinned(self, account: str, pem: str) -> None:
        pins = self._io.pins.get(account)
        if pins is None:
            return
        well = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest() in pins
        self._health.tell(Trouble.KEY_DIFFERS, account, well=well)
        if not well:
            message = "the recipient's certificate is not the one that was pinned"
            raise CertificateError(message)


def _account(recipient: str) -> str:
    try:
        return str(UUID(recipient))
    except ValueError:
        message = "the recipient is no account of Fiks IO"
        raise UnknownResourceError(message) from None


def _canonical(found: Json) -> str:
    """The first certificate written in one way, so that what is compared is what is sealed for. Raises CertificateError."""
    block = _PEM.search(str(found.get("nokkel")))
    try:
        der = b64decode("".join(block[1].split()), validate=True) if block is not None else b""
    except ValueError:
        der = b""
    if not der:
        message = "the catalogue's certificate cannot be read"
        raise CertificateError(message)
    return ssl.DER_cert_to_PEM_cert(der)


def _count(found: Json, name: str) -> int:
    value = found.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        message = "fiks: a status without figures"
        raise PartnerUnavailableError(message)
    return value


def _time(text: object) -> datetime | None:
    """A time of the catalogue; None for none that can be read: the certificate itself is judged besides."""
    if not isinstance(text, str):
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
