"""A new adapter begins as a copy that works: its own test passes before anything is changed."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.errors import ConfigError
from tests.conftest import ROOT


def make(name: str, into: Path):
    return CliRunner().invoke(app, ["new-adapter", name, "--into", str(into)])


@pytest.mark.proves("promise-9")
def test_the_copy_passes_its_own_test(tmp_path: Path) -> None:
    into = tmp_path / "ny"
    result = make("tannlege", into)
    assert result.exit_code == 0, result.output
    assert "next:" in result.output
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=into,
        env={**os.environ, "PYTHONPATH": f"{into}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "6 passed" in run.stdout


def test_nothing_of_the_copy_says_loopback_and_its_entry_point_names_it(tmp_path: Path) -> None:
    make("tannlege", tmp_path)
    for file in tmp_path.rglob("*.py"):
        assert "loopback" not in file.read_text("utf-8").lower(), file.name
    project = tomllib.loads((tmp_path / "pyproject.toml").read_text("utf-8"))
    assert project["project"]["entry-points"]["gateway.adapters"] == {"tannlege": "budstikke_tannlege:ADAPTER"}


def test_what_is_there_is_never_overwritten(tmp_path: Path) -> None:
    assert make("tannlege", tmp_path).exit_code == 0
    changed = tmp_path / "budstikke_tannlege" / "road.py"
    changed.write_text("mine", "utf-8")
    assert isinstance(make("tannlege", tmp_path).exception, ConfigError)
    assert changed.read_text("utf-8") == "mine"


@pytest.mark.parametrize("name", ["loopback", "../ut", "Tannlege", "a", "tann-lege", "tannlege/x", "1a", ""])
def test_a_name_that_is_no_package_name_is_refused(tmp_path: Path, name: str) -> None:
    assert make(name, tmp_path / "ny").exit_code != 0
    assert not (tmp_path / "ny").exists()
