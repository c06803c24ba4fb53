"""Sending a letter to a person's digital mailbox, and asking what became of it (digipost.md 4 to 6 and 8.1).

One attempt asks who the recipient is, then sends. Digipost refuses a message-id that was used, so the same letter twice has
one effect, and what was sent before is found by its uuids and held against our bytes.
"""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from adapters.digipost.api import NO_ANSWER, NOT_CONNECTED, Body, DigipostApi, Reply
from adapters.digipost.check import letter_fault
from adapters.digipost.features import Accounts
from adapters.digipost.message import write_identification, write_message
from adapters.digipost.multipart import XML, File, Multipart
from adapters.digipost.outcomes import ALREADY_THERE, NOT_A_USER, OTHER_KEY, code_of, refused
from adapters.digipost.settings import DigipostSettings, LetterSender
from adapters.digipost.wire import Identified, read_certificate, read_delivered, read_identified, read_status
from gateway.errors import GatewayError, StructureError, TrustError
from gateway.spi import (
    Context,
    DocumentError,
    Letter,
    LetterDocument,
    Outcome,
    Parcel,
    Refused,
    Stream,
    Taken,
    TryLater,
    Uncertain,
)

_NOT_FOUND: Final = 404


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One attempt, or one question: whose letter, and what Digipost signed on the way."""

    key: str
    letter: Letter
    sender: LetterSender
    words: list[bytes] = field(default_factory=list, repr=False)

    @property
    def seals(self) -> bool:
        """Whether any of it is sealed for its reader."""
        return any(document.sealed for document in self.letter.documents)

    def heard(self, reply: Reply) -> Reply:
        """Keep what was signed."""
        self.words.append(reply.evidence)
        return reply

    def ended(self, outcome: Outcome) -> Outcome:
        """The outcome with its evidence."""
        return replace(outcome, evidence=tuple(self.words))


class DigipostSender:
    """Sends letters (``spi.Outbound``), and knows their readers' keys (``spi.PersonKeys``).

    Digipost refuses a message-id twice, but when it looks is not told: so it is asked before anything is sent again.
    """

    idempotent = False

    def __init__(self, settings: DigipostSettings, context: Context, api: DigipostApi, accounts: Accounts) -> None:
        self._settings = settings
        self._context = context
        self._log = context.log
        self._api = api
        self._accounts = accounts
        self._signer = context.signs(settings.signing, settings.believed)

    async def send(self, parcel: Parcel) -> Outcome:
        """One attempt. What no retry would mend is refused before anybody is called."""
        attempt = self._begun(parcel)
        if isinstance(attempt, Refused):
            return attempt
        letter = attempt.letter
        fault = letter_fault(letter, self._context.clock.now(), self._settings.letter_bytes_max)
        if fault is None and letter.print_order is None:
            faults = (self._accounts.fault(attempt.sender, document) for document in letter.documents)
            fault = next((code for code in faults if code is not None), None)
        return Refused(fault) if fault is not None else attempt.ended(await self._attempted(attempt))

    async def status(self, parcel: Parcel) -> Outcome | None:
        """What became of a letter, by the uuid of its primary document. ``TryLater("not-taken")``: it is not there.

        None: it is there, and its bytes cannot be compared, since each attempt seals them anew.
        """
        attempt = self._begun(parcel)
        if isinstance(attempt, Refused):
            return attempt
        outcome = await self._asked(attempt)
        return attempt.ended(outcome) if outcome is not None else None

    async def fingerprint(self, person: str) -> str | None:
        """See ``spi.PersonKeys``. Raises GatewayError and what a session raises."""
        found = await self._looked_up(person, seals=True, heard=lambda reply: reply)
        if not isinstance(found, Identified) or found.key is None:
            return None
        return await asyncio.to_thread(self._signer.key_fingerprint, found.key)

    def _begun(self, parcel: Parcel) -> _Attempt | Refused:
        if parcel.letter is None:
            return Refused("no-letter")
        sender = self._settings.sender(parcel.office) if parcel.office is not None else None
        return Refused("sender-unknown") if sender is None else _Attempt(parcel.key, parcel.letter, sender)

    async def _attempted(self, attempt: _Attempt) -> Outcome:
        """Once; and once more where the reader's key, or account, changed between question and letter (digipost.md 6)."""
        reply = await self._posted(attempt)
        if not isinstance(reply, Reply):
            return reply
        if attempt.seals and not reply.good and (reply.status == _NOT_FOUND or code_of(reply) in OTHER_KEY):
            self._told(reply)
            reply = await self._posted(attempt)  # nothing was taken: the same message-id is free
            if not isinstance(reply, Reply):
                return reply
        if reply.good:
            return _taken(attempt.letter, reply)
        self._told(reply)
        if code_of(reply) not in ALREADY_THERE:
            return refused(reply)
        # Neither a failure nor a success by itself; and what Digipost says is there and then is not, is for a person.
        found = await self._asked(attempt)
        if found is None:
            return Uncertain("content-not-comparable")
        return Uncertain("already-there") if isinstance(found, TryLater) else found

    async def _asked(self, attempt: _Attempt) -> Outcome | None:
        try:
            path = f"/documents/{attempt.sender.sender_id}/{attempt.letter.primary.uuid}/status"
            reply = attempt.heard(await self._api.get_path(path))
            if reply.status == _NOT_FOUND:
                return TryLater("not-taken")
            if reply.good:
                return _same(attempt.letter, reply)
            self._told(reply)
        except (GatewayError, *NO_ANSWER) as error:
            self._log.warning("digipost.no_status", error=type(error).__name__)
        return Uncertain("status-unknown")

    async def _posted(self, attempt: _Attempt) -> Reply | Outcome:
        """Ask who it is for, and send. A reply may be a no."""
        try:
            files = await self._addressed(attempt)
        except DocumentError:
            return Refused("document-differs")
        except (GatewayError, *NO_ANSWER) as error:
            return self._before(error)
        if isinstance(files, Refused | TryLater):
            return files
        return await self._sent(attempt, files)

    def _before(self, error: Exception) -> Outcome:
        """Nothing of the letter has left."""
        self._log.warning("digipost.not_sent", error=type(error).__name__)
        if isinstance(error, NOT_CONNECTED):
            return TryLater("not-connected")
        return TryLater("answer-not-believed" if isinstance(error, TrustError) else "not-identified")

    async def _addressed(self, attempt: _Attempt) -> Sequence[File] | Refused | TryLater:
        """The documents as they will leave, sealed where asked for; or why they will not."""
        if attempt.letter.print_order is not None:
            key = Identified("PRINT")
            if attempt.seals:
                reply = attempt.heard(await self._api.get("get_print_encryption_certificate"))
                if not reply.good:
                    return TryLater("no-print-key")
                key = Identified("PRINT", read_certificate(reply.body))
        else:
            found = await self._identified(attempt)
            if isinstance(found, Refused | TryLater):
                return found
            key = found
        if attempt.seals and key.key is None:
            return TryLater("no-key")
        if attempt.seals and not await self._allowed(attempt.letter, key):
            return TryLater("key-not-judged", after_s=0.0)
        return [await self._file(document, key) for document in attempt.letter.documents]

    async def _allowed(self, letter: Letter, key: Identified) -> bool:
        """Whether the letter may be sealed for this key: the reader's may have changed since it was judged. The printer's is not."""
        if letter.sealed_only_for is None or letter.print_order is not None or key.key is None:
            return True
        return await asyncio.to_thread(self._signer.key_fingerprint, key.key) in letter.sealed_only_for

    async def _identified(self, attempt: _Attempt) -> Identified | Refused | TryLater:
        return await self._looked_up(attempt.letter.person, seals=attempt.seals, heard=attempt.heard)

    async def _looked_up(
        self, person: str, *, seals: bool, heard: Callable[[Reply], Reply]
    ) -> Identified | Refused | TryLater:
        """The person as a user. A no counts only when it is signed: a failed call never makes a letter go elsewhere."""
        content = write_identification(person)

        async def stream() -> AsyncIterator[bytes]:
            yield content

        told = base64.b64encode(hashlib.sha256(content).digest()).decode()
        relation = "identify_recipient_with_encryption_key" if seals else "identify_recipient"
        reply = heard(await self._api.post(relation, Body(XML, told, len(content), stream)))
        if not reply.good:
            outcome = refused(reply)
            self._told(reply)
            return outcome if isinstance(outcome, Refused | TryLater) else TryLater("not-identified")
        found = read_identified(reply.body)
        if found.result == "DIGIPOST":
            return found
        return NOT_A_USER if found.result == "IDENTIFIED" else Refused("recipient-not-identified")

    async def _file(self, document: LetterDocument, key: Identified) -> File:
        """Raises DocumentError for a document that is not what it was when the letter was made."""
        if not document.sealed or key.key is None:
            return File(document.uuid, document.file_type, document.size_bytes, document.content)
        clear = b"".join([piece async for piece in document.content()])
        if hashlib.sha256(clear).hexdigest() != document.sha256:
            message = "digipost: a document differs"
            raise DocumentError(message)
        if key.result == "PRINT":
            sealed = await asyncio.to_thread(self._signer.seal_to_certificate, key.key, clear)
        else:
            sealed = await asyncio.to_thread(self._signer.seal_to_key, key.key, key.key_id, clear)
        return File(document.uuid, document.file_type, len(sealed), _once(sealed))

    async def _sent(self, attempt: _Attempt, files: Sequence[File]) -> Reply | Outcome:
        letter, level = attempt.letter, self._settings.authentication_level
        multipart = Multipart(write_message(attempt.key, letter, attempt.sender.sender_id, level), files)
        try:
            hashes = await multipart.hashes()
        except DocumentError:
            return Refused("document-differs")
        except (GatewayError, OSError):
            return TryLater("document-unreadable")
        if _differ(hashes.files, _clear(letter)):
            return Refused("document-differs")
        try:
            body = Body(multipart.media_type, hashes.body, multipart.size_bytes, multipart.stream)
            return attempt.heard(await self._api.post("create_message", body))
        except NOT_CONNECTED:
            return TryLater("not-connected")
        except (GatewayError, *NO_ANSWER) as error:
            self._log.warning("digipost.no_answer", error=type(error).__name__)
            return Uncertain("answer-not-believed" if isinstance(error, TrustError) else "no-answer")

    def _told(self, reply: Reply) -> None:
        outcome = refused(reply)
        code = outcome.code if not isinstance(outcome, Taken) else None
        self._log.warning("digipost.error", status=reply.status, code=code)


