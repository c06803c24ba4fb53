"""S106: each library has a floor with a reason, and nothing starts below one."""

import tomllib
from importlib.metadata import PackageNotFoundError

import pytest

from gateway.cli import check
from gateway.cli.floors import FLOORS, floor_faults
from gateway.errors import ConfigError
from tests.conftest import ROOT

FLOOR = {"aiohttp": ("3.14.5", "a reason")}


def faults(found):
    def installed(_name):
        if found is None:
            raise PackageNotFoundError
        return found

    return floor_faults(FLOOR, installed)


@pytest.mark.proves("S106")
@pytest.mark.parametrize(
    "found",
    ["3.14.4", "3.14", "3", "2.99.99", "3.9.12", "3.14.5rc1", "3.15.0a0", "4.0.dev1", "1!1.0", "", "newest", None],
)
def test_a_library_below_its_floor_is_a_fault_that_says_why(found):
    (fault,) = faults(found)
    assert "aiohttp" in fault
    assert "3.14.5 is needed: a reason" in fault


@pytest.mark.proves("S106")
@pytest.mark.parametrize("found", ["3.14.5", "3.14.5.0", "3.14.5.post1", "3.14.5+local.1", "3.14.10", "3.15", "4"])
def test_control_the_floor_and_what_is_younger_are_none(found):
    assert faults(found) == []


@pytest.mark.proves("S106")
def test_floors():
    """The list is the whole list of what we depend on, each with the same release, and a reason."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    asked = dict(line.split(">=") for line in project["dependencies"])
    assert {name.partition("[")[0]: floor for name, floor in asked.items()} == {
        name: floor for name, (floor, _) in FLOORS.items()
    }
    assert all(len(reason) > 20 for _, reason in FLOORS.values())


@pytest.mark.proves("S106")
def test_the_start_refuses_less(monkeypatch, tmp_path):
    """`run` and `check-config` both go through `sound`; what is installed here is no fault."""
    with pytest.raises(ConfigError) as caught:
        check.sound(tmp_path / "gateway.toml")
    assert not [fault for fault in caught.value.faults if fault.startswith("libraries: ")]  # the control
    monkeypatch.setattr(check, "floor_faults", lambda: faults("3.14.2"))
    with pytest.raises(ConfigError) as caught:
        check.sound(tmp_path / "gateway.toml")
    assert [fault for fault in caught.value.faults if fault.startswith("libraries: aiohttp 3.14.2")]
