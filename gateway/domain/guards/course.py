"""What went before: the same once more, or taken back."""

from collections.abc import Iterator
from typing import Final

from gateway.domain.guards.facts import Facts

REPEATED: Final = "r24-repeated"
NO_BREACH_REPORT: Final = "r25-no-breach-report"
RETRACTED: Final = "r25-retracted"

_DELETED: Final = "Slettet"


def same_is_not_sent_twice(facts: Facts) -> Iterator[str]:
    """R24: the same documents to the same recipient within 30 days are a slip until somebody says otherwise."""
    if not facts.in_service and facts.history.repeated is not False:
        yield REPEATED


def retraction_is_honoured(facts: Facts) -> Iterator[str]:
    """R25: what was taken back does not leave any more; to ask others to delete something is to have reported the breach."""
    if facts.history.retracted is not False:
        yield RETRACTED
    if facts.relation == _DELETED and not facts.breach_report_given:
        yield NO_BREACH_REPORT