def _taken(letter: Letter, reply: Reply) -> Outcome:
    """What a 2xx says. The answer must be about this letter: its document, and its bytes where it tells of them."""
    try:
        delivered = read_delivered(reply.body)
    except StructureError:
        return Uncertain("unreadable-answer")
    if delivered.primary != letter.primary.uuid or _differ(delivered.hashes, _clear(letter)):
        return Refused("content-differs")
    if delivered.channel != _channel(letter):
        return Uncertain("other-channel")
    return Taken(letter.primary.uuid, final=delivered.status == "DELIVERED" and not _waits(letter))


def _waits(letter: Letter) -> bool:
    """Whether it is delivered later than it is taken: on paper, or at a time that is to come."""
    return letter.print_order is not None or letter.delivery_time is not None


def _channel(letter: Letter) -> str:
    return "PRINT" if letter.print_order is not None else "DIGIPOST"


def _same(letter: Letter, reply: Reply) -> Outcome | None:
    """What was found under our uuid is ours only if it is our bytes."""
    told, ours = read_status(reply.body), _clear(letter)
    if _differ(told.hashes, ours):
        return Refused("content-differs")
    if letter.primary.uuid not in ours or letter.primary.uuid not in told.hashes:
        return None  # sealed anew at each attempt, or Digipost tells no hash
    if told.channel != _channel(letter):
        return Uncertain("other-channel")
    return Taken(letter.primary.uuid, final=told.status == "DELIVERED" and letter.print_order is None)


def _clear(letter: Letter) -> Mapping[str, str]:
    """SHA-256 (Base64) by uuid of the documents that leave as they are."""
    clear = (document for document in letter.documents if not document.sealed)
    return {document.uuid: base64.b64encode(bytes.fromhex(document.sha256)).decode() for document in clear}


def _differ(told: Mapping[str, str], ours: Mapping[str, str]) -> bool:
    return any(uuid in ours and ours[uuid] != value for uuid, value in told.items())


def _once(content: bytes) -> Callable[[], Stream]:
    async def stream() -> Stream:
        yield content

    return stream
