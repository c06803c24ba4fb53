"""Which code performs which effect: one dictionary, complete by a test."""

from collections.abc import Awaitable, Callable
from typing import Final

from gateway.domain.lifecycle import Effect
from gateway.pipeline.clear import clear
from gateway.pipeline.environment import Environment
from gateway.pipeline.follow_up import ask
from gateway.pipeline.open import open_message
from gateway.pipeline.receipt import send_receipt
from gateway.pipeline.ring import ring
from gateway.pipeline.send import send
from gateway.store.outbox import Item

Handler = Callable[[Environment, Item], Awaitable[str]]

HANDLERS: Final[dict[Effect, Handler]] = {
    Effect.OPEN: open_message,
    Effect.RING: ring,
    Effect.RECEIPT_POSITIVE: send_receipt,
    Effect.RECEIPT_NEGATIVE: send_receipt,
    Effect.CHECK_GUARDS: clear,
    Effect.NEXT_ROAD: clear,
    Effect.SEND: send,
    Effect.ASK_STATUS: ask,
}
"""Each handler finishes its queue item in its own commit, and returns the outcome's code."""
