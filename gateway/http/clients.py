"""Registered API clients as the edge needs them, and how failed logins are slowed.

Status, tenants and rights are read at every request, so that a revoked client fails on its next one although its token
is cached (requirement S08).
"""

from collections import OrderedDict
from typing import Final, Protocol

from gateway import limits
from gateway.spi import Clock

PRODUSENT: Final = "produsent"
FAGSYSTEM: Final = "fagsystem"


class ClientRecord(Protocol):
    """One row of ``budstikke clients``."""

    @property
    def id(self) -> str:
        """A producer's integration id (UUID), or a case system's client id as its tokens name it."""
        ...

    @property
    def kind(self) -> str:
        """``produsent`` or ``fagsystem``."""
        ...

    @property
    def active(self) -> bool:
        """False once revoked."""
        ...

    @property
    def organisation_numbers(self) -> frozenset[str]:
        """For whom its tokens may speak."""
        ...

    @property
    def fiks_org_id(self) -> str | None:
        """The fiksOrgId it sends as; producers only."""
        ...

    @property
    def rights(self) -> frozenset[str]:
        """What it may do, by the names that routes ask for."""
        ...

    @property
    def tenants(self) -> frozenset[str]:
        """Whose messages it may see, as ``4601-02``; case systems only."""
        ...

    def verify_password(self, password: bytes) -> bool:
        """Constant time, any octets."""
        ...


class ClientDirectory(Protocol):
    """Reads clients from the store, every time anew. Both raise StoreError."""

    async def find(self, client_id: str) -> ClientRecord | None:
        """The client of this id, revoked or not."""
        ...

    async def find_by_certificate(self, sha256: str) -> ClientRecord | None:
        """The client that registered the certificate with this SHA-256 (lower-case hex of its DER)."""
        ...


class FailedLogins:
    """Delays refusals to an address that keeps failing. It never refuses by itself: no client can be locked out (S12).

    The delay doubles from the sixth failure on up to five seconds; a minute's quiet halves the count.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    async def slow(self, address: str) -> None:
        """Count a failure of this source address and wait as long as it has earned."""
        now = self._clock.monotonic()
        count, last = self._failures.pop(address, (0, now))
        count = (count >> min(int((now - last) / 60), 32)) + 1
        self._failures[address] = (count, now)
        if len(self._failures) > limits.FAILED_LOGIN_ADDRESSES_MAX:
            self._failures.popitem(last=False)
        excess = count - limits.FAILED_LOGIN_FREE
        if excess > 0:
            await self._clock.sleep(min(0.1 * 2 ** min(excess, 10), limits.FAILED_LOGIN_DELAY_S_MAX))
