"""An adapter of others runs only as the configuration names it: name, distribution and version."""

import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway import config
from gateway.app.parts import adapter_entry_points, adapter_settings
from gateway.cli import app
from gateway.config import Configuration
from gateway.errors import ConfigError
from gateway.testing.site import make_site
from tests.conftest import ROOT

PACKAGE = "budstikke_fremmed"


@pytest.fixture
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An adapter that is installed beside us, as an installer would leave it."""
    home = tmp_path / "installed"
    CliRunner().invoke(app, ["new-adapter", "fremmed", "--into", str(home)])
    about = home / "budstikke_fremmed-1.2.3.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: budstikke-fremmed\nVersion: 1.2.3\n", "utf-8")
    (about / "entry_points.txt").write_text(f"[gateway.adapters]\nfremmed = {PACKAGE}:ADAPTER\n", "utf-8")
    monkeypatch.syspath_prepend(str(home))
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


def configured(folder: Path, origins: str = "") -> Configuration:
    site = make_site(
        folder,
        defaults=ROOT / "config",
        issuer="https://issuer.test/",
        jwks_uri="http://127.0.0.1:9/jwks",
        adapters=("fiks", "fremmed"),
        sections=origins,
    )
    return config.load(site.configuration, {})


@pytest.mark.proves("S107")
def test_a_stranger_is_listed_and_not_imported(stranger, tmp_path):
    assert "fremmed" in adapter_entry_points()
    assert [entry.name for entry in entry_points(group="gateway.adapters", name="fremmed")] == ["fremmed"]
    made = configured(tmp_path / "site")
    adapter_settings(made, "fiks")
    with pytest.raises(ConfigError) as caught:
        adapter_settings(made, "fremmed")
    assert "budstikke-fremmed==1.2.3" in str(caught.value)
    assert PACKAGE not in sys.modules


@pytest.mark.proves("S107")
@pytest.mark.parametrize("origin", ["budstikke-fremmed==1.2.4", "budstikke==1.2.3", "budstikke-fremmed"])
def test_another_version_or_distribution_than_the_named_one_is_not_imported(stranger, tmp_path, origin):
    made = configured(tmp_path / "site", f'[adapter_origins]\nfremmed = "{origin}"')
    with pytest.raises(ConfigError):
        adapter_settings(made, "fremmed")
    assert PACKAGE not in sys.modules


@pytest.mark.proves("S107")
def test_the_named_distribution_and_version_is_imported(stranger, tmp_path):
    made = configured(tmp_path / "site", '[adapter_origins]\nfremmed = "budstikke-fremmed==1.2.3"')
    spec, _ = adapter_settings(made, "fremmed")
    assert spec.name == "fremmed"  # the control
    assert PACKAGE in sys.modules
