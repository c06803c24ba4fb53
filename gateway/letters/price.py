"""What a letter will cost, from the price list of ``brev.toml``: a preview for people, never a bill."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from gateway import limits
from gateway.config import Priser
from gateway.letters.inspection import Inspected

_PAGES_ON_A_SHEET: Final = 2  # printed on both sides
_ORE: Final = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Price:
    """In kroner. ``at_most``: where too few large envelopes leave that day. ``sheets``: 0 for a digital letter."""

    kroner: Decimal
    at_most: Decimal
    sheets: int
    large_envelope: bool


def price(inspected: Sequence[Inspected], prices: Priser, *, on_paper: bool, registered: bool = False) -> Price:
    """Of one letter with these documents. Each begins on a new sheet; the carrier's cover sheet costs nothing."""
    if not on_paper:
        size_bytes = sum(one.size_bytes for one in inspected)
        kroner = _kroner(prices.digitalt_brev) + _kroner(prices.digitalt_per_mib) * size_bytes / limits.MIB
        return Price(_rounded(kroner), _rounded(kroner), 0, large_envelope=False)
    sheets = sum(-(-one.pages // _PAGES_ON_A_SHEET) for one in inspected)
    large = sheets > prices.ark_i_c5
    first = _kroner(prices.utskrift) + (_kroner(prices.stor_konvolutt) if large else 0)
    kroner = first + _kroner(prices.utskrift_per_ark) * max(0, sheets - 1)
    kroner += _kroner(prices.rekommandert) if registered else 0
    others = prices.store_minst - 1 if large else 0
    return Price(_rounded(kroner), _rounded(kroner + first * others), sheets, large)


def _kroner(amount: float) -> Decimal:
    """As it is written in the file, not as a machine number is near it."""
    return Decimal(str(amount))


def _rounded(amount: Decimal) -> Decimal:
    return amount.quantize(_ORE)
