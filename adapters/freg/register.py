"""Folkeregisteret as the rules ask it (``spi.PopulationRegister``): one person a question, in its body."""

from adapters.freg.settings import FregSettings
from adapters.freg.wire import question, read_resident
from gateway.spi import Context, RegisterService, Resident


class Freg:
    """Nothing of an answer is kept here; the gateway remembers it for a day at most (rule R08)."""

    def __init__(self, settings: FregSettings, context: Context) -> None:
        self._clock = context.clock
        self._ungraded_when_absent = settings.ungraded_when_absent
        self._service = RegisterService(
            "freg",
            settings.url,
            context.tokens(settings.maskinporten, settings.scope),
            context.session,
            context.tls(settings.tls_roots),
        )

    async def resident(self, person: str) -> Resident | None:
        """See ``spi.PopulationRegister``."""
        asked_at = self._clock.now()
        answer = await self._service.ask(question(person))
        return read_resident(answer, person, asked_at, ungraded_when_absent=self._ungraded_when_absent)
