"""A report for another office is two parts, each sealed for its own reader: the container, and the PDF alone for print.

Which office it is, and which form of a report that one reads, is asked once and kept beside the parts: a retry sends the
same bytes to the same place, whatever the directory says by then (fiks.md 10, steps 1 to 5).
"""

import json
from collections.abc import Callable, Sequence
from typing import Any, Final

from gateway.crypto.at_rest import plaintext_size
from gateway.domain.identifiers import TenantId
from gateway.errors import DocumentError, PolicyError, StoreError
from gateway.pipeline.enclose import seal_files, seal_print_part
from gateway.pipeline.environment import Environment
from gateway.pipeline.outgoing import Outgoing
from gateway.pipeline.unseal import REPORT_JSON, REPORT_PDF
from gateway.pipeline.validate import read_json
from gateway.pipeline.vault import SealedRecord
from gateway.spi import Address, PrintPart, ReportOffice, Seal, Stream
from gateway.store.parcels import StoredParcel
from gateway.store.payloads import StoredRecord

PRINT: Final = "/utskrift"
OFFICE: Final = "/bydel"
"""What follows the parcel's own purpose in those of its other records."""

ADDRESS_DIFFERS: Final = "address-differs"
"""Why a report is held: it names another office than the one it would be sent to. The text stands in ``texts.HOLDS``."""

Documents = dict[str, tuple[str, StoredRecord]]
"""Media type and record, by name."""


def print_part(office_text: bytes, stored: StoredRecord, content: Callable[[], Stream]) -> PrintPart:
    """The part as it was sealed, with the office that was kept beside it. Raises StoreError."""
    name, _, version = office_text.decode().partition(" ")
    office = TenantId.parse(name)
    if office is None:
        message = "the office that a report was sealed for cannot be read"
        raise StoreError(message)
    address = Address(office.kommunenummer, office.bydelsnummer)
    return PrintPart(ReportOffice(address, version), plaintext_size(stored.size), content)


def seal_report(
    env: Environment,
    outgoing: Outgoing,
    documents: Documents,
    readers: Sequence[Any],
    office: ReportOffice,
    chosen: StoredParcel,
) -> list[SealedRecord]:
    """The report for these two certificates. Blocks. Raises DocumentError, PolicyError and what sealing raises."""
    if not {REPORT_JSON, REPORT_PDF} <= documents.keys():
        message = "a report is its JSON and its PDF"
        raise DocumentError(message)
    key = outgoing.key
    (json_type, json_record), (pdf_type, pdf_record) = documents[REPORT_JSON], documents[REPORT_PDF]
    raw = b"".join(env.vault.pieces(key, f"document:{REPORT_JSON}", json_record))
    rendered = render(raw, office, any_district=chosen.recipient == office.address.kommunenummer)
    files = [
        (REPORT_JSON, json_type, [rendered]),
        (REPORT_PDF, pdf_type, env.vault.pieces(key, f"document:{REPORT_PDF}", pdf_record)),
    ]
    pdf = env.vault.pieces(key, f"document:{REPORT_PDF}", pdf_record)
    address = TenantId(office.address.kommunenummer, office.address.bydelsnummer)
    return [
        seal_files(env, key, files, readers[0], Seal.FIKS_REPORT, chosen.purpose),
        seal_print_part(env, key, pdf, readers[1], chosen.purpose + PRINT),
        env.vault.seal_all(key, chosen.purpose + OFFICE, [f"{address} {office.version}".encode()]),
    ]


def render(raw: bytes, office: ReportOffice, *, any_district: bool) -> bytes:
    """The report's JSON in the form that the office reads: the very same bytes, unless a field of V2 must go.

    ``any_district``: the municipality chose the office, so the report need not know it. Raises DocumentError, and
    PolicyError for a report that names another office (rule R20).
    """
    document = read_json(raw).document
    if not isinstance(document, dict):
        message = "the report's JSON cannot be read"
        raise DocumentError(message)
    named = Address(str(document.get("kommunenummer")), str(document.get("bydelsnummer")))
    if named.kommunenummer != office.address.kommunenummer or (named != office.address and not any_district):
        raise PolicyError(ADDRESS_DIFFERS)
    melding = document.get("melding")
    if office.version != "V1" or not isinstance(melding, dict) or "andreSynspunkter" not in melding:
        return raw
    del melding["andreSynspunkter"]
    return json.dumps(document).encode()
