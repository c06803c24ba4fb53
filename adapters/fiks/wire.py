"""The JSON of KS's producer API, version 1 and 2 (fiks.md 10; decisions 4.1). Pure functions from values to JSON.

Version 1 holds exactly the fields written here: the official client refuses any further one. Times are local
Europe/Oslo without an offset, which it refuses too.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from gateway.spi import District, HistoryRow, Municipality, PublicCertificate, ReceiveCertificates

_OSLO: Final = ZoneInfo("Europe/Oslo")

Json = dict[str, object]


class Version(StrEnum):
    """The version in the path."""

    V1 = "v1"
    V2 = "v2"


def local_time(at: datetime) -> str:
    """``2026-11-22T13:00:00.000``: what a Java LocalDateTime reads."""
    return at.astimezone(_OSLO).replace(tzinfo=None).isoformat(timespec="milliseconds")


def kommune(municipality: Municipality) -> Json:
    """A row of ``/kommuner``."""
    return {"kommunenr": municipality.kommunenummer, "navn": municipality.navn}


def kommune_with_districts(municipality: Municipality, districts: Iterable[District], version: Version) -> Json:
    """``/kommuner/{kommunenummer}``."""
    return kommune(municipality) | {"bydeler": [bydel(district, version) for district in districts]}


def bydel(district: District, version: Version) -> Json:
    """One office. ``stottetVersjon`` says the newest report version that it reads; version 2 only."""
    row: Json = {
        "bydelsnummer": district.bydelsnummer,
        "bydelsnavn": district.bydelsnavn,
        "standardMottaker": district.standard_receiver,
    }
    if version is Version.V2:
        row["stottetVersjon"] = district.version
    return row


def fylker(municipalities: Iterable[Municipality], names: Mapping[str, str]) -> list[Json]:
    """The counties of the municipalities that are here; a county without a name in the settings goes by its number."""
    numbers = sorted({municipality.kommunenummer[:2] for municipality in municipalities})
    return [{"fylkenr": number, "navn": names.get(number, number)} for number in numbers]


def nokler(certificates: ReceiveCertificates, version: Version, now: datetime) -> Json:
    """What to seal for: the print part's key and the container's."""
    return {
        "printOffentligNokkel": _nokkel(certificates.print_part, version, now),
        "fiksIOOffentligNokkel": _nokkel(certificates.container, version, now),
    }


def _nokkel(certificate: PublicCertificate, version: Version, now: datetime) -> Json:
    row: Json = {
        "nokkel": certificate.pem,
        "validFrom": local_time(certificate.not_before),
        "validTo": local_time(certificate.not_after),
        "serial": certificate.serial,
        "subjectDN": certificate.subject,
        "issuerDN": certificate.issuer,
    }
    if version is Version.V2:
        row["gyldig"] = certificate.not_before <= now <= certificate.not_after
    return row


def identifier(message_id: str) -> Json:
    """What a 201 answers."""
    return {"uuid": message_id}


def historikk(rows: Iterable[HistoryRow]) -> list[Json]:
    """Statuses of one report, oldest first."""
    return [
        {
            "bekymringsmeldingId": row.message_id,
            "tidspunkt": local_time(row.at),
            "tilstand": row.status,
            "beskrivelse": row.description,
        }
        for row in rows
    ]
