"""Sending a letter to a person's digital mailbox, and asking what became of it (digipost.md 4 to 6 and 8.1).

One attempt asks who the recipient is, then sends; it repeats nothing. Digipost refuses a message-id that was used, so the
same letter twice has one effect, and what was sent before is found by its uuids and held against our bytes.
"""

import asyncio
import base64
import hashlib
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from adapters.digipost.api import NO_ANSWER, NOT_CONNECTED, Body, DigipostApi, Reply
from adapters.digipost.letter import Letter, LetterDocument
from adapters.digipost.message import write_identification, write_message
from adapters.digipost.multipart import XML, File, Hashes, Multipart
from adapters.digipost.outcomes import ALREADY_THERE, NOT_A_USER, code_of, refused
from adapters.digipost.settings import DigipostSettings, LetterSender
from adapters.digipost.wire import Identified, read_certificate, read_delivered, read_identified, read_status
from gateway.errors import GatewayError, StructureError, TrustError
from gateway.spi import (
    Context,
    DocumentError,
    Outcome,
    Refused,
    SignedAnswer,
    Stream,
    Taken,
    TryLater,
    Uncertain,
    limits,
)

DOCUMENTS_MAX: Final = 100
"""A primary document and 99 attachments: the schema has more, the operator's own page does not (digipost.md 4.1)."""
SEALED_BYTES_MAX: Final = 16 * limits.MIB  # a sealed document is held whole while it is sent
_NOT_FOUND: Final = 404
_NUMBER: Final = re.compile(r"[0-9]{11}")
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_FILE_TYPE: Final = re.compile(r"[a-z0-9_-]{1,29}")
_TELLING: Final = re.compile(r"barnevern", re.IGNORECASE)
_SUBJECT_CHARS_MAX: Final = 255


@dataclass(frozen=True, slots=True)
class Attempt:
    """How an attempt ended, and Digipost's own signed answers to it in their order: the evidence."""

    outcome: Outcome
    answers: tuple[SignedAnswer, ...] = ()


