"""From a sent message to a delivery: ids, headers, Dokumentlager, receipts of the platform, faults on the way (fiks.md 4.3 to 4.6)."""

import asyncio
import uuid
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from gateway import limits
from gateway.errors import ForbiddenError, UnknownResourceError
from gateway.simulators.fiks.dokumentlager import Dokumentlager
from gateway.simulators.fiks.faults import Faults, FiksFault
from gateway.simulators.fiks.mail import DeadLetter, Mail
from gateway.simulators.fiks.register import Register

TTL_DEFAULT: Final = timedelta(days=7)
INLINE_BYTES_MAX: Final = 5_000_000
"""Larger payloads go to Dokumentlager; whether KS counts in MB or MiB is not established, so the smaller one."""

CUSTOM: Final = "egendefinert-header."
RECEIPTS: Final = "no.ks.fiks.kvittering."
TIDSAVBRUDD: Final = RECEIPTS + "tidsavbrudd"
SERVERFEIL: Final = RECEIPTS + "serverfeil.v1"
CORRELATION: Final = "klientKorrelasjonsId"
MISSPELT_CORRELATION: Final = "klientKorrelasjonId"
_DELAY_S: Final = 0.5
_REMEMBERED: Final = 10_000


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to send. ``headers`` are the sender's own; ``platform_headers`` go onto the wire as they are.

    ``melding_id`` is chosen by senders of the platform's own, so that they know it whatever becomes of the sending.
    """

    avsender: str
    mottaker: str
    type: str
    svar_pa: str | None = None
    ttl: timedelta = TTL_DEFAULT
    headers: Mapping[str, str] = field(default_factory=dict)
    platform_headers: Mapping[str, str] = field(default_factory=dict)
    melding_id: str | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that was accepted."""

    melding_id: str
    message: Outgoing
    dokumentlager_id: str | None
    size: int


@dataclass(frozen=True, slots=True)
class _Letter:
    konto_id: str
    headers: Mapping[str, object]
    body: bytes
    ttl: timedelta | None


