"""The one mapping from our states to the words of other vocabularies. For display only; no second state machine."""

from typing import Final

from gateway.domain.lifecycle import State

AKSEPTERT: Final = "AKSEPTERT"
SENDT_FAGSYSTEM: Final = "SENDT_FAGSYSTEM"
AVVIST_FAGSYSTEM: Final = "AVVIST_FAGSYSTEM"
LEVERT: Final = "LEVERT"
"""KS's status history (``fiks.md`` 8). SENDT_PRINT and AVVIST_PRINT are KS's own and never written by us."""

FIKS_LEDGER: Final[dict[State, str]] = {
    State.RECEIVED: "STORED",
    State.READY: "VERIFIED",
    State.OFFERED: "HANDED_OVER",
    State.CONFIRMED: "CONFIRMED",
    State.RECEIPTED: "RECEIPT_SENT",
    State.QUARANTINED: "QUARANTINED",
    State.HELD: "QUARANTINED",
    State.REFUSED: "PAPER_REQUESTED",
    State.DUPLICATE: "STORED",
}
"""The ledger words of ``fiks.md`` 9, R6."""

BUFDIR: Final[dict[State, str]] = {
    State.RECEIVED: "validatingIncoming",
    State.READY: "inbox",
    State.OFFERED: "handedToFagsystem",
    State.CONFIRMED: "persistedByFagsystem",
    State.RECEIPTED: "appRecSent",
    State.QUARANTINED: "receiveError",
    State.HELD: "policyHold",
    State.REFUSED: "receiveError",
    State.DUPLICATE: "inbox",
    State.ACCEPTED: "validatingOutgoing",
    State.CLEARED: "outbox",
    State.SENT: "sent",
    State.UNCERTAIN: "outbox",
    State.DELIVERED: "appRecReceived",
    State.WITHDRAWN: "draft",
}
"""State names of Bufdir's demonstration service and ours beside them (``barnevern.md`` 4.1)."""
