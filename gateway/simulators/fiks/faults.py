"""Fault switches of the platform: each is armed for a number of times or until it is taken away."""

from collections.abc import Mapping
from enum import StrEnum


class FiksFault(StrEnum):
    """What can go wrong at Fiks. A delivery's faults hit the next message that is sent to any account."""

    # The REST services
    UNAUTHORISED = "unauthorised"  # 401 to a good token
    UNAVAILABLE = "unavailable"  # 503
    TOKENS_DOWN = "tokens-down"  # the issuer answers 503
    SILENT_SEND = "silent-send"  # accepted and delivered, but the sender's line is cut instead of the answer
    NO_DOWNLOAD = "no-download"  # 503 from Dokumentlager
    HANGING_SEND = "hanging-send"  # accepted and delivered, and the answer never comes
    TRUNCATED_DOWNLOAD = "truncated-download"  # Dokumentlager breaks off in the middle
    WRONG_CATALOGUE_KEY = "wrong-catalogue-key"  # the catalogue gives a stranger's certificate

    # A delivery; what is wrong inside a report is ``gateway.simulators.feil``'s
    DUPLICATE = "duplicate"  # the same message twice
    DELAYED = "delayed"  # half a second later
    OUT_OF_ORDER = "out-of-order"  # after the one that comes next
    NO_MELDING_ID = "no-melding-id"
    NO_TYPE = "no-type"
    NO_AVSENDER = "no-avsender"
    MALFORMED_HEADERS = "malformed-headers"  # ids that are no UUIDs, a header that is a number
    MISSPELT_CORRELATION = "misspelt-correlation"  # klientKorrelasjonId alone, as Java clients sent it for years
    UNKNOWN_SENDER = "unknown-sender"  # avsender-id of an account that the catalogue does not know
    PREFIXED_REPORT_HEADERS = "prefixed-report-headers"  # the portal's two headers with egendefinert-header. before
    HUGE = "huge"  # 32 MiB over AMQP that nobody moved to Dokumentlager


class Faults:
    """Which faults are armed."""

    def __init__(self) -> None:
        self._armed: dict[FiksFault, int | None] = {}

    def arm(self, fault: FiksFault, times: int | None = 1) -> None:
        """Let it happen the next ``times`` times; with None until it is disarmed."""
        self._armed[fault] = times

    def disarm(self, fault: FiksFault) -> None:
        """Let it happen no more."""
        self._armed.pop(fault, None)

    def armed(self) -> Mapping[FiksFault, int | None]:
        """What would happen, and how often still."""
        return dict(self._armed)

    def take(self, fault: FiksFault) -> bool:
        """Whether it happens now; one time is used up."""
        if fault not in self._armed:
            return False
        left = self._armed[fault]
        if left is None:
            return True
        if left > 1:
            self._armed[fault] = left - 1
        else:
            del self._armed[fault]
        return True
