"""Sealing a report as KS's producer client does (fiks.md 7 and 10, steps 4 and 5)."""

import io
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.crypto.asice import ContainerWriter
from gateway.crypto.certificate_facts import CertificateFacts, facts_of_der
from gateway.crypto.cms import EnvelopeWriter
from gateway.crypto.keys import SigningKey
from gateway.crypto.profiles import FIKS_ENVELOPE, PRINT_PART, EnvelopeProfile
from gateway.domain.deadlines import OSLO
from gateway.errors import CertificateError, StructureError
from gateway.simulators.sample import JSON_NAME, PDF_NAME, Report

JSON_MEDIA_TYPE = "application/json"
PDF_MEDIA_TYPE = "application/pdf"


@dataclass(frozen=True, slots=True)
class Receivers:
    """The two certificates of an office: the container is for its case system, the PDF alone for the printer."""

    container: CertificateFacts
    print_part: CertificateFacts


def read_receivers(answer: Mapping[str, Any], now: datetime) -> Receivers:
    """The answer of ``krypteringsnokler``. Raises StructureError, and CertificateError for one that is not valid now."""
    try:
        print_part, container = answer["printOffentligNokkel"], answer["fiksIOOffentligNokkel"]
        return Receivers(container=_usable(container, now), print_part=_usable(print_part, now))
    except (ValueError, KeyError, TypeError) as fault:
        message = "the API gives no readable certificate"
        raise StructureError(message) from fault


def _usable(nokkel: Mapping[str, Any], now: datetime) -> CertificateFacts:
    facts = facts_of_der(ssl.PEM_cert_to_DER_cert(nokkel["nokkel"]))
    # Times of this API are Norwegian local time without an offset (decisions 4.1).
    told = [datetime.fromisoformat(nokkel[name]).replace(tzinfo=OSLO) for name in ("validFrom", "validTo")]
    own = [facts.certificate.not_valid_before_utc, facts.certificate.not_valid_after_utc]
    if any(not begins <= now <= ends for begins, ends in (told, own)) or nokkel.get("gyldig") is False:
        message = "the receiver's certificate is not valid now"
        raise CertificateError(message)
    return facts


@dataclass(frozen=True, slots=True)
class Sealed:
    """What is uploaded: the PDF sealed for print, and the sealed container."""

    print_part: bytes
    container: bytes


def seal(report: Report, receivers: Receivers, key: SigningKey, at: datetime) -> Sealed:
    """Seal a report; ``at`` is the signing time. Raises CertificateError when a receiver's key cannot be used."""
    out = io.BytesIO()
    container = ContainerWriter(out.write, key, at=at)
    container.add(JSON_NAME, JSON_MEDIA_TYPE, [report.json])
    container.add(PDF_NAME, PDF_MEDIA_TYPE, [report.pdf])
    container.close()
    return Sealed(
        envelope(report.pdf, receivers.print_part, PRINT_PART),
        envelope(out.getvalue(), receivers.container, FIKS_ENVELOPE),
    )


def envelope(content: bytes, receiver: CertificateFacts, profile: EnvelopeProfile) -> bytes:
    """Seal some bytes to a certificate."""
    out = io.BytesIO()
    writer = EnvelopeWriter(receiver.certificate, profile, out.write)
    writer.write(content)
    writer.close()
    return out.getvalue()