class DigipostSender:
    """Makes one attempt with a letter."""

    def __init__(self, settings: DigipostSettings, context: Context, api: DigipostApi) -> None:
        self._settings = settings
        self._context = context
        self._log = context.log
        self._api = api
        self._signer = context.signs(settings.signing, settings.believed)

    async def send(self, letter: Letter) -> Attempt:
        """One attempt. What no retry would mend is refused before anybody is called."""
        sender = self._settings.sender(letter.office)
        if sender is None:
            return Attempt(Refused("sender-unknown"))
        fault = _fault(letter, self._settings.letter_bytes_max)
        if fault is not None:
            return Attempt(Refused(fault))
        answers: list[SignedAnswer] = []
        try:
            files = await self._addressed(letter, answers)
        except DocumentError:
            return Attempt(Refused("document-differs"))
        except (GatewayError, *NO_ANSWER) as error:
            return Attempt(self._before(error), tuple(answers))
        if isinstance(files, Refused | TryLater):
            return Attempt(files, tuple(answers))
        return Attempt(await self._sent(letter, sender, files, answers), tuple(answers))

    async def status(self, letter: Letter) -> Attempt:
        """What became of a letter, by the uuid of its primary document. ``TryLater("not-taken")``: it is not there."""
        sender = self._settings.sender(letter.office)
        if sender is None:
            return Attempt(Refused("sender-unknown"))
        answers: list[SignedAnswer] = []
        try:
            reply = await self._api.get_path(f"/documents/{sender.sender_id}/{letter.primary.uuid}/status")
            answers.append(reply.answer)
            if reply.status == _NOT_FOUND:
                return Attempt(TryLater("not-taken"), tuple(answers))
            if not reply.good:
                self._told(reply)
                return Attempt(Uncertain("status-unknown"), tuple(answers))
            outcome = await _same(letter, reply)
        except (GatewayError, *NO_ANSWER) as error:
            self._log.warning("digipost.no_status", error=type(error).__name__)
            outcome = Uncertain("status-unknown")
        return Attempt(outcome, tuple(answers))

    def _before(self, error: Exception) -> Outcome:
        """Nothing of the letter has left."""
        self._log.warning("digipost.not_sent", error=type(error).__name__)
        if isinstance(error, NOT_CONNECTED):
            return TryLater("not-connected")
        return TryLater("answer-not-believed" if isinstance(error, TrustError) else "not-identified")

    async def _addressed(self, letter: Letter, answers: list[SignedAnswer]) -> Sequence[File] | Refused | TryLater:
        """The documents as they will leave, sealed where asked for; or why they will not."""
        seals = any(document.seal_pages is not None for document in letter.documents)
        if letter.print_order is not None:
            key = Identified("PRINT")
            if seals:
                reply = await self._api.get("get_print_encryption_certificate")
                answers.append(reply.answer)
                if not reply.good:
                    return TryLater("no-print-key")
                key = Identified("PRINT", read_certificate(reply.body))
        else:
            found = await self._identified(letter.recipient, answers, seals=seals)
            if isinstance(found, Refused | TryLater):
                return found
            key = found
        if seals and key.key is None:
            return TryLater("no-key")
        return [await self._file(document, key) for document in letter.documents]

    async def _identified(
        self, number: str, answers: list[SignedAnswer], *, seals: bool
    ) -> Identified | Refused | TryLater:
        """The person as a user. A no counts only when it is signed: a failed call never makes a letter go elsewhere."""
        content = write_identification(number)

        async def stream() -> AsyncIterator[bytes]:
            yield content

        told = base64.b64encode(hashlib.sha256(content).digest()).decode()
        relation = "identify_recipient_with_encryption_key" if seals else "identify_recipient"
        reply = await self._api.post(relation, Body(XML, told, len(content), stream))
        answers.append(reply.answer)
        if not reply.good:
            outcome = refused(reply)
            self._told(reply)
            return outcome if isinstance(outcome, Refused | TryLater) else TryLater("not-identified")
        found = read_identified(reply.body)
        if found.result == "DIGIPOST":
            return found
        return NOT_A_USER if found.result == "IDENTIFIED" else Refused("recipient-not-identified")

    async def _file(self, document: LetterDocument, key: Identified) -> File:
        if document.seal_pages is None or key.key is None:
            return File(document.uuid, document.file_type, document.size_bytes, document.content)
        clear = b"".join([piece async for piece in document.content()])
        if key.result == "PRINT":
            sealed = await asyncio.to_thread(self._signer.seal_to_certificate, key.key, clear)
        else:
            sealed = await asyncio.to_thread(self._signer.seal_to_key, key.key, key.key_id, clear)
        return File(document.uuid, document.file_type, len(sealed), _once(sealed))

    async def _sent(
        self, letter: Letter, sender: LetterSender, files: Sequence[File], answers: list[SignedAnswer]
    ) -> Outcome:
        sealed = {document.uuid for document in letter.documents if document.seal_pages is not None}
        message = write_message(letter, sender.sender_id, self._settings.authentication_level, sealed)
        multipart = Multipart(message, files)
        try:
            hashes = await multipart.hashes()
            body = Body(multipart.media_type, hashes.body, multipart.size_bytes, multipart.stream)
            reply = await self._api.post("create_message", body)
        except DocumentError:
            return Refused("document-differs")
        except NOT_CONNECTED:
            return TryLater("not-connected")
        except (GatewayError, *NO_ANSWER) as error:
            self._log.warning("digipost.no_answer", error=type(error).__name__)
            return Uncertain("answer-not-believed" if isinstance(error, TrustError) else "no-answer")
        answers.append(reply.answer)
        if reply.good:
            return _taken(letter, reply, hashes)
        self._told(reply)
        if code_of(reply) in ALREADY_THERE:
            found = await self.status(letter)
            answers.extend(found.answers)
            # Neither a failure nor a success by itself; and what Digipost says is there and then is not, is for a person.
            return Uncertain("already-there") if isinstance(found.outcome, TryLater) else found.outcome
        return refused(reply)

    def _told(self, reply: Reply) -> None:
        outcome = refused(reply)
        code = outcome.code if not isinstance(outcome, Taken) else None
        self._log.warning("digipost.error", status=reply.status, code=code)


