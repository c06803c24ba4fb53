"""What Folkeregisteret says of those a letter concerns: that it was asked today, and that nothing has changed."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from gateway import limits
from gateway.domain.guards.facts import Facts
from gateway.domain.message_type import Audience
from gateway.domain.persons import Resident, Standing

NO_ANSWER: Final = "r08-no-answer"
OLD_ANSWER: Final = "r08-old-answer"

DEAD: Final = "r23-dead"
EMIGRATED: Final = "r23-emigrated"
STANDING_UNCLEAR: Final = "r23-standing-unclear"
NAME_DIFFERS: Final = "r23-name-differs"

_GOOD_FOR: Final = timedelta(seconds=limits.RESIDENT_AGE_S_MAX)


def register_was_asked_today(facts: Facts) -> Iterator[str]:
    """R08: a letter, and all that is written for parties, waits for Folkeregisteret's answer of the last 24 hours.

    It is needed of every party with a number and of the person who gets it. No such person is no answer.
    """
    if facts.in_service or not (facts.road.letter or facts.audience is Audience.PARTY):
        return
    needed = [party.resident for party in facts.parties if party.has_number]
    if facts.recipient.person or facts.road.letter:
        needed.append(facts.recipient.resident)
    if any(resident is None for resident in needed):
        yield NO_ANSWER
    if any(resident is not None and facts.now - resident.asked_at > _GOOD_FOR for resident in needed):
        yield OLD_ANSWER


def nothing_has_changed_in_the_register(facts: Facts) -> Iterator[str]:
    """R23: death, emigration, another name, or a standing that nobody knows what to make of: somebody looks at it first.

    A name may have been written otherwise, and who has emigrated may be written to: a person releases those. Somebody dead
    is a party no more, so the parties must be put right.
    """
    if facts.in_service:
        return
    standings = {resident.standing for resident in _residents(facts)}
    if Standing.DEAD in standings:
        yield DEAD
    if Standing.OTHER in standings:
        yield STANDING_UNCLEAR
    if Standing.EMIGRATED in standings:
        yield EMIGRATED
    if facts.recipient.name_differs or any(party.name_differs for party in facts.parties):
        yield NAME_DIFFERS


def _residents(facts: Facts) -> list[Resident]:
    everybody = [facts.recipient.resident, *(party.resident for party in facts.parties)]
    return [resident for resident in everybody if resident is not None]
