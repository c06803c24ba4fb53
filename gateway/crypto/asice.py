"""ASiC-E containers signed with CAdES (ETSI TS 102 918): writing and verifying, as crypto-profile 3 has it.

A container that verifies may be read; nothing of one that does not ever leaves ``verify_container`` (S18).
"""

import hashlib
import re
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO, Final, NoReturn

from gateway import limits
from gateway.crypto.certificates import SignerTrust, TrustPolicy, organisation_number
from gateway.crypto.key_transport import Digest
from gateway.crypto.keys import SigningKey
from gateway.crypto.manifest import Manifest, Reference, read_manifest, write_manifest
from gateway.crypto.profiles import ContainerProfile
from gateway.crypto.signed_data import VerifiedSignature, sign_detached, verify_detached
from gateway.crypto.zip_archive import Entry, ZipArchive
from gateway.crypto.zip_writer import STORED, ZipWriter
from gateway.errors import CertificateError, DocumentError, SenderError, SignatureError, StructureError

MEDIA_TYPE: Final = b"application/vnd.etsi.asic-e+zip"
_MIMETYPE: Final = "mimetype"
_META_INF: Final = "META-INF/"
# KS's Java receiver guesses the media type from the extension and throws when it cannot (fiks.md 7.2).
_NAME: Final = re.compile(r"[^/\\%\x00-\x1f]{1,190}\.(json|pdf|xml)")
_COMPRESSES: Final = (".json", ".xml")
_KNOWN_META: Final = {
    "manifest": re.compile(r"META-INF/ASiCManifest[^/]*\.xml", re.IGNORECASE),
    "signature": re.compile(r"META-INF/signature[^/]*\.p7s", re.IGNORECASE),
    "xades": re.compile(r"META-INF/signatures[^/]*\.xml", re.IGNORECASE),
    "opendocument": re.compile(r"META-INF/manifest\.xml", re.IGNORECASE),
}


class ContainerWriter:
    """Writes a signed container to ``sink`` as documents are added; ``close`` signs and ends it.

    ``at`` is the signing time. Give an EnvelopeWriter's ``write`` as the sink to seal it on the way.
    """

    def __init__(self, sink: Callable[[bytes], object], signing_key: SigningKey, *, at: datetime) -> None:
        self._zip = ZipWriter(sink, at)
        self._key = signing_key
        self._at = at
        self._references: list[Reference] = []
        self._zip.store(_MIMETYPE, MEDIA_TYPE)

    def add(self, name: str, media_type: str, chunks: Iterable[bytes]) -> None:
        """Add a document. Raises DocumentError for a name that receivers cannot take, TooLargeError."""
        if not _NAME.fullmatch(name) or any(name.casefold() == one.uri.casefold() for one in self._references):
            msg = "a document's name is taken, holds a path, or ends in none of .json, .pdf and .xml"
            raise DocumentError(msg)
        digest = hashlib.sha256()
        self._zip.deflate(name, _hashing(chunks, digest.update), level=1 if name.endswith(_COMPRESSES) else 0)
        self._references.append(Reference(name, media_type, Digest.SHA256, digest.digest()))

    def close(self) -> None:
        """Write manifest, signature and directory. Raises DocumentError when there is no document."""
        if not self._references:
            msg = "a container without documents"
            raise DocumentError(msg)
        signature_name = f"{_META_INF}signature-{uuid.uuid4()}.p7s"
        manifest = write_manifest(signature_name, self._references)
        self._zip.store(f"{_META_INF}asicmanifest.xml", manifest)
        self._zip.store(signature_name, sign_detached(manifest, self._key, self._at))
        self._zip.close(b"mimetype=" + MEDIA_TYPE)


