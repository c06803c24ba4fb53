"""Sending a letter over SvarUt, and asking what became of one (digipost.md 10.4; fiks.md 11).

SvarUt takes the same reference twice, so every attempt first asks what there is under it, and compares that with ours.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

from adapters.svarut.api import NO_ANSWER, NO_CREDENTIALS, NOT_CONNECTED, Reply, SvarUtApi
from adapters.svarut.check import parcel_fault
from adapters.svarut.forsendelse import file_names, write_form, write_forsendelse
from adapters.svarut.outcomes import failed
from adapters.svarut.settings import Konto, SvarUtSettings
from adapters.svarut.wire import StoredDocument, read_documents, read_id, read_ids
from gateway.errors import CertificateError, GatewayError
from gateway.spi import (
    Context,
    DocumentError,
    Envelopes,
    Letter,
    LetterDocument,
    Outcome,
    Parcel,
    Refused,
    Taken,
    TryLater,
    Uncertain,
)

_SEVERAL: Final = Refused("several-letters")
_DIFFERS: Final = Refused("content-differs")
_NOT_COMPARABLE: Final = Uncertain("content-not-comparable")


class SvarUtSender:
    """Sends letters (``spi.Outbound``)."""

    idempotent = False

    def __init__(self, settings: SvarUtSettings, context: Context, api: SvarUtApi, envelopes: Envelopes) -> None:
        self._settings = settings
        self._clock = context.clock
        self._log = context.log
        self._api = api
        self._envelopes = envelopes
        self._doubtful: dict[str, float] = {}  # letters of which the last attempt had no end, and when that began

    async def send(self, parcel: Parcel) -> Outcome:
        """One attempt. What no retry would mend is refused before anybody is called."""
        begun = self._begun(parcel)
        if isinstance(begun, Refused):
            return begun
        letter, konto = begun
        fault = parcel_fault(parcel, letter, self._clock.now(), self._settings.letter_bytes_max)
        if fault is not None:
            return Refused(fault)
        unfit = await self._unfit(letter.documents)
        if unfit is not None:
            return unfit
        found = await self._found(parcel, letter, konto)
        if found != TryLater("not-taken"):
            unasked = found == Uncertain("status-unknown") and not self._may_come(parcel.key)
            return TryLater("not-asked") if unasked else found  # nothing left in this attempt, nor in one before
        self._doubtful[parcel.key] = self._clock.monotonic()
        outcome = await self._sent(parcel, letter, konto)
        if not isinstance(outcome, Uncertain):
            self._doubtful.pop(parcel.key, None)
        return outcome

    async def status(self, parcel: Parcel) -> Outcome | None:
        """What is there under the parcel's key. ``TryLater("not-taken")``: nothing, and nothing that may still come.

        None: something is there, and SvarUt does not tell whether it is this letter.
        """
        begun = self._begun(parcel)
        if isinstance(begun, Refused):
            return begun
        found = await self._found(parcel, *begun)
        return None if found == _NOT_COMPARABLE else found

    def _begun(self, parcel: Parcel) -> tuple[Letter, Konto] | Refused:
        if parcel.letter is None:
            return Refused("no-letter")
        konto = self._settings.konto(parcel.office)
        return Refused("sender-unknown") if konto is None else (parcel.letter, konto)

    async def _unfit(self, documents: Sequence[LetterDocument]) -> Outcome | None:
        """Every document is read to its end first, and the certificate looked at: then a letter breaks off for the line alone."""
        try:
            self._envelopes.require_valid(self._clock.now())
            for document in documents:
                digest = hashlib.sha256()
                async for piece in document.content():
                    digest.update(piece)
                if digest.hexdigest() != document.sha256.lower():
                    return Refused("document-differs")
        except CertificateError:
            self._log.warning("svarut.not_sent", error="CertificateError")
            return TryLater("certificate-not-valid")
        except (GatewayError, OSError) as error:
            self._log.warning("svarut.not_sent", error=type(error).__name__)
            return TryLater("document-unreadable")
        return None

    async def _found(self, parcel: Parcel, letter: Letter, konto: Konto) -> Outcome:
        """What is there under the key: this letter, another, several, or nothing (``TryLater("not-taken")``)."""
        try:
            reply = await self._api.get(f"/kontoer/{konto.konto_id}/forsendelser", {"eksternRef": parcel.key})
            if reply.good:
                return await self._compared(parcel, letter, read_ids(reply.json()))
        except NO_CREDENTIALS as error:
            self._log.warning("svarut.no_credentials", error=type(error).__name__)
        except (GatewayError, *NO_ANSWER) as error:
            self._log.warning("svarut.no_status", error=type(error).__name__)
        return Uncertain("status-unknown")

    async def _compared(self, parcel: Parcel, letter: Letter, ids: Sequence[str]) -> Outcome:
        """Raises what calls and readers do."""
        if not ids:
            return Uncertain("not-settled") if self._may_come(parcel.key) else TryLater("not-taken")
        if len(set(ids)) > 1:
            return _SEVERAL
        reply = await self._api.get(f"/forsendelser/{ids[0]}/metadata")
        if not reply.good:
            return Uncertain("status-unknown")
        there = read_documents(reply.json())
        if any(one.digest is None for one in there):
            return _NOT_COMPARABLE
        return Taken(ids[0]) if _same(letter, there) else _DIFFERS

    def _may_come(self, key: str) -> bool:
        """Whether an attempt is so young that KS may still be at work on it."""
        now = self._clock.monotonic()
        self._doubtful = {one: at for one, at in self._doubtful.items() if now - at < self._settings.send_s}
        return key in self._doubtful

    async def _sent(self, parcel: Parcel, letter: Letter, konto: Konto) -> Outcome:
        told = write_forsendelse(parcel, letter, konto, self._settings.avgivende_system)
        try:
            reply = await self._api.upload(
                f"/kontoer/{konto.konto_id}/forsendelser", lambda: write_form(told, letter, self._envelopes)
            )
        except CertificateError:
            return TryLater("certificate-not-usable")
        except NO_CREDENTIALS as error:
            self._log.warning("svarut.no_credentials", error=type(error).__name__)
            return TryLater("no-credentials")
        except NOT_CONNECTED:
            return TryLater("not-connected")
        except (GatewayError, *NO_ANSWER) as error:
            self._log.warning("svarut.no_answer", error=type(error).__name__)
            return Uncertain("no-answer")
        return _taken(reply) if reply.good else failed(reply)


def _taken(reply: Reply) -> Outcome:
    """It has an id, and KS answers for it from now on. It is not delivered yet."""
    try:
        return Taken(read_id(reply.json()))
    except DocumentError:
        return Uncertain("unreadable-answer")


def _same(letter: Letter, there: Sequence[StoredDocument]) -> bool:
    ours = [
        StoredDocument(name, one.sha256.lower())
        for name, one in zip(file_names(letter.documents), letter.documents, strict=True)
    ]
    return sorted(ours, key=lambda one: one.name) == sorted(there, key=lambda one: one.name)
