"""Whether SvarUt answers us and lets us in, and whether its certificate can still be sealed for."""

from collections.abc import AsyncGenerator
from typing import Final

from gateway.errors import CertificateError
from gateway.spi import Context, Envelopes, Figures, Observation, Trouble

_EVERY_S: Final = 60.0
_FAILED_MAX: Final = 3
_CERTIFICATE: Final = "svarut-certificate"


class Health:
    """How the last questions of each account ended."""

    def __init__(self) -> None:
        self.failures: dict[str, int] = {}
        self.denied: dict[str, bool] = {}

    def failed(self, konto_id: str, *, denied: bool = False) -> None:
        """No answer that could be used; ``denied``: because we are not let in."""
        self.failures[konto_id] = 0 if denied else self.failures.get(konto_id, 0) + 1
        self.denied[konto_id] = denied

    def answered(self, konto_id: str) -> None:
        """All is well."""
        self.failures[konto_id], self.denied[konto_id] = 0, False


class SvarUtWatch:
    """Tells of them (``spi.Watch``). Nothing is called for it: letters are asked about all the time."""

    def __init__(self, context: Context, envelopes: Envelopes, health: Health) -> None:
        self._clock = context.clock
        self._envelopes = envelopes
        self._health = health

    async def observations(self) -> AsyncGenerator[Observation | Figures, None]:
        """See ``spi.Watch``."""
        while True:
            yield Observation(Trouble.KEY_DIFFERS, _CERTIFICATE, well=self._certificate_holds())
            for konto_id, count in list(self._health.failures.items()):
                yield Observation(Trouble.UNREACHABLE, konto_id, well=count < _FAILED_MAX)
            for konto_id, denied in list(self._health.denied.items()):
                yield Observation(Trouble.REFUSED, konto_id, well=not denied)
            await self._clock.sleep(_EVERY_S)

    def _certificate_holds(self) -> bool:
        try:
            self._envelopes.require_valid(self._clock.now())
        except CertificateError:
            return False
        return True
