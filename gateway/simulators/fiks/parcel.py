"""Payloads of Fiks IO: documents in a signed ASiC-E container, sealed for the receiving account (fiks.md 7)."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from gateway.crypto.asice import ContainerWriter, verify_container
from gateway.crypto.certificate_facts import CertificateFacts
from gateway.crypto.certificates import TrustPolicy
from gateway.crypto.cms import open_envelope
from gateway.crypto.keys import DecryptionKey, SigningKey
from gateway.crypto.profiles import FIKS_CONCERN_REPORT, FIKS_ENVELOPE
from gateway.simulators.seal import JSON_MEDIA_TYPE, envelope

_ANYBODY: Final = TrustPolicy()
"""Seals must hold; who signed is not judged, as no official client does either."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What an account of the platform's own signs with and is sealed for; ``sign_sha1`` is for the fault of that name."""

    signing: SigningKey = field(repr=False)
    receive: DecryptionKey = field(repr=False)
    sign_sha1: Callable[[bytes], bytes] | None = field(default=None, repr=False)


def open_parcel(body: bytes, key: DecryptionKey, at: datetime) -> dict[str, bytes]:
    """The documents of a payload. Raises TrustError when seal, signature or a digest does not hold, ContentError."""
    container = io.BytesIO(b"".join(open_envelope(io.BytesIO(body), [key], FIKS_ENVELOPE)))
    verified = verify_container(container, FIKS_CONCERN_REPORT, _ANYBODY, at)
    return {document.name: b"".join(verified.open(document.name)) for document in verified.documents}


def seal_parcel(documents: Mapping[str, bytes], receiver: CertificateFacts, key: SigningKey, at: datetime) -> bytes:
    """Seal JSON documents for an account."""
    out = io.BytesIO()
    container = ContainerWriter(out.write, key, at=at)
    for name, content in documents.items():
        container.add(name, JSON_MEDIA_TYPE, [content])
    container.close()
    return envelope(out.getvalue(), receiver, FIKS_ENVELOPE)