@dataclass(frozen=True, slots=True)
class VerifiedDocument:
    """One document that the signature covers; ``size`` in octets."""

    name: str
    media_type: str
    size: int
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signed. ``organisation_number`` is given only when a configured root or pin vouches for it."""

    organisation_number: str | None
    subject: str  # RFC 4514
    fingerprint_sha256: str
    trust: SignerTrust

    def require_organisation(self, number: str) -> None:
        """Step 12, second half: signer and sender are one. Raises SenderError."""
        if self.organisation_number != number:
            msg = "the signer is another organisation than the sender"
            raise SenderError(msg)


@dataclass(frozen=True, slots=True)
class VerifiedContainer:
    """A container whose signature holds for every document in it. ``warnings`` are codes."""

    documents: tuple[VerifiedDocument, ...]
    signer: Signer
    warnings: tuple[str, ...]
    _archive: ZipArchive = field(repr=False)
    _entries: dict[str, Entry] = field(repr=False)

    def open(self, name: str) -> Iterator[bytes]:
        """Read a document in pieces, checked again while it streams. Raises StructureError, SignatureError."""
        document = next((one for one in self.documents if one.name == name), None)
        if document is None:
            msg = "no document of that name"
            raise DocumentError(msg)
        return self._pieces(document)

    def _pieces(self, document: VerifiedDocument) -> Iterator[bytes]:
        digest = hashlib.sha256()
        yield from _hashing(self._archive.pieces(self._entries[document.name]), digest.update)
        if digest.digest() != document.sha256:
            _unsigned("a document changed since it was verified")


def verify_container(
    container: BinaryIO, profile: ContainerProfile, trust: TrustPolicy, at: datetime
) -> VerifiedContainer:
    """Verify a container as of ``at``, the time of receipt, in constant memory.

    Raises StructureError, SignatureError or SenderError; CertificateError where the profile does not deliver with warning.
    """
    # 1. The ZIP.
    archive = ZipArchive(container)
    entries = {entry.name: entry for entry in archive.entries}
    # 2. The media type: other content is refused, other places are told.
    warnings = _check_mimetype(archive)
    # 3. META-INF holds what belongs there, and nothing large.
    meta = _sort_meta(archive)
    payload = {name: entry for name, entry in entries.items() if name != _MIMETYPE and not _is_meta(name)}
    # 4. The manifests, each with the octets that its signature covers.
    manifests = [(archive.read(entry, limits.ZIP_META_BYTES_MAX)) for entry in meta["manifest"]]
    parsed = [(content, read_manifest(content)) for content in manifests]
    # 4a. Something to check: an unsigned container must not pass because nothing failed.
    if not payload or not parsed or not meta["signature"]:
        _unsigned("no documents, no manifest or no signature")
    # 5. Every document is covered exactly once, and everything covered is there.
    covered = _cover(payload, [reference for _, manifest in parsed for reference in manifest.references])
    # 6. Digests.
    documents = tuple(_digested(archive, entry, covered[name]) for name, entry in payload.items())
    # 7-11. The signatures.
    signature = _check_signatures(archive, parsed, meta["signature"], profile)
    if signature.used_sha1:
        warnings.append("sha1-signature")
    # 12. The certificate.
    signer = _judge(signature, trust, at)
    if signer.trust is not SignerTrust.TRUSTED:
        if not profile.deliver_with_warning:
            msg = f"the signer's certificate is {signer.trust}"
            raise CertificateError(msg)
        warnings.append(f"signer-{signer.trust}")
    return VerifiedContainer(documents, signer, tuple(warnings), archive, payload)


def _check_mimetype(archive: ZipArchive) -> list[str]:
    entry = next((one for one in archive.entries if one.name == _MIMETYPE), None)
    if entry is None:
        return ["mimetype-missing"]
    if archive.read(entry, limits.ZIP_META_BYTES_MAX) != MEDIA_TYPE:
        _refuse("another media type")
    warnings = [] if entry is archive.entries[0] else ["mimetype-not-first"]
    return warnings if entry.method == STORED else [*warnings, "mimetype-compressed"]


def _is_meta(name: str) -> bool:
    return name.casefold().startswith(_META_INF.casefold())


def _sort_meta(archive: ZipArchive) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = {kind: [] for kind in _KNOWN_META}
    for entry in archive.entries:
        if not _is_meta(entry.name):
            continue
        kind = next((kind for kind, form in _KNOWN_META.items() if form.fullmatch(entry.name)), None)
        if kind is None or entry.inflated_bytes > limits.ZIP_META_BYTES_MAX:
            _refuse("a file in META-INF that does not belong there, or is too large")
        found[kind].append(entry)
    return found


def _cover(payload: dict[str, Entry], references: list[Reference]) -> dict[str, Reference]:
    covered: dict[str, Reference] = {}
    for reference in references:
        name = next((name for name in reference.names if name in payload), None)
        if name is None:
            _unsigned("the manifest names a file that is not there")
        if name in covered:
            _unsigned("a file is named twice")
        covered[name] = reference
    if len(covered) != len(payload):
        _unsigned("a file that no manifest names")
    return covered


def _digested(archive: ZipArchive, entry: Entry, reference: Reference) -> VerifiedDocument:
    sha256 = hashlib.sha256()
    named = sha256 if reference.digest is Digest.SHA256 else hashlib.new(reference.digest)
    for piece in archive.pieces(entry):
        sha256.update(piece)
        if named is not sha256:
            named.update(piece)
    if named.digest() != reference.value:
        _unsigned("a document is not the one that was signed")
    return VerifiedDocument(entry.name, reference.media_type, entry.inflated_bytes, sha256.digest())


def _check_signatures(
    archive: ZipArchive, manifests: list[tuple[bytes, Manifest]], entries: list[Entry], profile: ContainerProfile
) -> VerifiedSignature:
    """Verify each manifest's own signature; no signature may stand there for nothing."""
    waiting = {entry.name: entry for entry in entries}
    verified = []
    for content, manifest in manifests:
        entry = waiting.pop(manifest.signature_name, None)
        if entry is None:
            _unsigned("a manifest without a signature of its own")
        verified.append(verify_detached(archive.read(entry, limits.ZIP_META_BYTES_MAX), content, profile))
    if waiting:
        _unsigned("a signature that no manifest names")
    if len({one.signer.der for one in verified}) != 1:
        msg = "asic: several certificates signed"
        raise SenderError(msg)
    return next((one for one in verified if one.used_sha1), verified[0])


def _judge(signature: VerifiedSignature, trust: TrustPolicy, at: datetime) -> Signer:
    certificate = signature.signer.certificate
    found = trust.judge(certificate, [one.certificate for one in signature.enclosed], at)
    vouched = found not in {SignerTrust.UNKNOWN, SignerTrust.UNTRUSTED}
    number = organisation_number(certificate) if vouched else None
    return Signer(number, signature.signer.subject, signature.signer.sha256.hex(), found)


def _hashing(chunks: Iterable[bytes], update: Callable[[bytes], object]) -> Iterator[bytes]:
    for chunk in chunks:
        update(chunk)
        yield chunk


def _refuse(why: str) -> NoReturn:
    msg = f"asic: {why}"
    raise StructureError(msg)


def _unsigned(why: str) -> NoReturn:
    msg = f"asic: {why}"
    raise SignatureError(msg)
