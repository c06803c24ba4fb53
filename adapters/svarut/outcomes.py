"""What SvarUt says, and what becomes of a letter: two tables. No word of SvarUt's own is kept."""

from typing import Final

from adapters.svarut.api import Reply
from gateway.spi import Outcome, Refused, Stage, TryLater, Uncertain

TOO_LARGE: Final = Refused("too-large", proof=True)
"""This road can never take it."""
PRINTED: Final = Refused("printed-against-policy")

_SERVER_ERROR: Final = 500
_CLIENT_ERROR: Final = 400
_ANSWERS: Final[dict[int, Outcome]] = {
    400: Refused("letter-refused"),
    401: TryLater("access-refused"),
    403: TryLater("account-refused"),  # the integration has no right to the account: a person gives it one
    404: TryLater("account-unknown"),
    408: Uncertain("status-408"),
    413: TOO_LARGE,
    422: Refused("letter-refused"),
}

STATUSES: Final[dict[str, Stage | Refused | None]] = {
    "MOTTATT": None,  # it has an id
    "AKSEPTERT": None,  # it could be read
    "KLAR_FOR_MOTTAK": None,  # waits to be fetched
    "SENDT_DIGITALT": None,  # on its way; not read
    "SENDT_SDP": None,
    "VARSLET": None,  # a notice was handed on: no word on whether it, or the letter, came to anybody
    "LEVERT_SDP": Stage.DELIVERED,  # the mailbox has given a receipt
    "LEST": Stage.OPENED,  # all of it was fetched by its reader
    "AVVIST": Refused("rejected"),
    "IKKE_LEVERT": Refused("not-delivered", proof=True),  # digital delivery alone, and it could not be done
    "MANUELT_HANDTERT": Refused("ended-by-hand"),  # somebody at SvarUt or of the municipality closed it
    "SENDT_PRINT": PRINTED,
    "PRINTET": PRINTED,
}
"""What each status means here: a stage, an end, or nothing yet. A letter counts as delivered late rather than wrongly."""


def failed(reply: Reply) -> Outcome:
    """What an answer that is not 2xx means for a letter that was sent with it."""
    if reply.status == 429:  # noqa: PLR2004  too many requests
        return TryLater("throttled", reply.retry_after_s)
    if reply.status >= _SERVER_ERROR:
        return Uncertain(f"status-{reply.status}")  # whether it was taken first is not said
    if reply.status < _CLIENT_ERROR:
        return TryLater("redirected")
    return _ANSWERS.get(reply.status, Refused(f"status-{reply.status}"))