class Dispatch:
    """Sends. ``sent`` remembers what was accepted, newest last, and ``dead`` what could not be delivered."""

    def __init__(self, register: Register, dokumentlager: Dokumentlager, faults: Faults) -> None:
        self.sent: deque[Sent] = deque(maxlen=_REMEMBERED)
        self.dead: deque[DeadLetter] = deque(maxlen=_REMEMBERED)
        self.inline_bytes_max = INLINE_BYTES_MAX
        self._register = register
        self._dokumentlager = dokumentlager
        self._faults = faults
        self._held: list[_Letter] = []
        self._late: set[asyncio.Task[None]] = set()

    async def send(self, mail: Mail, message: Outgoing, payload: Path | bytes = b"") -> Sent:
        """Accept a message; it waits on its receiver's queue when this returns. A file is taken over.

        Raises UnknownResourceError for the receiver, ForbiddenError where an account may not send or receive.
        """
        self._check(message)
        melding_id = message.melding_id or str(uuid.uuid4())
        size, inline, dokumentlager_id = await asyncio.to_thread(self._placed, message, payload)
        headers = self._headers(melding_id, message, dokumentlager_id)
        await self._post(mail, self._spoiled(_Letter(message.mottaker, headers, inline, message.ttl)))
        sent = Sent(melding_id, message, dokumentlager_id, size)
        self.sent.append(sent)
        return sent

    def _placed(self, message: Outgoing, payload: Path | bytes) -> tuple[int, bytes, str | None]:
        """Where a payload goes: its size, what goes over the broker, and its id in Dokumentlager."""
        if isinstance(payload, bytes):
            return len(payload), payload, None
        size = payload.stat().st_size
        if size <= self.inline_bytes_max:
            return size, payload.read_bytes(), None
        return size, b"", self._dokumentlager.keep(payload, message.mottaker, message.ttl).dokument_id

    async def undeliverable(self, mail: Mail, letter: DeadLetter) -> None:
        """Tell the sender, unless the receiver threw it away or it was a receipt itself."""
        self.dead.append(letter)
        receipt = {"expired": TIDSAVBRUDD, "delivery_limit": SERVERFEIL}.get(letter.reason)
        kind, sender = letter.headers.get("type", ""), letter.headers.get("avsender-id", "")
        if receipt is None or kind.startswith(RECEIPTS) or self._register.find_account(sender) is None:
            return
        headers = {
            "melding-id": str(uuid.uuid4()),
            "type": receipt,
            "avsender-id": letter.konto_id,
            "svar-til": letter.headers.get("melding-id", ""),
        }
        if receipt == TIDSAVBRUDD:
            headers["svar-til-type"] = kind
        await mail.publish(sender, headers, b"", TTL_DEFAULT)

    async def close(self) -> None:
        """Forget what was still to come late."""
        for task in self._late:
            task.cancel()
        await asyncio.gather(*self._late, return_exceptions=True)

    def _check(self, message: Outgoing) -> None:
        sender, receiver = self._register.account(message.avsender), self._register.find_account(message.mottaker)
        if receiver is None:
            text = "there is no such receiver"
            raise UnknownResourceError(text)
        if not sender.gyldig_avsender or not receiver.gyldig_mottaker:
            text = "the account may not send, or the other may not receive"
            raise ForbiddenError(text)

    def _headers(self, melding_id: str, message: Outgoing, dokumentlager_id: str | None) -> dict[str, str]:
        headers = {
            "melding-id": melding_id,
            "type": message.type,
            "avsender-id": message.avsender,
            "avsender-navn": self._register.account(message.avsender).navn,
        }
        if message.svar_pa is not None:
            headers["svar-til"] = message.svar_pa
        if dokumentlager_id is not None:
            headers["dokumentlager-id"] = dokumentlager_id
        return (
            headers | dict(message.platform_headers) | {CUSTOM + name: value for name, value in message.headers.items()}
        )

    def _spoiled(self, letter: _Letter) -> _Letter:
        take = self._faults.take
        headers = dict(letter.headers)
        for fault, name in (
            (FiksFault.NO_MELDING_ID, "melding-id"),
            (FiksFault.NO_TYPE, "type"),
            (FiksFault.NO_AVSENDER, "avsender-id"),
        ):
            if take(fault):
                del headers[name]
        if take(FiksFault.MALFORMED_HEADERS):
            headers |= {
                "melding-id": "ikke-en-uuid",
                "avsender-id": 17,
                "svar-til": bytearray(b"\xff\xfe"),
                CUSTOM + "tom": None,
            }
        if take(FiksFault.UNKNOWN_SENDER):
            headers["avsender-id"] = str(uuid.uuid4())
        if take(FiksFault.MISSPELT_CORRELATION):
            headers[CUSTOM + MISSPELT_CORRELATION] = headers.pop(CUSTOM + CORRELATION, str(uuid.uuid4()))
        if take(FiksFault.HUGE):
            return replace(letter, headers=headers, body=bytes(32 * limits.MIB))
        return replace(letter, headers=headers)

    async def _post(self, mail: Mail, letter: _Letter) -> None:
        if self._faults.take(FiksFault.OUT_OF_ORDER):
            self._held.append(letter)
            return
        if self._faults.take(FiksFault.DELAYED):
            task = asyncio.create_task(self._later(mail, letter))
            self._late.add(task)
            task.add_done_callback(self._late.discard)
            return
        times = 2 if self._faults.take(FiksFault.DUPLICATE) else 1
        held, self._held = self._held, []
        for one in (*[letter] * times, *held):
            await mail.publish(one.konto_id, one.headers, one.body, one.ttl)

    async def _later(self, mail: Mail, letter: _Letter) -> None:
        await asyncio.sleep(_DELAY_S)
        await mail.publish(letter.konto_id, letter.headers, letter.body, letter.ttl)
