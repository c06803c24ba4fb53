"""A Fiks platform on a real RabbitMQ, and an office of ours there."""

import pytest

from tests.broker import running_fiks
from tests.fiks_kit import make_office


@pytest.fixture
async def fiks(tmp_path):
    async with running_fiks(tmp_path) as running:
        yield running


@pytest.fixture
async def office(fiks):
    return await make_office(fiks)
