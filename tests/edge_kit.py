"""What the tests of the HTTP edge share: an issuer that signs, a clock that stands still, claims that are right."""

import asyncio
from datetime import UTC, datetime, timedelta

from gateway.config import Issuer
from gateway.crypto.jose import SigningJwk
from gateway.errors import PartnerUnavailableError

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ISSUER = "https://maskinporten.example/"
DELEGATION = "https://altinn.example/"
SCHOOL_OWNER = "974760673"  # Broennoeysundregistrene's own number: public, and its control digit is right
VENDOR = "991825827"  # Digdir's own number


class StillClock:
    """Time moves only when a test moves it; a sleep moves it too and lets others run."""

    def __init__(self) -> None:
        self.wall = NOW
        self.seconds = 1000.0
        self.slept: list[float] = []

    def now(self):
        return self.wall

    def monotonic(self):
        return self.seconds

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.pass_s(seconds)
        await asyncio.sleep(0)

    def pass_s(self, seconds):
        self.wall += timedelta(seconds=seconds)
        self.seconds += seconds


class TokenIssuer:
    """An issuer whose JWKS is served by ``fetch``; counts fetches and can be down."""

    def __init__(self, name=ISSUER, algorithm="RS256", kid="k1"):
        self.name = name
        self.key = SigningJwk.generate(kid, algorithm)
        self.fetches = 0
        self.down = False

    def settings(self, **more):
        values = {"issuer": self.name, "jwks_uri": f"{self.name}jwk", "delegation_source": DELEGATION} | more
        return Issuer(**values)

    async def fetch(self, address):
        assert address == f"{self.name}jwk"
        self.fetches += 1
        await asyncio.sleep(0)
        if self.down:
            raise PartnerUnavailableError("down")
        return self.key.jwks()

    def claims(self, now=NOW, **changes):
        at = int(now.timestamp())
        claims = {
            "iss": self.name,
            "client_id": "client-of-the-school-system",
            "iat": at,
            "exp": at + 120,
            "scope": "ks:fiks",
            "consumer": organisation(SCHOOL_OWNER),
        } | changes
        return {name: value for name, value in claims.items() if value is not ...}

    def token(self, now=NOW, **changes):
        """A token with right claims but for ``changes``; ``...`` leaves a claim out."""
        return self.key.sign(self.claims(now, **changes))


def organisation(number):
    return {"authority": "iso6523-actorid-upis", "ID": f"0192:{number}"}
