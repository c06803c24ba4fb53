"""What acceptance tests share: one forge a run, because importing everything takes longer than most gateways live."""

from collections.abc import Iterator

import pytest

from tests.acceptance.harness import Forge, forge


@pytest.fixture(scope="session")
def forks() -> Iterator[Forge]:
    with forge() as made:
        yield made
