"""Letters at SvarUt: what becomes of each, by who its reader is and what its sender allows."""

import hashlib
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from gateway.errors import ConflictError, UnknownResourceError
from gateway.simulators.digipost.people import Kind

STATUSES: Final = (
    "MOTTATT", "AKSEPTERT", "AVVIST", "VARSLET", "LEST", "SENDT_PRINT", "PRINTET", "MANUELT_HANDTERT", "SENDT_DIGITALT",
    "SENDT_SDP", "LEVERT_SDP", "KLAR_FOR_MOTTAK", "IKKE_LEVERT",
)  # fmt: skip
_BEGIN: Final = ("MOTTATT", "AKSEPTERT")
_PRINTED: Final = (*_BEGIN, "SENDT_PRINT", "PRINTET")


@dataclass(frozen=True, slots=True)
class Document:
    """A document as its reader sees it. ``told``: its metadata as it was sent."""

    told: dict[str, Any] = field(repr=False)
    content: bytes = field(repr=False)
    sealed_bytes: int

    def metadata(self, place: str) -> dict[str, Any]:
        """What SvarUt tells of it (OpenAPI: DokumentMetadata)."""
        return {
            "filnavn": self.told["filnavn"],
            "mimeType": self.told["mimeType"],
            "dokumentType": self.told.get("dokumentType", ""),
            "storrelse": len(self.content),
            "sha256Hash": hashlib.sha256(self.content).hexdigest(),
            "nedlasningUrl": place,
            "kanSigneres": False,
            "ekstraMetadata": self.told.get("ekstraMetadata", []),
        }


@dataclass(slots=True)
class Shipment:
    """A letter. ``course``: the statuses that it still passes by itself, one with each question."""

    id: str
    konto_id: str
    told: dict[str, Any] = field(repr=False)
    documents: Sequence[Document]
    course: list[str]
    history: list[tuple[str, datetime]]

    @property
    def reference(self) -> str | None:
        """The sender's own."""
        found = self.told.get("eksternReferanse")
        return found if isinstance(found, str) else None

    @property
    def printed(self) -> bool:
        """Whether it is on paper, or on its way there."""
        return any(status in {"SENDT_PRINT", "PRINTET"} for status, _ in self.history)

    def step(self, at: datetime) -> tuple[str, datetime]:
        """Its status now; the time that passes between two questions is over."""
        if self.course:
            self.history.append((self.course.pop(0), at))
        return self.history[-1]


class Post:
    """All letters and whom SvarUt can reach."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.people: dict[str, Kind] = {}
        self.letters: dict[str, Shipment] = {}
        self._now = now

    def take(
        self, konto_id: str, told: dict[str, Any], documents: Sequence[Document], *, rejected: bool, prints: bool
    ) -> Shipment:
        """A letter is here. The same reference again is another letter."""
        course = ["AVVIST"] if rejected else list(_PRINTED if prints else self._course(told))
        first = [] if course[0] == "MOTTATT" else [("MOTTATT", self._now())]
        if not first:
            first = [(course.pop(0), self._now())]
        shipment = Shipment(str(uuid.uuid4()), konto_id, told, documents, course, first)
        self.letters[shipment.id] = shipment
        return shipment

    def find(self, identifier: str) -> Shipment:
        """Raises UnknownResourceError."""
        if identifier not in self.letters:
            message = "there is no such letter"
            raise UnknownResourceError(message)
        return self.letters[identifier]

    def by_reference(self, konto_id: str, reference: str) -> Sequence[Shipment]:
        """Every letter of an account that was sent under it."""
        return [one for one in self.letters.values() if (one.konto_id, one.reference) == (konto_id, reference)]

    def happen(self, identifier: str, status: str) -> None:
        """It has this status from now on. Raises UnknownResourceError, ConflictError."""
        if status not in STATUSES:
            message = "there is no such status"
            raise ConflictError(message)
        shipment = self.find(identifier)
        shipment.course.clear()
        shipment.history.append((status, self._now()))

    def _course(self, told: dict[str, Any]) -> Sequence[str]:
        """SvarUt prints what it cannot deliver otherwise, unless digital delivery alone was asked for."""
        if self.people.get(told["mottaker"].get("digitalId", "")) is Kind.USER:
            return (*_BEGIN, "SENDT_DIGITALT", "VARSLET")
        return (*_BEGIN, "IKKE_LEVERT") if told.get("kunDigitalLevering") is True else _PRINTED