def _fault(letter: Letter, bytes_max: int) -> str | None:
    """Why a letter cannot be sent as it is; None: it can."""
    order = letter.print_order
    if order is not None and not (order.released_by or "").strip():
        return "print-not-released"
    checks: tuple[tuple[bool, str], ...] = (
        (order is None and not _NUMBER.fullmatch(letter.recipient), "recipient-no-number"),
        (not 1 <= len(letter.documents) <= DOCUMENTS_MAX, "documents-count"),
        (order is not None and any(one.file_type != "pdf" for one in letter.documents), "print-not-pdf"),
        (len({one.uuid for one in letter.documents}) != len(letter.documents), "document-twice"),
        (sum(one.size_bytes for one in letter.documents) > bytes_max, "too-large"),
        (
            any(one.seal_pages is not None and one.size_bytes > SEALED_BYTES_MAX for one in letter.documents),
            "too-large-to-seal",
        ),
        (
            bool(letter.documents) and letter.opening_receipt and letter.primary.appointment is not None,
            "two-data-types",
        ),
    )
    fault = next((code for wrong, code in checks if wrong), None)
    return fault or next((code for one in letter.documents if (code := _document_fault(one)) is not None), None)


def _document_fault(document: LetterDocument) -> str | None:
    if not _UUID.fullmatch(document.uuid):
        return "document-no-uuid"
    if not _FILE_TYPE.fullmatch(document.file_type):
        return "file-type"
    if not 1 <= len(document.subject.strip()) <= _SUBJECT_CHARS_MAX or not document.subject.isprintable():
        return "subject"
    # Sensitive letters hide their subject until the login; it is neutral all the same (digipost.md 4.3).
    return "subject-not-neutral" if _TELLING.search(document.subject) else None


def _taken(letter: Letter, reply: Reply, hashes: Hashes) -> Outcome:
    """What a 2xx says. The answer must be about this letter: its document, and its bytes where it tells of them."""
    try:
        delivered = read_delivered(reply.body)
    except StructureError:
        return Uncertain("unreadable-answer")
    clear = {one.uuid: hashes.files[one.uuid] for one in letter.documents if one.seal_pages is None}
    if delivered.primary != letter.primary.uuid or _differ(delivered.hashes, clear):
        return Refused("content-differs")
    if delivered.channel != _channel(letter):
        return Uncertain("other-channel")
    waits = letter.print_order is not None or letter.opening_receipt or letter.delivery_time is not None
    return Taken(letter.primary.uuid, final=delivered.status == "DELIVERED" and not waits)


def _channel(letter: Letter) -> str:
    return "PRINT" if letter.print_order is not None else "DIGIPOST"


async def _same(letter: Letter, reply: Reply) -> Outcome:
    """What was found under our uuid is ours only if it is our bytes."""
    told = read_status(reply.body)
    clear = [document for document in letter.documents if document.seal_pages is None]
    ours = {document.uuid: await _hash(document.content()) for document in clear}
    if _differ(told.hashes, ours):
        return Refused("content-differs")
    if letter.primary.uuid not in ours or letter.primary.uuid not in told.hashes:
        return Uncertain("content-not-comparable")  # sealed anew at each attempt, or Digipost tells no hash
    if told.channel != _channel(letter):
        return Uncertain("other-channel")
    opened = told.read is True or not letter.opening_receipt
    final = told.status == "DELIVERED" and letter.print_order is None and opened
    return Taken(letter.primary.uuid, final=final)


def _differ(told: Mapping[str, str], ours: Mapping[str, str]) -> bool:
    return any(uuid in ours and ours[uuid] != value for uuid, value in told.items())


async def _hash(stream: Stream) -> str:
    whole = hashlib.sha256()
    async for piece in stream:
        whole.update(piece)
    return base64.b64encode(whole.digest()).decode()


def _once(content: bytes) -> Callable[[], Stream]:
    async def stream() -> Stream:
        yield content

    return stream
