"""Keys that all tests of Digipost share."""

import pytest

from tests.digipost_kit import Keys


@pytest.fixture(scope="session")
def keys():
    return Keys.make()
