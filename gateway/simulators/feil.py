"""Everything that a sender can do wrong, one builder each: what the tests of bad input send.

Each builder spoils one thing and leaves all others right, so that what is refused is refused for that.
"""

import hashlib
import io
import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Final

from gateway import limits
from gateway.crypto.asice import MEDIA_TYPE
from gateway.crypto.certificate_facts import facts_of
from gateway.crypto.key_transport import Digest
from gateway.crypto.keys import SigningKey, SoftwareKey
from gateway.crypto.manifest import Reference, write_manifest
from gateway.crypto.profiles import FIKS_ENVELOPE
from gateway.crypto.signed_data import sign_detached
from gateway.crypto.zip_writer import ZipWriter
from gateway.errors import ConfigError
from gateway.simulators.old_signature import sign_with_sha1
from gateway.simulators.sample import JSON_NAME, PDF_NAME, Report
from gateway.simulators.seal import JSON_MEDIA_TYPE, PDF_MEDIA_TYPE, Receivers, Sealed, envelope, seal
from gateway.testing.pki import Pki, receive_key

SIGNATURE_NAME: Final = "META-INF/signature-{}.p7s"


class Feil(StrEnum):
    """A fault. The first three spoil the sending, the next the seal, the last the report itself."""

    SEND_TWICE = "send-twice"
    CUT_UPLOAD = "cut-upload"
    WRONG_PASSWORD = "wrong-password"  # noqa: S105  the fault's name

    WRONG_KEY = "wrong-key"  # sealed for somebody else
    TAMPERED_CIPHERTEXT = "tampered-ciphertext"
    UNSIGNED_CONTAINER = "unsigned-container"
    BROKEN_SIGNATURE = "broken-signature"
    SWAPPED_SIGNATURE = "swapped-signature"  # a sound signature, over another manifest
    UNKNOWN_SIGNER = "unknown-signer"  # a sound signature, below a root that nobody configured
    UNLISTED_FILE = "unlisted-file"
    SHA1_SIGNATURE = "sha1-signature"
    ZIP_BOMB = "zip-bomb"
    PATH_TRAVERSAL = "path-traversal"
    DUPLICATE_NAMES = "duplicate-names"
    WITHOUT_JSON = "without-json"
    WITHOUT_PDF = "without-pdf"

    NAN_JSON = "nan-json"
    DUPLICATE_KEYS = "duplicate-keys"
    OTHER_MUNICIPALITY = "other-municipality"
    SCHEMA_FLAW = "schema-flaw"
    UNKNOWN_FIELDS = "unknown-fields"


SENDING_FAULTS: Final = frozenset({Feil.SEND_TWICE, Feil.CUT_UPLOAD, Feil.WRONG_PASSWORD})


@dataclass(frozen=True, slots=True)
class Bench:
    """What a builder works with. ``sign_sha1`` signs with the key of ``key``; only one fault needs it."""

    report: Report
    receivers: Receivers
    key: SigningKey
    at: datetime
    sign_sha1: Callable[[bytes], bytes] | None = None


def build(feil: Feil | None, bench: Bench) -> Sealed:
    """Seal a report with a fault, or rightly when there is none or the fault is one of sending."""
    builder = BUILDERS.get(feil) if feil else None
    return builder(bench) if builder else _sealed(bench)


def _sealed(bench: Bench, report: Report | None = None) -> Sealed:
    return seal(report or bench.report, bench.receivers, bench.key, bench.at)


# --- the seal -------------------------------------------------------------------------------------------------------


def _wrong_key(bench: Bench) -> Sealed:
    stranger = facts_of(receive_key("Prove fremmed mottak").certificate)
    return seal(bench.report, replace(bench.receivers, container=stranger), bench.key, bench.at)


