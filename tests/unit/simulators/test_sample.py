"""Sample reports: sound, one of a kind, the same bytes every time, and honest about whose sample they were."""

import json
import shutil
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.catalogue import Catalogue
from gateway.errors import DocumentError
from gateway.simulators.sample import Form, Office, make_report

OFFICE = Office("9901", "Prøvedal", "00", "Prøvedal barnevern")
SENT_AT = datetime(2026, 7, 1, 10, 0, 0, 123456, tzinfo=UTC)
FORMS = [(form, version) for form in Form for version in ("V1", "V2")]


def make(form: Form = Form.OFFENTLIG, version: str = "V2", number: int = 1, **options):
    return make_report(form, version, OFFICE, number=number, sent_at=SENT_AT, **options)


@pytest.mark.parametrize(("form", "version"), FORMS)
@pytest.mark.parametrize("official", [False, True])
def test_every_sample_follows_its_schema_and_names_its_source(form, version, official, request) -> None:
    folder = request.getfixturevalue("reference") / "fiks/bekymringsmelding-protokoll" if official else None

    report = make(form, version, reference=folder)

    assert Catalogue.load().flaws(f"bekymringsmelding.{form}.{version.lower()}", json.loads(report.json)) == ()
    assert report.source == ("KS's sample" if official else "our own sample")


def test_a_report_carries_its_office_and_norwegian_local_time_without_zone() -> None:
    document = json.loads(make().json)

    assert (document["kommunenummer"], document["bydelsnummer"]) == ("9901", "00")
    assert document["sendingstidspunkt"] == "2026-07-01T12:00:00"


def test_the_same_report_is_the_same_bytes_and_another_number_is_another_report() -> None:
    one, same, other = make(), make(), make(number=2)

    assert (one.json, one.pdf) == (same.json, same.pdf)
    assert one.json != other.json
    assert one.pdf != other.pdf


def test_the_pdf_is_of_about_100_kb_and_made_in_less_than_a_second() -> None:
    began = time.process_time()
    report = make()

    assert time.process_time() - began < 1
    assert 90_000 < len(report.pdf) < 115_000
    assert report.pdf.startswith(b"%PDF-1.")


@pytest.mark.skipif(shutil.which("qpdf") is None, reason="qpdf is not installed")
def test_the_pdf_passes_qpdf(tmp_path: Path) -> None:
    path = tmp_path / "report.pdf"
    path.write_bytes(make().pdf)

    subprocess.run(["qpdf", "--check", path], check=True, capture_output=True)


def test_a_reference_folder_without_the_sample_is_told(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=r"offentligBekymringsmeldingV2\.json"):
        make(reference=tmp_path)
