"""What is known of a concern report that came on paper, by telephone or in person: reserve mode, without any portal."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from gateway.domain.identifiers import is_shown_id, is_user_id

AGE_MAX: Final = timedelta(days=30)
"""What came longer ago is registered only with a reason: a wrong year must not start clocks that are long over."""


class Reporter(StrEnum):
    """Who reported; decides the message type."""

    PRIVATE = "privat"
    PUBLIC = "offentlig"


class CameBy(StrEnum):
    """How it reached the office."""

    LETTER = "brev"
    TELEPHONE = "telefon"
    IN_PERSON = "personlig"


@dataclass(frozen=True, slots=True)
class Registration:
    """One report as a named person registers it.

    ``came_at``: None is now. ``reporter_known``: a private reporter who can be answered; a public one always can.
    ``reference``: the case in which the person has registered it already. The two ids are those that the letter shows,
    if any: the portal's, and Fiks IO's or ours. ``reason`` is why it comes so late.
    """

    tenant: str
    reporter: Reporter
    came_by: CameBy
    person: str
    came_at: datetime | None = None
    reporter_known: bool = True
    reference: str | None = None
    bekymringsmelding_id: str | None = None
    melding_id: str | None = None
    reason: str = ""

    @property
    def type_key(self) -> str:
        """The message type: the clocks, the law and the time it is kept are those of the same report over a road."""
        return f"bekymringsmelding.{self.reporter.value}.v2"

    def seen_at(self, came_at: datetime, now: datetime) -> datetime:
        """When a person had it in front of them: a letter when it is registered, a voice when it spoke."""
        return now if self.came_by is CameBy.LETTER else came_at

    def fault(self, now: datetime) -> str | None:
        """What is wrong with it, in words for whoever registers; None where nothing is."""
        came_at = self.came_at or now
        if not is_user_id(self.person):
            return "the person who registers is named by a user id, which is no identity number"
        if came_at > now:
            return "it cannot have come in the future"
        if now - came_at > AGE_MAX and not self.reason.strip():
            return f"it came more than {AGE_MAX.days} days ago: check the date, and give the reason if it is right"
        if any(given is not None and not is_shown_id(given) for given in (self.bekymringsmelding_id, self.melding_id)):
            return "an id is 8 to 128 letters, digits and .:_-, as the letter shows it, and no identity number"
        if self.reference is not None and not self.reference.strip():
            return "a case reference is not empty"
        return None
