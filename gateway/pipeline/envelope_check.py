"""What an envelope must hold before anything is stored, beyond its shape: a letter that could never arrive is refused."""

from gateway.domain.identity_number import is_identity_number, is_made_up
from gateway.errors import MalformedRequestError
from gateway.pipeline.envelope import Melding
from gateway.pipeline.envelope_letter import Person
from gateway.pipeline.environment import Environment


def require_deliverable(env: Environment, melding: Melding) -> None:
    """Raises MalformedRequestError ``recipient-number`` or ``delivery-time``; neither repeats what was sent."""
    if isinstance(melding.mottaker, Person):
        _require_number(melding.mottaker.fodselsnummer, production=env.settings.mode == "production")
    earliest = melding.brev.leveres_tidligst if melding.brev is not None else None
    if earliest is not None and earliest <= env.clock.now():
        detail = "melding.brev.leveresTidligst: the time has passed; leave it out to send at once"
        raise MalformedRequestError(detail, code="delivery-time")


def _require_number(number: str, *, production: bool) -> None:
    if not is_identity_number(number):
        detail = "melding.mottaker.fodselsnummer: no such number can be; its control digits or its date are wrong"
        raise MalformedRequestError(detail, code="recipient-number")
    if production and is_made_up(number):
        detail = "melding.mottaker.fodselsnummer: a made-up person's number, which gets no letters in production"
        raise MalformedRequestError(detail, code="recipient-number")
