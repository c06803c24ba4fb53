"""What a letter's files must be before it is sent over a road, and what keeps it here otherwise (``digipost.md`` 7).

The codes are causes of holds; their texts stand in ``gateway.pipeline.texts``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.config import Brev, Vei
from gateway.domain.routing import Road
from gateway.letters.inspection import Inspected


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a letter cannot go over this road. ``document``: its file, None where it is all of them together.

    ``detail``: page numbers or names of fonts. It is for people: never logged, never a metric's label.
    """

    code: str
    document: str | None = None
    detail: str = ""


def faults(inspected: Sequence[Inspected], road: Road, brev: Brev) -> tuple[Fault, ...]:
    """Everything that is wrong with the documents that are to go over this road, the gravest first."""
    raise NotImplementedError


def road_limits(brev: Brev, road: Road) -> Vei:
    """What this road takes: as configured, else the defaults."""
    raise NotImplementedError
