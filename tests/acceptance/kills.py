"""Kill the gateway at random, N times, while reports come in and are fetched; then count. ``make kills N=1000``."""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from gateway.demo.cast import Cast
from gateway.simulators.ledger import Verdict, judge
from gateway.simulators.produsent import Answer
from tests.acceptance.harness import Forge, differences, forge, send, stage, told

LIFE_S = (0.02, 0.5)  # from before it listens to well into its work
AT_ONCE = 6
PATIENCE_S = 240
LEFT_TO_A_PERSON = {"killed-worker", "effect-parked"}


@dataclass(frozen=True)
class Outcome:
    """What a run came to. ``left``: messages that a person had to let go on."""

    kills: int
    seed: int
    seconds: float
    verdict: Verdict
    differences: int
    left: int

    @property
    def holds(self) -> bool:
        return self.verdict.holds and self.differences == 0

    def line(self) -> str:
        found = self.verdict
        return (
            f"kills {self.kills}, seed {self.seed}, {self.seconds:.0f} s: accepted {len(found.accepted)}, "
            f"lost {len(found.lost)}, stored twice {len(found.doubled)}, other bytes {len(found.differing)}, "
            f"sender not told {len(found.undelivered)}, told twice {len(found.delivered_twice)}, "
            f"differences between state and journal {self.differences}, left to a person {self.left}"
        )


async def run(forks: Forge, store: str, folder: Path, count: int, seed: int) -> Outcome:
    """Kill ``count`` times, let it finish, judge."""
    chance = random.Random(seed)
    started = time.monotonic()
    async with stage(forks, store, folder) as cast:
        sink = asyncio.create_task(cast.case_system.run_until(lambda: False))
        room = asyncio.Semaphore(AT_ONCE)
        sending = [asyncio.create_task(_send(cast, number, room)) for number in range(count)]
        for _ in range(count):
            cast.gateway.launch()
            await asyncio.sleep(chance.uniform(*LIFE_S))
            await cast.gateway.kill()
        cast.gateway.launch()
        answers = await asyncio.gather(*sending)
        left = await _let_go_on(cast)
        await told(cast, (answer and answer.uuid for answer in answers), PATIENCE_S)
        await cast.gateway.stop()
        sink.cancel()
        await asyncio.gather(sink, return_exceptions=True)
        seconds = time.monotonic() - started
        faults = len(await differences(cast))
        return Outcome(count, seed, seconds, judge(cast.sender_ledger, cast.sink_ledger), faults, left)


async def _let_go_on(cast: Cast) -> int:
    """What was alone in work at several kills is left to a person, as poison would be; now that person lets it go on.

    How often that is depends on how long work takes beside how long a life is, so on the machine's load.
    """
    await cast.gateway.ready()
    alarms = await cast.gateway.command("alarms", "list", "--limit", "1000")
    left = {alarm["subject"] for alarm in alarms if alarm["code"] in LEFT_TO_A_PERSON}
    for message in left:
        await cast.gateway.command("release", message, "--person", "kari", "--reason", "the killing is over")
    return len(left)


async def _send(cast: Cast, number: int, room: asyncio.Semaphore) -> Answer | None:
    async with room:
        return await send(cast, number)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--store", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    order = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="budstikke-kills-") as name, forge() as forks:
        outcome = asyncio.run(run(forks, order.store, Path(name), order.count, order.seed))
    print(outcome.line())
    sys.exit(0 if outcome.holds else 1)


if __name__ == "__main__":
    main()
