"""Who reported, what reporters are told, and that no party learns who it was."""

from collections.abc import Iterator
from typing import Final

from gateway.domain.actors import ANONYMOUS_REPORTER, Reader
from gateway.domain.guards.facts import Content, Facts, Feedback
from gateway.domain.message_type import Audience

ANONYMOUS: Final = "r02-anonymous-reporter"
NOT_FOR_REPORTERS: Final = "r02-not-for-reporters"
RECEIVED_ALONE: Final = "r02-received-alone"
PRIVATE_FEEDBACK_MISSING: Final = "r02-feedback-missing"
CASE_NUMBER: Final = "r02-case-number"
TELLS_TOO_MUCH: Final = "r02-tells-too-much"
PRIVATE_CONTENTS_NOT_STATED: Final = "r02-contents-not-stated"

NO_PUBLIC_REPORTER: Final = "r03-no-public-reporter"
FEEDBACK_MISSING: Final = "r03-feedback-missing"
MEASURES_NOT_NEEDED: Final = "r03-measures-not-needed"

REPORTER_NOT_STATED: Final = "r04-reporter-not-stated"
TELLS_REPORTER: Final = "r04-tells-reporter"
CONTENTS_NOT_STATED: Final = "r04-contents-not-stated"
NOT_MASKED: Final = "r04-not-masked"
REPORTER_NAMED: Final = "r04-reporter-named"

_HARMLESS: Final = frozenset({Content.NONE_OF_THESE, Content.REPORTER})
"""What a document to a private reporter may hold: the reporter knows who reported."""


def private_reporter_hears_of_receipt_alone(facts: Facts) -> Iterator[str]:
    """R02: somebody private who reported gets the confirmation of receipt, with no case number; who is anonymous, nothing.

    A letter may be a document that the case system wrote, so it must state what that holds. To a reporter no case number is
    this case's: every one that was found in a text is another's.
    """
    if facts.recipient.reader is not Reader.PRIVATE_REPORTER:
        return
    if facts.recipient.aktortype == ANONYMOUS_REPORTER:
        yield ANONYMOUS
    if facts.audience is not Audience.REPORTER:
        yield NOT_FOR_REPORTERS
    if facts.feedback is None:
        yield PRIVATE_FEEDBACK_MISSING
    elif facts.feedback is not Feedback.RECEIVED:
        yield RECEIVED_ALONE
    if facts.case_number_given or any(document.other_case_numbers for document in facts.documents):
        yield CASE_NUMBER
    if any(document.told and not document.told <= _HARMLESS for document in facts.documents):
        yield TELLS_TOO_MUCH
    if not facts.documents or any(document.told is None for document in facts.documents):
        yield PRIVATE_CONTENTS_NOT_STATED


def public_reporter_hears_what_it_needs(facts: Facts) -> Iterator[str]:
    """R03: feedback beyond the receipt goes to public bodies alone; measures, where the body needs to know them.

    Barnevernvakten reports too. Private firms and whoever is of no known kind are no public reporters, whatever they work for.
    """
    if facts.audience is not Audience.REPORTER or facts.recipient.reader is Reader.PRIVATE_REPORTER:
        return
    if facts.recipient.reader not in {Reader.PUBLIC_BODY, Reader.OWN_SERVICE}:
        yield NO_PUBLIC_REPORTER
    if facts.feedback is None:
        yield FEEDBACK_MISSING
    if facts.feedback is Feedback.MEASURES and not facts.necessity_given:
        yield MEASURES_NOT_NEEDED


def reporter_stays_unknown_to_parties(facts: Facts) -> Iterator[str]:
    """R04: nothing for a party shows who reported, where that is private or was asked for.

    Every document must be redacted and looked through by somebody: also what tells of a reporter without the name. A child
    that reported on its own home is hidden from everybody else, not from itself.
    """
    if facts.audience is not Audience.PARTY or facts.in_service:
        return
    if facts.reporter is None:
        yield REPORTER_NOT_STATED
    if not facts.documents or any(document.told is None for document in facts.documents):
        yield CONTENTS_NOT_STATED
    if facts.reporter is None or not facts.reporter.protected or _wrote_it_itself(facts):
        return
    if any(Content.REPORTER in (document.told or ()) for document in facts.documents):
        yield TELLS_REPORTER
    if not all(document.masked for document in facts.documents):
        yield NOT_MASKED
    if any(document.reporters_names for document in facts.documents):
        yield REPORTER_NAMED


def _wrote_it_itself(facts: Facts) -> bool:
    child = facts.recipient.role == "HOVEDPERSON" and facts.recipient.reader is Reader.PRIVATE_PERSON
    return child and facts.reporter is not None and facts.reporter.kind == "BARNET_SELV"
