"""Letters on their way: whether the person takes them digitally, who lets one be printed, and what shows outside."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from gateway import limits
from gateway.domain.guards.facts import Facts, Secrecy

NOT_ASKED: Final = "r14-not-asked"
RESERVED: Final = "r14-reserved"
NOT_REGISTERED: Final = "r14-not-registered"
NOT_NOTIFIABLE: Final = "r14-not-notifiable"
NO_MAILBOX: Final = "r14-no-mailbox"

PRINT_NOT_RELEASED: Final = "r15-print-not-released"
PRINT_NEEDS_TWO: Final = "r15-print-needs-two"

WINDOW_NOT_READ: Final = "r16-window-not-read"
SENDER_NOT_NEUTRAL: Final = "r16-sender-not-neutral"
NOT_REGISTERED_MAIL: Final = "r16-not-registered-mail"

NOTICE_NOT_READ: Final = "r17-notice-not-read"
NOTICE_NOT_NEUTRAL: Final = "r17-notice-not-neutral"

_ASKED_FOR_THIS: Final = timedelta(seconds=limits.CONTACT_AGE_S_MAX)


def person_takes_letters_digitally(facts: Facts) -> Iterator[str]:
    """R14: a digital letter needs a person who has not reserved against it and has a mailbox (``digipost.md`` 10.1).

    KRR is asked for every attempt; an older answer is none. Nobody can release this: whoever handles it picks paper, or hands
    the letter over.
    """
    if not facts.road.letter or facts.road.on_paper:
        return
    contact = facts.contact
    if contact is None or facts.now - contact.asked_at > _ASKED_FOR_THIS:
        yield NOT_ASKED
    elif contact.reserved:
        yield RESERVED
    elif not contact.registered:
        yield NOT_REGISTERED
    elif not contact.mailbox:
        yield NO_MAILBOX if contact.notifiable else NOT_NOTIFIABLE


def print_is_released_by_a_person(facts: Facts) -> Iterator[str]:
    """R15: nothing is ever printed unless a named person released just this letter to paper; two for classes S and G."""
    if facts.road.on_paper:
        yield PRINT_NOT_RELEASED if facts.secrecy is Secrecy.SECRET else PRINT_NEEDS_TWO


def envelope_tells_nothing(facts: Facts) -> Iterator[str]:
    """R16: sender and return address in the window were read back and are neutral; class G goes registered."""
    if not facts.road.on_paper:
        return
    if facts.road.neutral_sender is None:
        yield WINDOW_NOT_READ
    elif not facts.road.neutral_sender:
        yield SENDER_NOT_NEUTRAL
    if facts.secrecy is Secrecy.GRADED and not facts.road.registered:
        yield NOT_REGISTERED_MAIL


def notice_tells_nothing(facts: Facts) -> Iterator[str]:
    """R17: every word that a carrier notifies a person with is known and neutral."""
    if not facts.road.letter:
        return
    if facts.road.neutral_notice is None:
        yield NOTICE_NOT_READ
    elif not facts.road.neutral_notice:
        yield NOTICE_NOT_NEUTRAL
