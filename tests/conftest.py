"""What every test may use: the reference data beside the repository, where it is present."""

from pathlib import Path

import pytest
from hypothesis import settings

from gateway.observability import logging

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT.parent / "shared" / "reference"

# As the gateway does it: what nobody configured is drawn in colours, and takes up to a second a traceback.
logging.configure("stderr")

# How long an example takes on a shared machine says nothing; the time-out of the test stands.
settings.register_profile("gateway", deadline=None)
settings.load_profile("gateway")


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of public schemas, samples and vectors; tests that need it say so when it is absent."""
    if not REFERENCE.is_dir():
        pytest.skip(f"the reference data is not beside this checkout ({REFERENCE.name}/ is missing)")
    return REFERENCE


def pytest_make_parametrize_id(val: object) -> str | None:
    """Functions are named by their name, not their address: every process must collect the same tests."""
    return getattr(val, "__name__", None) if callable(val) and not isinstance(val, type) else None


def pytest_addoption(parser: pytest.Parser) -> None:
    """How many broken reports the flood of S103 has."""
    parser.addoption("--broken", type=int, default=200, help="broken reports in tests/security/test_flood.py")
