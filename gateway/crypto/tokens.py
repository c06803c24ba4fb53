"""Who calls, by access token: the checks of schools.md 4 over keys fetched from the issuer.

Keys are cached per issuer. An unknown ``kid`` or an old set causes at most one fetch per issuer and minute, made once
for all who wait; a failing fetch keeps the last good set for 24 hours (requirement S09), and where there is none it is
repeated after seconds. Verified tokens are cached by their SHA-256 until they expire; the token itself is neither kept
nor logged.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NoReturn

from gateway import limits
from gateway.config import Issuer
from gateway.crypto.jose import KeySet, claimed_issuer, read_header
from gateway.domain.identifiers import is_organisation_number
from gateway.errors import (
    ForbiddenError,
    GatewayError,
    PartnerUnavailableError,
    StructureError,
    TrustError,
    UnauthenticatedError,
)
from gateway.spi import Clock

REFUSAL: Final = "Send a valid access token and, where the API has one, the integration's id and password."
"""The one text of every 401: it never tells what was wrong."""

AUTHORITY: Final = "iso6523-actorid-upis"
_ICD: Final = "0192:"
_LAST_SECOND: Final = 253_402_300_799  # of the year 9999: what is later, or infinite, is no time

Fetch = Callable[[str], Awaitable[bytes]]
"""Read a JWKS document from an address of our configuration, bounded in size and time."""

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """What a token proves. ``consumer`` is acted for; ``supplier`` is the technical sender by delegation."""

    issuer: str
    client_id: str
    consumer: str
    supplier: str | None
    scopes: frozenset[str]
    expires_at: float


class _IssuerKeys:
    """The key set of one issuer. Owner of the fetch: ``_lock`` makes it single."""

    def __init__(self, issuer: Issuer, fetch: Fetch, clock: Clock, alarm: Tell, well: Tell) -> None:
        self.issuer = issuer
        self._fetch = fetch
        self._clock = clock
        self._alarm = alarm
        self._well = well
        self._lock = asyncio.Lock()
        self._keys: KeySet | None = None
        self._good_at = 0.0
        self._tried_at: float | None = None

    async def having(self, kid: str) -> KeySet:
        """The set to try; refreshed first where ``kid`` is unknown or the set is old.

        Raises PartnerUnavailableError when no set younger than 24 hours is at hand.
        """
        if self._wanting(kid):
            async with self._lock:
                if self._wanting(kid) and self._may_fetch():
                    await self._refresh()
        keys = self._keys if self._good() else None
        if keys is None:
            message = "the keys of the token's issuer cannot be fetched"
            raise PartnerUnavailableError(message)
        return keys

    def _good(self) -> bool:
        return self._keys is not None and self._clock.monotonic() - self._good_at <= limits.JWKS_KEEP_S

    def _wanting(self, kid: str) -> bool:
        old = self._clock.monotonic() - self._good_at > limits.JWKS_REFRESH_S
        return self._keys is None or old or kid not in self._keys

    def _may_fetch(self) -> bool:
        """Sooner while there is no set at all: then nobody is let in, and not a stranger's ``kid`` but our need asks."""
        if self._tried_at is None:
            return True
        interval_s = limits.JWKS_FETCH_INTERVAL_S_MIN if self._good() else limits.JWKS_RETRY_S
        return self._clock.monotonic() - self._tried_at >= interval_s

    async def _refresh(self) -> None:
        self._tried_at = self._clock.monotonic()
        try:
            self._keys = KeySet.parse(await self._fetch(self.issuer.jwks_uri))
        except (GatewayError, OSError, TimeoutError):
            self._alarm(self.issuer.issuer)
            return
        self._good_at = self._clock.monotonic()
        self._well(self.issuer.issuer)


