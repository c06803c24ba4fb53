"""budstikke preflight: what somebody sees who asks before anything is sent."""

import json
import shutil

import pytest

from gateway.cli import run
from gateway.pipeline.texts import HOLDS
from tests import pdf_kit as kit
from tests.conftest import ROOT


@pytest.fixture
def folder(tmp_path):
    """The configuration as it is shipped, and two letters."""
    shutil.copytree(ROOT / "config", tmp_path / "config")
    (tmp_path / "brev.pdf").write_bytes(kit.letter())
    (tmp_path / "smal.pdf").write_bytes(kit.letter(placed=[(5, 100, "12")]))
    (tmp_path / "ark.xlsx").write_bytes(b"PK")
    return tmp_path


def preflight(folder, *arguments):
    names = [str(folder / word) if word.endswith((".pdf", ".xlsx")) else word for word in arguments]
    return run(["preflight", *names, "--config", str(folder / "config/gateway.toml")])


def test_a_sound_letter_has_its_price_and_exit_code_0(folder, capsys):
    assert preflight(folder, "brev.pdf", "--road", "digipost:post") == 0
    assert capsys.readouterr().out == "pris etter brev.toml: 30.90 kr, 1 ark\n"


def test_faults_are_told_with_document_and_page_in_bokmal(folder, capsys):
    assert preflight(folder, "brev.pdf", "ark.xlsx", "smal.pdf", "--road", "digipost:post") == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{HOLDS['file-type-not-allowed']} Gjelder dokument 2 (ark.xlsx). [file-type-not-allowed]"
    assert lines[1] == f"{HOLDS['pdf-margin']} Gjelder dokument 3 (smal.pdf), side 1. [pdf-margin]"
    assert preflight(folder, "smal.pdf") == 0  # digitally it may go


def test_programs_get_json(folder, capsys):
    assert preflight(folder, "brev.pdf", "smal.pdf", "--json", "--road", "digipost:post") == 1
    told = json.loads(capsys.readouterr().out)
    assert [one["pages"] for one in told["documents"]] == [1, 1]
    ((code, documents),) = [(fault["code"], fault["documents"]) for fault in told["faults"]]
    assert (code, documents) == (
        "pdf-margin",
        [{"document": 2, "pages": [1], "more_pages": False, "name": "smal.pdf"}],
    )
    assert told["price"] == {"kroner": "32.19", "at_most": "32.19", "sheets": 2, "large_envelope": False}


@pytest.mark.parametrize(
    "arguments", [["brev.pdf", "--road", "fiks:kontoId"], ["brev.pdf", "--road", "?"], ["nei.pdf"]]
)
def test_what_cannot_be_asked_is_refused_in_one_line(folder, capsys, arguments):
    assert preflight(folder, *arguments) == 1
    assert capsys.readouterr().err.startswith("bad-request: ")
