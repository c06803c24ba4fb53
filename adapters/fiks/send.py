"""Sending over Fiks IO: one call, streamed (fiks.md 5). What may be sent, and as what type, is the protocol's data.

The platform has no idempotency key and cannot be asked what became of a call. So a call without an answer stays uncertain;
whether it is made again is the gateway's to decide, and the receiver sees the same ``klientMeldingId``.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

import aiohttp

from adapters.fiks.api import Answer, FiksApi
from adapters.fiks.delivery import ACCOUNT
from adapters.fiks.headers import KORRELASJON
from adapters.fiks.posting import NO_ANSWER_BEHIND, UNREADABLE, posted
from adapters.fiks.protocols import Payload, Protocol, ProtocolType, Way
from adapters.fiks.settings import FiksAccount, FiksIo
from gateway.spi import Context, Outcome, Parcel, Refused, Taken

PATH: Final = "/fiks-io/api/v1/send"
MELDING_ID: Final = "klientMeldingId"
KORRELASJON_MISSPELT: Final = "klientKorrelasjonId"


@dataclass(frozen=True, slots=True)
class Letter:
    """What a parcel is on Fiks IO: whose account it is sent from, under which protocol, as what."""

    account: FiksAccount
    protocol: Protocol
    kind: ProtocolType


class FiksSender:
    """Makes one attempt (``spi.Outbound``)."""

    def __init__(self, io: FiksIo, context: Context, api: FiksApi) -> None:
        self._io = io
        self._log = context.log
        self._api = api

    @property
    def idempotent(self) -> bool:
        """Never: two calls are two messages."""
        return False

    async def status(self, parcel: Parcel) -> Outcome | None:
        """None: the platform does not tell what became of a call."""
        del parcel
        return None

    async def send(self, parcel: Parcel) -> Outcome:
        """See ``spi.Outbound``. What our own protocol data forbid is refused before anything leaves."""
        letter = self._letter(parcel)
        if isinstance(letter, Refused):
            return letter
        metadata = self._metadata(parcel, letter)
        answer = await posted(
            self._api,
            PATH,
            lambda: _form(metadata, parcel),
            parcel.size_bytes,
            doubtful=NO_ANSWER_BEHIND,
            log=self._log,
        )
        return _taken(answer, letter) if isinstance(answer, Answer) else answer

    def _letter(self, parcel: Parcel) -> Letter | Refused:
        if not _is_uuid(parcel.recipient):
            return Refused("recipient-no-account")
        if parcel.answers is not None and not _is_uuid(parcel.answers.remote_id):
            return Refused("answered-id-missing")
        found = next(self._letters(parcel), None)
        if found is None:
            return Refused("type-not-spoken")
        if found.kind.payload is Payload.REQUIRED and not parcel.size_bytes:
            return Refused("payload-missing")
        if found.kind.payload is Payload.NONE and parcel.size_bytes:
            return Refused("payload-not-allowed")
        return found

    def _letters(self, parcel: Parcel) -> Iterator[Letter]:
        """What the office can send it as; an answer leaves from the account that the answered message came to."""
        came_to = parcel.answers.headers.get(ACCOUNT) if parcel.answers is not None else None
        for account in self._io.accounts:
            if account.address != parcel.office or came_to not in {None, account.id}:
                continue
            for protocol in account.spoken():
                kind = _kind(protocol, parcel)
                if kind is not None:
                    yield Letter(account, protocol, kind)

    def _metadata(self, parcel: Parcel, letter: Letter) -> dict[str, Any]:
        answers = parcel.answers
        # A dialogue of ours goes by the parcel's own key, so that whatever answers it says which one is meant.
        dialogue = parcel.key if answers is None else answers.headers.get(KORRELASJON)
        spellings = (KORRELASJON, KORRELASJON_MISSPELT) if dialogue is not None else ()
        headers = {MELDING_ID: parcel.key, **dict.fromkeys(spellings, dialogue)}
        ttl_s = self._io.receipt_ttl_s if letter.kind.receipt is not None else letter.protocol.ttl_s
        return {
            "avsenderKontoId": letter.account.id,
            "mottakerKontoId": str(UUID(parcel.recipient)),
            "meldingType": letter.kind.name,
            "svarPaMelding": str(UUID(answers.remote_id)) if answers is not None else None,
            "ttl": ttl_s * 1000,
            "headere": headers,
        }


def _kind(protocol: Protocol, parcel: Parcel) -> ProtocolType | None:
    """The type that a parcel is sent as. A receipt is for what comes in by the protocol, so never for another receipt."""
    if parcel.answers is not None and parcel.answers.fate is not None:
        answered = protocol.find(parcel.answers.channel_type, Way.IN)
        return protocol.receipt(parcel.answers.fate) if answered is not None else None
    found = protocol.find(parcel.channel_type, Way.OUT)
    return found if found is not None and found.receipt is None else None


def _form(metadata: Mapping[str, Any], parcel: Parcel) -> aiohttp.MultipartWriter:
    """The parts in their order; each try has a stream of its own."""
    form = aiohttp.MultipartWriter("form-data")
    part = form.append(json.dumps(metadata).encode(), {"Content-Type": "application/json; charset=UTF-8"})
    part.set_content_disposition("form-data", name="metadata")
    if parcel.size_bytes:
        part = form.append(parcel.content(), {"Content-Type": "application/octet-stream"})
        part.set_content_disposition("form-data", name="data", filename=str(uuid4()))
    return form


def _taken(answer: Answer, letter: Letter) -> Outcome:
    """What the platform calls it."""
    reference = answer.body.get("meldingId") if answer.body is not None else None
    if not isinstance(reference, str) or not _is_uuid(reference):
        return UNREADABLE
    return Taken(str(UUID(reference)), final=letter.kind.receipt is not None or not letter.kind.answered_by)


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
