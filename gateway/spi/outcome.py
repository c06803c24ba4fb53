"""What an attempt to send can end in.

``evidence``: what the partner signed on the way to it, as it came; kept sealed beside the message. Two outcomes are the same
whatever proves them.
"""

import re
from dataclasses import dataclass, field
from typing import Final

CODE: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
"""What an outcome's ``code`` looks like: the adapter's own word, never the partner's."""

REFERENCE: Final = re.compile(r"[!-~]{1,128}")
"""What a partner's reference may look like."""


@dataclass(frozen=True, slots=True)
class Taken:
    """The partner has it. ``final``: taking is the delivery; no receipt will follow, but those of a letter's later stages."""

    partner_reference: str
    final: bool = False
    evidence: tuple[bytes, ...] = field(default=(), repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class TryLater:
    """Nothing was taken; try again, not before ``after_s`` seconds where the partner said so."""

    code: str
    after_s: float | None = None
    evidence: tuple[bytes, ...] = field(default=(), repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Refused:
    """A final no. ``proof``: the partner has shown that this road can never deliver it, so another one may be tried."""

    code: str
    proof: bool = False
    evidence: tuple[bytes, ...] = field(default=(), repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Uncertain:
    """Bytes left and no answer came: it may have been taken."""

    code: str
    evidence: tuple[bytes, ...] = field(default=(), repr=False, compare=False)


Outcome = Taken | TryLater | Refused | Uncertain
