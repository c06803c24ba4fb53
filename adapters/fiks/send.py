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

from adapters.fiks.api import CLIENT_ERROR, NO_ANSWER, SERVER_ERROR, TEMPORARY, UNAUTHORISED, Answer, FiksApi
from adapters.fiks.delivery import ACCOUNT
from adapters.fiks.headers import KORRELASJON
from adapters.fiks.protocols import Payload, Protocol, ProtocolType, Way
from adapters.fiks.settings import FiksAccount, FiksIo
from gateway.spi import (
    ConfigError,
    Context,
    Outcome,
    Parcel,
    PartnerRefusedError,
    PartnerUnavailableError,
    Refused,
    Taken,
    TryLater,
    Uncertain,
    limits,
)

PATH: Final = "/fiks-io/api/v1/send"
MELDING_ID: Final = "klientMeldingId"
KORRELASJON_MISSPELT: Final = "klientKorrelasjonId"
_BYTES_PER_S: Final = 256 * limits.KIB  # the slowest upload that is waited for
_NO_ANSWER_BEHIND: Final = frozenset({502, 504})
"""A proxy of the platform got no answer: what is behind it may have taken the message."""


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
        try:
            answer = await self._api.post(
                PATH, lambda: _form(metadata, parcel), added_s=parcel.size_bytes / _BYTES_PER_S
            )
        except (PartnerUnavailableError, PartnerRefusedError, ConfigError) as error:
            self._log.warning("fiks.not_sent", error=str(error))
            return TryLater("no-credentials")
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            return TryLater("not-connected")
        except NO_ANSWER as error:
            self._log.warning("fiks.no_answer", error=type(error).__name__)
            return Uncertain("no-answer")
        return _outcome(answer, letter)

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
        headers, answers = {MELDING_ID: parcel.key}, parcel.answers
        if answers is not None and KORRELASJON in answers.headers:
            headers |= dict.fromkeys((KORRELASJON, KORRELASJON_MISSPELT), answers.headers[KORRELASJON])
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


def _outcome(answer: Answer, letter: Letter) -> Outcome:
    """What the platform said."""
    code = f"status-{answer.status}"
    if answer.good:
        reference = answer.body.get("meldingId") if answer.body is not None else None
        if not isinstance(reference, str) or not _is_uuid(reference):
            return Uncertain("unreadable-answer")
        return Taken(str(UUID(reference)), final=letter.kind.receipt is not None or not letter.kind.answered_by)
    if answer.status in _NO_ANSWER_BEHIND:
        return Uncertain(code)
    if answer.status < CLIENT_ERROR or answer.status >= SERVER_ERROR or answer.status in {UNAUTHORISED, *TEMPORARY}:
        return TryLater(code, answer.retry_after_s)
    return Refused(code)


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