def _tampered_ciphertext(bench: Bench) -> Sealed:
    sealed = _sealed(bench)
    return replace(sealed, container=_spoilt(sealed.container, len(sealed.container) // 2))


def _unsigned_container(bench: Bench) -> Sealed:
    return _with_container(bench, _documents(bench), signed=False)


def _broken_signature(bench: Bench) -> Sealed:
    """Its last octet is the last of the signature's value, so nothing of the structure is spoilt."""
    return _with_container(bench, _documents(bench), sign=lambda manifest: _spoilt(_sign(bench)(manifest), -1))


def _unknown_signer(bench: Bench) -> Sealed:
    return _sealed(replace(bench, key=_stranger()))


@cache
def _stranger() -> SoftwareKey:
    made = Pki().organisation("974760673", "Prove fremmed")
    return SoftwareKey(made.rsa_key, made.chain)


def _swapped_signature(bench: Bench) -> Sealed:
    return _with_container(bench, _documents(bench), sign=lambda manifest: _sign(bench)(manifest + b"\n"))


def _unlisted_file(bench: Bench) -> Sealed:
    documents = _documents(bench)
    return _with_container(bench, [*documents, ("tillegg.pdf", bench.report.pdf)], listed=documents)


def _sha1_signature(bench: Bench) -> Sealed:
    sign_sha1 = bench.sign_sha1
    if sign_sha1 is None:
        message = "this fault needs the signing key as an unencrypted PEM file"
        raise ConfigError(message)
    chain = [facts_of(certificate) for certificate in bench.key.chain]
    return _with_container(bench, _documents(bench), sign=lambda manifest: sign_with_sha1(manifest, chain, sign_sha1))


def _zip_bomb(bench: Bench) -> Sealed:
    """A sound report followed by white space that shrinks a thousandfold."""
    blown_up = bench.report.json + b" " * (24 * limits.MIB)
    return _with_container(bench, [(JSON_NAME, blown_up), (PDF_NAME, bench.report.pdf)])


def _path_traversal(bench: Bench) -> Sealed:
    return _with_container(bench, [*_documents(bench), ("../../utenfor.pdf", bench.report.pdf)])


def _duplicate_names(bench: Bench) -> Sealed:
    documents = _documents(bench)
    return _with_container(bench, [*documents, (JSON_NAME, b'{"melding": "en annen"}')], listed=documents)


def _without_json(bench: Bench) -> Sealed:
    return _with_container(bench, [(PDF_NAME, bench.report.pdf)])


def _without_pdf(bench: Bench) -> Sealed:
    return _with_container(bench, [(JSON_NAME, bench.report.json)])


def _spoilt(content: bytes, place: int) -> bytes:
    spoilt = bytearray(content)
    spoilt[place] ^= 0x01
    return bytes(spoilt)


Document = tuple[str, bytes]


def _documents(bench: Bench) -> list[Document]:
    return [(JSON_NAME, bench.report.json), (PDF_NAME, bench.report.pdf)]


def _sign(bench: Bench) -> Callable[[bytes], bytes]:
    return lambda manifest: sign_detached(manifest, bench.key, bench.at)


def _with_container(
    bench: Bench,
    documents: Sequence[Document],
    *,
    listed: Sequence[Document] | None = None,
    sign: Callable[[bytes], bytes] | None = None,
    signed: bool = True,
) -> Sealed:
    """Seal a container that an honest writer would refuse to write: it holds ``documents`` and lists ``listed``."""
    out = io.BytesIO()
    archive = ZipWriter(out.write, bench.at)
    archive.store("mimetype", MEDIA_TYPE)
    for name, content in documents:
        archive.deflate(name, [content], level=6)
    if signed:
        name = SIGNATURE_NAME.format(uuid.uuid4())
        manifest = write_manifest(name, [_reference(document) for document in listed or documents])
        archive.store("META-INF/asicmanifest.xml", manifest)
        archive.store(name, (sign or _sign(bench))(manifest))
    archive.close(b"mimetype=" + MEDIA_TYPE)
    sealed = envelope(out.getvalue(), bench.receivers.container, FIKS_ENVELOPE)
    return replace(_sealed(bench), container=sealed)


def _reference(document: Document) -> Reference:
    name, content = document
    media_type = JSON_MEDIA_TYPE if name.endswith(".json") else PDF_MEDIA_TYPE
    return Reference(name, media_type, Digest.SHA256, hashlib.sha256(content).digest())


# --- the report -----------------------------------------------------------------------------------------------------


def _nan_json(bench: Bench) -> Sealed:
    return _with_text(bench, _before_end(bench, ', "vekt": NaN'))


def _duplicate_keys(bench: Bench) -> Sealed:
    return _with_text(bench, _before_end(bench, ', "leveringskanal": "en annen"'))


def _other_municipality(bench: Bench) -> Sealed:
    here = json.loads(bench.report.json)["kommunenummer"]
    return _with_text(bench, _changed(bench, kommunenummer="9902" if here != "9902" else "9903"))


def _schema_flaw(bench: Bench) -> Sealed:
    return _with_text(bench, _changed(bench, sendingstidspunkt=1772439885))


def _unknown_fields(bench: Bench) -> Sealed:
    return _with_text(bench, _changed(bench, nyttFelt={"navn": "ukjent", "verdier": [1, None]}))


def _before_end(bench: Bench, text: str) -> str:
    return bench.report.json.decode().rstrip().removesuffix("}") + text + "}"


def _changed(bench: Bench, **members: object) -> str:
    return json.dumps(json.loads(bench.report.json) | members, ensure_ascii=False)


def _with_text(bench: Bench, text: str) -> Sealed:
    return _sealed(bench, replace(bench.report, json=text.encode()))


BUILDERS: Final[dict[Feil, Callable[[Bench], Sealed]]] = {
    Feil.WRONG_KEY: _wrong_key,
    Feil.TAMPERED_CIPHERTEXT: _tampered_ciphertext,
    Feil.UNSIGNED_CONTAINER: _unsigned_container,
    Feil.BROKEN_SIGNATURE: _broken_signature,
    Feil.SWAPPED_SIGNATURE: _swapped_signature,
    Feil.UNKNOWN_SIGNER: _unknown_signer,
    Feil.UNLISTED_FILE: _unlisted_file,
    Feil.SHA1_SIGNATURE: _sha1_signature,
    Feil.ZIP_BOMB: _zip_bomb,
    Feil.PATH_TRAVERSAL: _path_traversal,
    Feil.DUPLICATE_NAMES: _duplicate_names,
    Feil.WITHOUT_JSON: _without_json,
    Feil.WITHOUT_PDF: _without_pdf,
    Feil.NAN_JSON: _nan_json,
    Feil.DUPLICATE_KEYS: _duplicate_keys,
    Feil.OTHER_MUNICIPALITY: _other_municipality,
    Feil.SCHEMA_FLAW: _schema_flaw,
    Feil.UNKNOWN_FIELDS: _unknown_fields,
}
