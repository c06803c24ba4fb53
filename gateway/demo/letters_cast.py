"""The cast of the letters: Digipost and both registers of people beside those of the reports, and the case system that writes.

The carrier and the registers are honest servers in this process; the gateway calls them over HTTP as it would the real ones.
"""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import aiohttp

from gateway.demo.cast import Cast, assembled
from gateway.demo.letter_partners import LetterPartners, digipost_with_account
from gateway.demo.letter_sample import CHILD, FATHER, HIDDEN, MOTHER, TYPE, Reader, make_envelope, make_plan
from gateway.demo.outcome import Seen
from gateway.demo.process import GatewayProcess
from gateway.domain.guards import GUARDS
from gateway.errors import PartnerRefusedError
from gateway.simulators.digipost.people import Kind, Person
from gateway.simulators.digipost.server import DigipostServer
from gateway.simulators.registers.people import Protection, Registered
from gateway.testing.site import Site

_POLL_S: Final = 0.25
_ACCEPTED: Final = 202


class LetterFault(StrEnum):
    """What goes wrong around the gateway so badly that the demonstration must fail."""

    REGISTER_FORGETS = "register-forgets"  # Folkeregisteret does not tell that an address is strictly confidential


@dataclass(frozen=True, slots=True)
class LettersCast:
    """The players: those of the reports, and those who carry letters or know people."""

    cast: Cast
    digipost: DigipostServer

    async def hand_in(self, reader: Reader, goal: str) -> str:
        """The case system sends an action plan as JSON; returns the message's id. Raises PartnerRefusedError."""
        form = aiohttp.FormData()
        form.add_field("melding", json.dumps(make_envelope(reader)), content_type="application/json")
        plan = json.dumps(make_plan(goal))
        form.add_field("plan.json", plan, content_type="application/json", filename="plan.json")
        headers = await self._headers() | {"Idempotency-Key": str(uuid.uuid4())}
        async with self.cast.session.post(self._api, data=form, headers=headers) as answer:
            if answer.status != _ACCEPTED:
                message = f"the letter was not taken: {answer.status}"
                raise PartnerRefusedError(message)
            return str((await answer.json())["id"])

    async def seen(self, message_id: str, reader: Reader) -> Seen:
        """The letter as it is now."""
        head = await self._get(message_id)
        receipts = (await self._get(f"{message_id}/receipts"))["receipts"]
        hold = head["hold"] or {"code": None, "text": None}
        ticks = tuple(receipt["kind"] for receipt in receipts)
        return Seen(message_id, head["state"], hold["code"], hold["text"], ticks, len(self.letters(reader)))

    async def until(self, message_id: str, reader: Reader, done: Callable[[Seen], bool], patience_s: float) -> Seen:
        """The letter once it is so, or as it is when patience is lost."""
        end = time.monotonic() + patience_s
        while not done(seen := await self.seen(message_id, reader)) and time.monotonic() < end:  # noqa: ASYNC110  another process
            await asyncio.sleep(_POLL_S)
        return seen

    async def release(self, message_id: str, person: str) -> tuple[str, int]:
        """``budstikke release``, as a person types it: the state afterwards, and how many more must."""
        told = await self.cast.gateway.command(
            "release", message_id, "--person", person, "--reason", "gjennomgått i demoen"
        )
        return told["state"], told["missing"]

    def letters(self, reader: Reader) -> list[str]:
        """What the carrier's own store has for somebody: each letter's primary document."""
        stored = self.digipost.post.letters.values()
        return [one.message.documents[0].uuid for one in stored if one.message.number == reader.number]

    def calls(self) -> tuple[str, ...]:
        """What the carrier was ever asked to do; mere reading left out."""
        return tuple(request for request in self.digipost.requests if request.startswith("POST "))

    @property
    def _api(self) -> str:
        return f"{self.cast.site.case_system_url}/api/v1/messages"

    async def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {await self.cast.case_tokens.token()}"}

    async def _get(self, path: str) -> dict[str, Any]:
        async with self.cast.session.get(f"{self._api}/{path}", headers=await self._headers()) as answer:
            told: dict[str, Any] = await answer.json()
            return told


@asynccontextmanager
async def letters_assembled(
    folder: Path,
    fault: LetterFault | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    process: Callable[[Site, Path, Mapping[str, str]], GatewayProcess] = GatewayProcess,
) -> AsyncIterator[LettersCast]:
    """Set everybody up on a fresh folder; the gateway is prepared and not started. Arguments as of ``cast.assembled``."""
    partners = LetterPartners()
    async with assembled(
        folder,
        lines=f"guards = {json.dumps(list(GUARDS))}",
        sections=_ENGINE + partners.sections(),
        adapters=("fiks", *partners.adapters),
        environment=environment,
        process=process,
    ) as cast:
        partners.tell_gateway(cast.site, TYPE, "events_every_s = 0.5")
        digipost = digipost_with_account(cast.site.folder)  # it knows nothing of protected addresses
        digipost.post.add(*(Person(reader.number, Kind.USER) for reader in (MOTHER, FATHER, HIDDEN)))
        async with partners.serve(digipost, _known(fault), cast.site.folder):
            yield LettersCast(cast, digipost)
            await cast.gateway.stop()  # before its partners go: an orderly end


def _known(fault: LetterFault | None) -> Iterator[Registered]:
    """Everybody, and who has a strictly confidential address."""
    for reader in (MOTHER, FATHER, HIDDEN, CHILD):
        first, _, last = reader.name.partition(" ")
        graded = reader is HIDDEN and fault is not LetterFault.REGISTER_FORGETS
        protection = Protection.STRENGT_FORTROLIG if graded else None
        yield Registered(reader.number, first_name=first, last_name=last, protection=protection)


_ENGINE: Final = """
[engine]
poll_idle_s = 0.5
backoff_first_s = 1.0
"""
"""The shipped waits are for partners far away; here people look on."""
