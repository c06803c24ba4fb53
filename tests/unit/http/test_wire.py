"""The JSON of the producer API, by vectors written out."""

from datetime import UTC, datetime

import pytest

from adapters.fiks import wire
from adapters.fiks.settings import FiksSettings
from adapters.fiks.wire import Version
from gateway.spi import District, HistoryRow, Municipality, PublicCertificate, ReceiveCertificates

BERGEN = Municipality("4601", "Bergen")
OFFICE = District("00", "Barneverntjenesten", standard_receiver=True, version="V1")
CERTIFICATE = PublicCertificate(
    pem="-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
    not_before=datetime(2026, 1, 1, tzinfo=UTC),
    not_after=datetime(2027, 1, 1, tzinfo=UTC),
    serial="340282366920938463463374607431768211456",
    subject="CN=Bergen",
    issuer="CN=CA",
)


@pytest.mark.parametrize(
    ("at", "local"),
    [
        (datetime(2026, 1, 1, 12, tzinfo=UTC), "2026-01-01T13:00:00.000"),
        (datetime(2026, 7, 1, 12, 0, 0, 5000, tzinfo=UTC), "2026-07-01T14:00:00.005"),
        (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "2026-10-25T02:30:00.000"),
        (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "2026-10-25T02:30:00.000"),
        (datetime(2026, 12, 31, 23, 30, tzinfo=UTC), "2027-01-01T00:30:00.000"),
    ],
)
def test_times_are_local_without_an_offset(at, local):
    assert wire.local_time(at) == local


def test_an_office_tells_its_version_in_version_2_only():
    v1 = {"bydelsnummer": "00", "bydelsnavn": "Barneverntjenesten", "standardMottaker": True}
    assert wire.bydel(OFFICE, Version.V1) == v1
    assert wire.bydel(OFFICE, Version.V2) == v1 | {"stottetVersjon": "V1"}
    assert wire.kommune_with_districts(BERGEN, [OFFICE], Version.V1) == {
        "kommunenr": "4601",
        "navn": "Bergen",
        "bydeler": [v1],
    }


@pytest.mark.parametrize(("now", "valid"), [(2025, False), (2026, True), (2028, False)])
def test_a_key_tells_whether_it_is_valid_now_in_version_2_only(now, valid):
    keys = ReceiveCertificates(container=CERTIFICATE, print_part=CERTIFICATE)
    at = datetime(now, 6, 1, tzinfo=UTC)
    v1 = {
        "nokkel": CERTIFICATE.pem,
        "validFrom": "2026-01-01T01:00:00.000",
        "validTo": "2027-01-01T01:00:00.000",
        "serial": "340282366920938463463374607431768211456",
        "subjectDN": "CN=Bergen",
        "issuerDN": "CN=CA",
    }
    assert wire.nokler(keys, Version.V1, at) == {"printOffentligNokkel": v1, "fiksIOOffentligNokkel": v1}
    assert wire.nokler(keys, Version.V2, at)["fiksIOOffentligNokkel"] == v1 | {"gyldig": valid}


def test_counties_come_from_the_municipalities_and_a_nameless_one_goes_by_its_number():
    rows = [Municipality("9901", "Ny"), BERGEN, Municipality("4624", "Bjørnafjorden")]
    assert wire.fylker(rows, FiksSettings().fylker) == [
        {"fylkenr": "46", "navn": "Vestland"},
        {"fylkenr": "99", "navn": "99"},
    ]


def test_a_status_row_has_four_fields():
    row = HistoryRow("id", datetime(2026, 1, 1, tzinfo=UTC), "LEVERT", "Bekreftet")
    assert wire.historikk([row]) == [
        {
            "bekymringsmeldingId": "id",
            "tidspunkt": "2026-01-01T01:00:00.000",
            "tilstand": "LEVERT",
            "beskrivelse": "Bekreftet",
        }
    ]
