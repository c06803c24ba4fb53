"""Sample reports to send: the official samples where their folder is at hand, else our own, and which of them it was."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Literal

from gateway.domain.deadlines import OSLO
from gateway.errors import DocumentError
from gateway.simulators.sample_pdf import make_pdf

Version = Literal["V1", "V2"]
JSON_NAME: Final = "bekymringsmelding.json"
PDF_NAME: Final = "bekymringsmelding.pdf"


class Form(StrEnum):
    """Who reports; also the last step of the upload's path (fiks.md 10)."""

    OFFENTLIG = "offentlig"
    PRIVAT = "privat"


@dataclass(frozen=True, slots=True)
class Office:
    """Whom the report is addressed to."""

    kommunenummer: str
    kommunenavn: str
    bydelsnummer: str
    bydelsnavn: str


@dataclass(frozen=True, slots=True)
class Report:
    """One report, ready to be sealed. ``source`` says whose sample it was made from."""

    form: Form
    version: Version
    json: bytes
    pdf: bytes
    source: str


def make_report(
    form: Form,
    version: Version,
    office: Office,
    *,
    number: int,
    sent_at: datetime | None = None,
    leveringskanal: str = "Prøveskolen",
    reference: Path | None = None,
) -> Report:
    """Build a report to an office. ``number`` makes it one of a kind; ``reference`` is a copy of KS's protocol folder.

    Raises DocumentError when the reference folder is given and lacks the sample.
    """
    document, source = _sample(form, version, reference)
    sent = (sent_at or datetime.now(UTC)).astimezone(OSLO).replace(microsecond=0, tzinfo=None)
    document |= {
        "kommunenummer": office.kommunenummer,
        "kommunenavn": office.kommunenavn,
        "bydelsnummer": office.bydelsnummer,
        "bydelsnavn": office.bydelsnavn,
        "sendingstidspunkt": sent.isoformat(),  # local time without zone (fiks.md 9.2)
        "leveringskanal": leveringskanal,
    }
    mark = f"Prøvemelding nummer {number}. "
    if form is Form.OFFENTLIG:
        document["melding"] |= {"melding": mark + document["melding"]["melding"]}
    else:
        document["melding"] = mark + document["melding"]
    pdf = make_pdf(f"Bekymringsmelding {number}", _lines(document))
    return Report(form, version, json.dumps(document, ensure_ascii=False, indent=2).encode(), pdf, source)


def _sample(form: Form, version: Version, reference: Path | None) -> tuple[dict[str, Any], str]:
    if reference is None:
        own = files("schemas") / f"bekymringsmelding.{form}" / version.lower() / "samples" / "valid-fullstendig.json"
        return json.loads(own.read_bytes()), "our own sample"
    official = reference / "examples" / f"{form}Bekymringsmelding{version}.json"
    return json.loads(_read(official)), "KS's sample"


@lru_cache(maxsize=8)
def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        message = f"the reference folder has no {path.name}"
        raise DocumentError(message) from None


def _lines(value: Any, name: str = "") -> Iterator[str]:
    """Every member of the document as a printed line."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _lines(inner, key)
    elif isinstance(value, list):
        for number, inner in enumerate(value, start=1):
            yield f"{name} {number}"
            yield from _lines(inner, name)
    else:
        yield f"{name}: {value}"
