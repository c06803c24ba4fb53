"""What a stored delivery holds: the envelope opened, the container verified, its documents kept under the message's key.

Everything here works on the store's copy, blocks, and needs constant memory. A fault of the content is a finding, never
an error: it quarantines, or warns.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BufferedReader
from typing import Any, BinaryIO, Final

from sqlalchemy import Row

from gateway import limits
from gateway.crypto.asice import VerifiedContainer, verify_container
from gateway.crypto.cms import open_envelope
from gateway.crypto.keys import KeyRing
from gateway.crypto.profiles import FIKS_CONCERN_REPORT, FIKS_CONTAINER, FIKS_ENVELOPE, PRINT_PART
from gateway.domain.deadlines import ClockFacts
from gateway.domain.lifecycle import Event
from gateway.domain.message_type import Lane, MessageType
from gateway.errors import ContentError, DocumentError, GatewayError, TrustError
from gateway.pipeline.environment import Environment
from gateway.pipeline.validate import Reading, clock_facts, validate
from gateway.pipeline.vault import MessageKey, SealedRecord
from gateway.store import messages
from gateway.store.dedupe import KeyKind
from gateway.store.payloads import StoredRecord

REPORT_JSON: Final = "bekymringsmelding.json"
REPORT_PDF: Final = "bekymringsmelding.pdf"
PRINT_COPY: Final = "bekymringsmelding-utskrift.pdf"
CONTAINER_PART: Final = "part:asice"
_PRINT_PART: Final = "part:bekymringsmelding"
_SPOOL: Final = "spool"


@dataclass(slots=True)
class Opened:
    """What opening found, ready to be committed."""

    event: Event
    cause: str | None
    facts: ClockFacts
    documents: list[tuple[str, str, SealedRecord]] = field(default_factory=list)  # name, media type, record
    warnings: list[tuple[str, str]] = field(default_factory=list)
    signer: dict[str, Any] | None = None
    content_key: str | None = None


class Opening:
    """One message being opened, in a worker thread: blocking, in constant memory."""

    def __init__(
        self,
        env: Environment,
        row: Row[Any],
        key: MessageKey,
        parts: Mapping[str, StoredRecord],
        headers: Mapping[str, str],
    ) -> None:
        self._env = env
        self._row = row
        self._key = key
        self._parts = parts
        self._headers = headers
        self._office = env.offices.of(row.tenant)
        self._kind: MessageType = env.types.type(row.type)

    def run(self) -> Opened:
        """Open, and turn every fault of the content into a quarantine with its reason."""
        opened = Opened(Event.OPENED, None, clock_facts(Reading(), self._kind, messages.moment(self._row.arrived_at)))
        try:
            self._open_container(opened)
        except (TrustError, ContentError) as error:
            opened.event, opened.cause = Event.SEAL_BROKEN, _cause(error)
            opened.documents.clear()
            opened.warnings.append(("quarantined", opened.cause))
            self._read_print_copy(opened)
        return opened

    def _open_container(self, opened: Opened) -> None:
        with self._container() as spool:
            profile = FIKS_CONCERN_REPORT if self._kind.lane is Lane.CONCERN else FIKS_CONTAINER
            container = verify_container(spool, profile, self._env.trust, self._env.clock.now())
            opened.warnings.extend((code, "") for code in container.warnings)
            opened.signer = {
                "organisation": container.signer.organisation_number,
                "fingerprint": container.signer.fingerprint_sha256,
                "trust": container.signer.trust.value,
            }
            for document in container.documents:
                record = self._env.vault.seal_all(self._key, f"document:{document.name}", container.open(document.name))
                opened.documents.append((document.name, _media_type(document.media_type), record))
            if self._kind.schema_document == REPORT_JSON:
                self._judge_report(opened, container)
            else:
                self._judge_other(opened, container)

    @contextmanager
    def _container(self) -> Iterator[BinaryIO]:
        """Decrypt the envelope into an encrypted spool: nothing of it is believed yet (crypto-profile 2.2, step 7)."""
        pieces = self._decrypted(CONTAINER_PART, self._office.receive, FIKS_ENVELOPE)
        sealing = self._env.vault.sealing(self._key, _SPOOL)
        try:
            for piece in pieces:
                sealing.update(piece)
            sealing.finish()
            with sealing.writer.spool() as source:
                yield BufferedReader(self._key.key.reader(self._key.name(_SPOOL), source, sealing.writer.size))
        finally:
            sealing.writer.discard()

    def _decrypted(self, purpose: str, ring: KeyRing, profile: Any) -> Iterator[bytes]:
        stored = self._parts.get(purpose)
        if stored is None:
            text = "the part was not delivered"
            raise DocumentError(text)
        reader = self._env.vault.reader(self._key, purpose, stored)
        return open_envelope(BufferedReader(reader), ring.decryption_keys(), profile)

    def _judge_report(self, opened: Opened, container: VerifiedContainer) -> None:
        """What is there, what is missing, what it says."""
        names = {name: record for name, _, record in opened.documents}
        if not names.keys() & {REPORT_JSON, REPORT_PDF}:
            text = "neither the report's JSON nor its PDF is in the container"
            raise DocumentError(text)
        if REPORT_JSON not in names:
            opened.warnings.append(("json-missing", ""))
        else:
            opened.content_key = self._env.vault.mac(self._row.tenant, KeyKind.CONTENT, names[REPORT_JSON].digest)
            self._judge_json(opened, container, names[REPORT_JSON])
        if REPORT_PDF not in names:
            opened.warnings.append(("pdf-missing", ""))
            self._read_print_copy(opened)
        else:
            self._compare_print_part(opened, names[REPORT_PDF].digest)

    def _judge_other(self, opened: Opened, container: VerifiedContainer) -> None:
        """Any other type: what its declaration asks for is there. Two that say the same are one only under one id."""
        names = {name: record for name, _, record in opened.documents}
        if not names or any(name not in names for name in self._kind.documents):
            text = "a document of this type is not in the container"
            raise DocumentError(text)
        if self._kind.schema_document is not None:
            self._judge_json(opened, container, names[self._kind.schema_document])
        own_id = self._headers.get("klientMeldingId") or self._row.remote_id or self._row.id
        digests = [name.encode() + b"\x00" + record.digest for name, record in sorted(names.items())]
        sameness = b"\x00".join([self._row.sender.encode(), own_id.encode(), *digests])
        opened.content_key = self._env.vault.mac(self._row.tenant, KeyKind.CONTENT, sameness)

    def _judge_json(self, opened: Opened, container: VerifiedContainer, record: SealedRecord) -> None:
        if record.size > limits.JSON_VALIDATED_BYTES_MAX:
            opened.warnings.append(("json-not-validated", ""))
            return
        raw = b"".join(container.open(str(self._kind.schema_document)))
        reading = validate(raw, self._kind, self._env.types, self._office.tenant)
        opened.facts = clock_facts(reading, self._kind, messages.moment(self._row.arrived_at))
        opened.warnings.extend(reading.warnings)

    def _read_print_copy(self, opened: Opened) -> None:
        """The print part as the readable copy, when it came and opens."""
        if _PRINT_PART not in self._parts:
            return
        try:
            pieces = self._decrypted(_PRINT_PART, self._office.print_part, PRINT_PART)
            record = self._env.vault.seal_all(self._key, f"document:{PRINT_COPY}", pieces)
        except (TrustError, ContentError):
            opened.warnings.append(("print-copy-unreadable", ""))
            return
        opened.documents.append((PRINT_COPY, "application/pdf", record))
        opened.warnings.append(("print-copy", ""))

    def _compare_print_part(self, opened: Opened, digest: bytes) -> None:
        if _PRINT_PART not in self._parts:
            return
        try:
            pieces = self._decrypted(_PRINT_PART, self._office.print_part, PRINT_PART)
            same = _digest(pieces) == digest
        except (TrustError, ContentError):
            opened.warnings.append(("print-copy-unreadable", ""))
            return
        if not same:
            opened.warnings.append(("print-copy-differs", ""))


def _media_type(told: str) -> str:
    """As the sender's manifest has it, unless no column and no header could hold it."""
    return told if len(told) <= limits.MEDIA_TYPE_CHARS_MAX else "application/octet-stream"


def _digest(pieces: Iterator[bytes]) -> bytes:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.digest()


def _cause(error: GatewayError) -> str:
    return error.outcome if isinstance(error, TrustError) else error.code