class TokenVerifier:
    """Verifies access tokens of the configured issuers.

    ``alarm`` is called with an issuer whose keys could not be fetched, ``well`` with one whose keys were.
    """

    def __init__(
        self,
        issuers: Sequence[Issuer],
        fetch: Fetch,
        clock: Clock,
        alarm: Tell = lambda _: None,
        well: Tell = lambda _: None,
    ) -> None:
        self._issuers = {issuer.issuer: _IssuerKeys(issuer, fetch, clock, alarm, well) for issuer in issuers}
        self._verified: dict[bytes, VerifiedToken] = {}

    def issuer(self, name: str) -> Issuer:
        """The configuration of an issuer whose token was verified."""
        return self._issuers[name].issuer

    async def verify(self, token: str, now: datetime) -> VerifiedToken:
        """Who the token speaks for.

        Raises UnauthenticatedError, always with the same text; ForbiddenError for a supplier without delegation;
        PartnerUnavailableError when the issuer's keys cannot be had.
        """
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        verified = self._verified.get(digest)
        if verified is None:
            verified = await self._verify(token, now)
            self._remember(digest, verified)
        if verified.expires_at + limits.TOKEN_LEEWAY_S <= now.timestamp():
            self._verified.pop(digest, None)
            raise UnauthenticatedError(REFUSAL)
        return verified

    async def _verify(self, token: str, now: datetime) -> VerifiedToken:
        try:
            header = read_header(token)
            keys = self._issuers.get(claimed_issuer(token) or "")
            if keys is None:
                raise UnauthenticatedError(REFUSAL)
            claims = (await keys.having(header.kid)).verified_claims(token)
            return _judge(claims, keys.issuer, now.timestamp())
        except TrustError as error:
            raise UnauthenticatedError(REFUSAL) from error

    def _remember(self, digest: bytes, verified: VerifiedToken) -> None:
        while len(self._verified) >= limits.TOKENS_CACHED_MAX:
            del self._verified[next(iter(self._verified))]
        self._verified[digest] = verified


def _judge(claims: Mapping[str, Any], issuer: Issuer, now: float) -> VerifiedToken:
    """Each claim present and right. Raises StructureError or ForbiddenError."""
    if claims.get("iss") != issuer.issuer:
        _refuse("iss")
    expires, issued = _seconds(claims, "exp"), _seconds(claims, "iat")
    if now >= expires + limits.TOKEN_LEEWAY_S:
        _refuse("exp")
    if issued > now + limits.TOKEN_LEEWAY_S or issued > expires:
        _refuse("iat")
    if "nbf" in claims and _seconds(claims, "nbf") > now + limits.TOKEN_LEEWAY_S:
        _refuse("nbf")
    scopes = frozenset(_text(claims, "scope").split())
    free = issuer.produsent_without_audience and scopes == {issuer.scope_produsent} and "aud" not in claims
    if issuer.audience is not None and not free and issuer.audience not in _audiences(claims.get("aud")):
        _refuse("aud")
    return VerifiedToken(
        issuer=issuer.issuer,
        client_id=_text(claims, "client_id"),
        consumer=_organisation(claims.get("consumer"), "consumer"),
        supplier=_supplier(claims, issuer),
        scopes=scopes,
        expires_at=expires,
    )


def _supplier(claims: Mapping[str, Any], issuer: Issuer) -> str | None:
    if claims.get("supplier") is None:
        return None
    supplier = _organisation(claims["supplier"], "supplier")
    if issuer.delegation_source is None or claims.get("delegation_source") != issuer.delegation_source:
        message = "The token names a supplier without a delegation that counts here."
        raise ForbiddenError(message)
    return supplier


def _organisation(value: object, claim: str) -> str:
    """Nine digits out of ``{"authority": "iso6523-actorid-upis", "ID": "0192:<9 digits>"}``."""
    if not isinstance(value, dict) or value.get("authority") != AUTHORITY:
        _refuse(claim)
    identifier = value.get("ID")
    if not isinstance(identifier, str) or not identifier.startswith(_ICD):
        _refuse(claim)
    number: str = identifier.removeprefix(_ICD)
    if not is_organisation_number(number):
        _refuse(claim)
    return number


def _audiences(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _seconds(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LAST_SECOND:
        _refuse(name)
    return float(value)


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        _refuse(name)
    return value


def _refuse(claim: str) -> NoReturn:
    message = f"the token's {claim} is missing or wrong"
    raise StructureError(message)
