"""Two hundred kills at random moments on each store; ``make kills N=1000`` for more."""

import os
import random
from pathlib import Path

import pytest

from tests.acceptance.harness import Forge
from tests.acceptance.kills import run

COUNT = int(os.environ.get("BUDSTIKKE_KILLS", "200"))


@pytest.mark.proves("promise-10")
@pytest.mark.quiet
@pytest.mark.timeout(600)
@pytest.mark.proves("promise-1")
@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
async def test_kills_at_random_moments_lose_double_and_misreport_nothing(
    tmp_path: Path, forks: Forge, store: str, capsys: pytest.CaptureFixture[str]
):
    seed = random.SystemRandom().randrange(1_000_000)
    outcome = await run(forks, store, tmp_path, COUNT, seed)
    with capsys.disabled():  # whoever runs it sees the seed, the counts and how long it took
        print(f"\n{store}: {outcome.line()}")
    assert len(outcome.verdict.accepted) == COUNT, outcome.line()
    assert outcome.holds, (outcome.line(), outcome.verdict)
