"""KRR as the rules ask it (``spi.ContactRegister``): one person a question, at every send (digipost.md 10.1 and 10.2)."""

from adapters.krr.settings import KrrSettings
from adapters.krr.wire import question, read_contact
from gateway.spi import Contact, Context, RegisterService


class Krr:
    """Nothing of an answer is kept here."""

    def __init__(self, settings: KrrSettings, context: Context) -> None:
        self._clock = context.clock
        self._service = RegisterService(
            "krr",
            f"{settings.api_url}{settings.path}",
            context.tokens(settings.maskinporten, " ".join(settings.scopes)),
            context.session,
            context.tls(settings.tls_roots),
        )

    async def contact(self, person: str) -> Contact:
        """See ``spi.ContactRegister``."""
        asked_at = self._clock.now()
        return read_contact(await self._service.ask(question(person)), person, asked_at)
