"""The national portal: it delivers reports over Fiks IO and follows what becomes of each (fiks.md 8 and 9).

History: ``AKSEPTERT`` and ``SENDT_FAGSYSTEM`` at once, then ``LEVERT`` on mottatt.v1, or ``AVVIST_FAGSYSTEM`` and
``SENDT_PRINT`` on feilet.v1. A report that nobody took goes to print too. What comes after an end changes nothing and is
kept as an afterthought: a receiver that changes its mind is a fault that tests want to see.
"""

import asyncio
import json
import shutil
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from aio_pika.abc import AbstractIncomingMessage

from gateway.errors import ContentError, TrustError, UnknownResourceError
from gateway.simulators.fiks.dispatch import SERVERFEIL, TIDSAVBRUDD, TTL_DEFAULT, Outgoing, Sent
from gateway.simulators.fiks.faults import Faults, FiksFault
from gateway.simulators.fiks.mail import text
from gateway.simulators.fiks.offices import Bydel
from gateway.simulators.fiks.parcel import Keys, open_parcel
from gateway.simulators.sample import Form, Version

PROTOCOL: Final = "no.ks.fiks.bekymringsmelding."
MOTTATT: Final = PROTOCOL + "mottatt.v1"
FEILET: Final = PROTOCOL + "feilet.v1"
AKSEPTERT, SENDT_FAGSYSTEM, LEVERT = "AKSEPTERT", "SENDT_FAGSYSTEM", "LEVERT"
AVVIST_FAGSYSTEM, SENDT_PRINT = "AVVIST_FAGSYSTEM", "SENDT_PRINT"
_ENDS: Final = frozenset({LEVERT, SENDT_PRINT})
_OUTCOMES: Final = {
    MOTTATT: [(LEVERT, "")],
    FEILET: [(AVVIST_FAGSYSTEM, ""), (SENDT_PRINT, "")],
    SERVERFEIL: [(AVVIST_FAGSYSTEM, "tre leveringsforsøk"), (SENDT_PRINT, "")],
    TIDSAVBRUDD: [(SENDT_PRINT, "ikke hentet i tide")],
}

Deliver = Callable[[Outgoing, Path | bytes], Awaitable[Sent]]


@dataclass(frozen=True, slots=True)
class Status:
    """One row of a report's history."""

    tidspunkt: datetime
    tilstand: str
    beskrivelse: str = ""


@dataclass(slots=True)
class Followed:
    """A report on its way. ``melding_ids`` has one id for each try to send; ``late`` what came after the end."""

    bekymringsmelding_id: str
    office: Bydel
    type: str
    container: Path
    klient_melding_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    melding_ids: list[str] = field(default_factory=list)
    history: list[Status] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    feilmelding: str | None = None

    @property
    def tilstand(self) -> str:
        """Where it stands."""
        return self.history[-1].tilstand

    @property
    def ended(self) -> bool:
        """Whether it is delivered or on paper."""
        return self.tilstand in _ENDS


class Portal:
    """Sends from ``konto_id`` and reads the receipts that come back to it."""

    def __init__(self, konto_id: str, keys: Keys, deliver: Deliver, faults: Faults, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.konto_id = konto_id
        self.ttl: timedelta = TTL_DEFAULT
        self.strays: list[str] = []
        self._keys = keys
        self._deliver = deliver
        self._faults = faults
        self._folder = folder
        self._reports: dict[str, Followed] = {}
        self._by_melding: dict[str, Followed] = {}
        self._changed = asyncio.Condition()

    def reports(self) -> list[Followed]:
        """Every report, oldest first."""
        return list(self._reports.values())

    def report(self, bekymringsmelding_id: str) -> Followed:
        """One report. Raises UnknownResourceError."""
        found = self._reports.get(bekymringsmelding_id)
        if found is None:
            message = "there is no such report"
            raise UnknownResourceError(message)
        return found

    async def forward(self, office: Bydel, form: Form, version: Version, container: bytes) -> Followed:
        """Accept a sealed container and put it on Fiks IO for an office."""
        report_id = str(uuid.uuid4())
        path = self._folder / report_id
        await asyncio.to_thread(path.write_bytes, container)
        kind = f"{PROTOCOL}{form}.{version.lower()}"
        followed = self._reports[report_id] = Followed(report_id, office, kind, path)
        await self._note(followed, (AKSEPTERT, ""))
        await self.resend(report_id)
        await self._note(followed, (SENDT_FAGSYSTEM, ""))
        return followed

    async def resend(self, bekymringsmelding_id: str) -> str:
        """Send a report once more, with the same bytes and the sender's same id; returns the new melding-id.

        Raises PartnerUnavailableError: then it may be on the queue or not.
        """
        followed = self.report(bekymringsmelding_id)
        named = {"bydel-ressurs-id": followed.office.ressurs_id}
        if followed.type.endswith(".v2"):
            named["bekymringsmelding-id"] = bekymringsmelding_id
        melding_id = str(uuid.uuid4())
        prefixed = self._faults.take(FiksFault.PREFIXED_REPORT_HEADERS)
        message = Outgoing(
            self.konto_id,
            followed.office.konto_id,
            followed.type,
            ttl=self.ttl,
            headers={"klientMeldingId": followed.klient_melding_id, **(named if prefixed else {})},
            platform_headers={} if prefixed else named,
            melding_id=melding_id,
        )
        followed.melding_ids.append(melding_id)  # before it leaves: a broker that dies may have it or not
        self._by_melding[melding_id] = followed
        copy = followed.container.with_suffix(f".{melding_id}")
        await asyncio.to_thread(shutil.copyfile, followed.container, copy)
        try:
            await self._deliver(message, copy)
        finally:
            copy.unlink(missing_ok=True)
        return melding_id

    async def until(self, bekymringsmelding_id: str, tilstand: str, within_s: float) -> None:
        """Wait for a status in a report's history. Raises TimeoutError."""
        followed = self.report(bekymringsmelding_id)
        async with asyncio.timeout(within_s), self._changed:
            await self._changed.wait_for(lambda: any(row.tilstand == tilstand for row in followed.history))

    async def take(self, message: AbstractIncomingMessage) -> None:
        """Read a receipt."""
        headers = {name: text(value) for name, value in message.headers.items()}
        kind, followed = headers.get("type", ""), self._by_melding.get(headers.get("svar-til", ""))
        if followed is None:
            self.strays.append(kind)
        elif followed.ended:
            followed.late.append(kind)
        else:
            await self._decide(followed, kind, message.body)
        await message.ack()

    async def _decide(self, followed: Followed, kind: str, body: bytes) -> None:
        outcome = _OUTCOMES.get(kind)
        if outcome is None:
            self.strays.append(kind)
            return
        if kind == FEILET:
            followed.feilmelding = self._feilmelding(body)
        await self._note(followed, *outcome)

    def _feilmelding(self, body: bytes) -> str | None:
        """What feilet.v1 says; None when it cannot be opened or is none."""
        try:
            document = open_parcel(body, self._keys.receive, datetime.now(UTC)).get("feilmelding.json", b"")
            told = json.loads(document)
        except (TrustError, ContentError, ValueError):
            return None
        melding = told.get("melding", "") if isinstance(told, dict) else None
        return melding if isinstance(melding, str) else None

    async def _note(self, followed: Followed, *statuses: tuple[str, str]) -> None:
        now = datetime.now(UTC)
        followed.history.extend(Status(now, tilstand, beskrivelse) for tilstand, beskrivelse in statuses)
        async with self._changed:
            self._changed.notify_all()
