"""Ten thousand letters that wait for a slow Digipost, beside concern reports: what reports wait with them and without.

    python -m bench.letters_queue [letters] [reports in each block] [blocks] [postgres]

Two gateways on files of their own, run by turns and never at once: one has the letters, the other has none. Reports come at a
steady rate, whether or not the one before was answered, and nobody fetches them: accepted and opened, that is what is timed.
Digipost and the registers are in a process of their own, so that a report is never timed while they are at work.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, select
from structlog.stdlib import BoundLogger

from bench.database import Database
from bench.letter_pdf import written
from bench.letters import NO_QUOTA, load
from bench.letters_stage import DATA, Stage, envelope, plan, prepared
from bench.sender import Posted, Upload, sender
from bench.slow_partners import slowly_served
from gateway.app import environment
from gateway.config import load as read_configuration
from gateway.crashpoints import Point
from gateway.demo.cast import FAGSYSTEM
from gateway.demo.letter_partners import ADAPTER, ROAD
from gateway.domain.lifecycle import Effect, Event
from gateway.observability import logging
from gateway.pipeline.environment import Environment
from gateway.pipeline.hand_over import CaseSystemClient
from gateway.pipeline.submit import submit
from gateway.pipeline.traffic import prepare
from gateway.spi import Part, Stream
from gateway.store import parcels, unit_of_work
from gateway.store.database import remove_rows
from gateway.store.parcels import StoredParcel
from gateway.store.tables import message, queue_item

LETTERS: Final = 10_000
ANSWER_AFTER_S: Final = 5.0
REPORTS, BLOCKS = 200, 3
REPORTS_PER_S: Final = 8.0
_WARM_UP: Final = 10  # reports after each start that are not counted, on either side
_POSTGRES: Final = "postgres"
_SEEDERS: Final = 16
_SETTLE_S: Final = 5.0  # until its reader of PDFs has begun and the window has room
_PATIENCE_S: Final = 60
_POLL_S: Final = 0.05


@dataclass
class Arm:
    """One of the two gateways, its reports, and those that were answered and count."""

    stage: Stage
    uploads: list[Upload]
    answered: list[Posted] = field(default_factory=list)

    def accepted_s(self) -> list[float]:
        """From the post of each to its 201."""
        return [one.seconds for one in self.answered]

    def opened_s(self) -> list[float]:
        """From the arrival of each until it was opened."""
        found = _opened(self.stage)
        return [found[one.uuid] for one in self.answered]


async def measure_queue(folder: Path, letters: int, reports: int, blocks: int, *, postgres: bool) -> tuple[Arm, Arm]:
    """Without letters, and with them."""
    async with AsyncExitStack() as stack:
        arms = []
        for name, count in (("without", 0), ("with", letters)):
            (folder / name).mkdir()
            database = Database.fresh(folder / name / "postgres") if postgres else None
            stage = await stack.enter_async_context(prepared(folder / name, count, NO_QUOTA, database))
            await stack.enter_async_context(slowly_served(stage, ANSWER_AFTER_S))
            arms.append(Arm(stage, await _sealed(stage, (_WARM_UP + reports) * blocks)))
        await queue_letters(arms[1].stage)
        per_block = _WARM_UP + reports
        for block in range(blocks):
            for arm in arms if block % 2 else reversed(arms):
                await _block(arm, arm.uploads[block * per_block : (block + 1) * per_block])
        return arms[0], arms[1]


async def _sealed(stage: Stage, count: int) -> list[Upload]:
    """Each another report: repeats would be linked."""
    await stage.cast.gateway.start()
    async with sender(stage.cast) as sending:
        uploads, _ = await asyncio.to_thread(sending.sealed, count)
    await stage.cast.gateway.stop()
    return uploads


async def queue_letters(stage: Stage) -> None:
    """Hand in a letter to everybody and clear it, as the engine would, while the gateway stands still.

    What a rule says is not asked here: it is asked before each letter is sent.
    """
    waiting, letter = iter(enumerate(stage.people, start=1)), written(0)
    gateway = stage.cast.gateway
    configuration = read_configuration(gateway.site.configuration, os.environ | gateway.environment)
    async with environment(configuration) as opened, AsyncExitStack() as stack:
        env = replace(opened, log=stack.enter_context(_logging(stage)))
        await prepare(env, ADAPTER)
        client = CaseSystemClient(FAGSYSTEM, (stage.cast.site.tenant,))

        async def seed() -> None:
            for number, person in waiting:
                another = letter + b"%% %d\n" % number
                message_id = await submit(env, client, str(uuid.uuid4()), _parts(person, another))
                await env.store.write(partial(_clear, env, message_id), Point.CLEARED)

        await asyncio.gather(*(seed() for _ in range(_SEEDERS)))


@contextmanager
def _logging(stage: Stage) -> Iterator[BoundLogger]:
    """Ten thousand lines that nobody wants to see."""
    with (stage.cast.site.folder / "queue.log").open("w") as out:
        yield logging.to(out)


async def _parts(person: str, letter: bytes) -> AsyncIterator[Part]:
    yield Part("melding", _stream(json.dumps(envelope(person, ["brev.pdf"])).encode()))
    yield Part(DATA, _stream(plan(person)))
    yield Part("brev.pdf", _stream(letter))


async def _stream(content: bytes) -> Stream:
    yield content


def _clear(env: Environment, message_id: str, conn: Connection) -> None:
    row, now = conn.execute(select(message).where(message.c.id == message_id)).one(), env.now()
    remove_rows(conn, queue_item, message_id=message_id, effect=Effect.CHECK_GUARDS.value)
    chosen = StoredParcel(row.tenant, message_id, 1, ROAD, ADAPTER, str(row.person), str(uuid.uuid4()))
    parcels.add(conn, chosen, now)
    unit_of_work.move(conn, message_id, unit_of_work.Happening(Event.GUARDS_PASSED, "gateway", now))


async def _block(arm: Arm, uploads: list[Upload]) -> None:
    """Reports at a steady rate: one that waits holds up none that comes."""
    await arm.stage.cast.gateway.start()
    try:
        async with sender(arm.stage.cast) as sending:
            await asyncio.sleep(_SETTLE_S)
            begin, posting = time.monotonic(), []
            for number, upload in enumerate(uploads):
                await asyncio.sleep(begin + number / REPORTS_PER_S - time.monotonic())
                posting.append(asyncio.create_task(sending.post(upload)))
            answered = await asyncio.gather(*posting)
            arm.answered += answered[_WARM_UP:]
        async with asyncio.timeout(_PATIENCE_S):
            while not _opened(arm.stage).keys() >= {one.uuid for one in answered}:  # noqa: ASYNC110  a file
                await asyncio.sleep(_POLL_S)
    finally:
        await arm.stage.cast.gateway.stop()


def _opened(stage: Stage) -> dict[str, float]:
    """Seconds from the arrival of each report until it was opened, by its id."""
    query = (
        "SELECT message.id, (state.since - message.arrived_at) / 1e6 FROM message JOIN message_state AS state"
        " ON state.message_id = message.id WHERE state.state = 'READY'"
    )
    return {message_id: float(seconds) for message_id, seconds in stage.rows(query)}


def _told(without: list[float], beside: list[float]) -> Iterator[str]:
    for percent in (50, 90, 99):
        before, after = (_percentile_ms(seconds, percent) for seconds in (without, beside))
        yield f"p{percent} {before:.1f} -> {after:.1f} ms ({after / before - 1:+.0%})"


def _percentile_ms(seconds: list[float], percent: int) -> float:
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] * 1e3


async def print_queue(letters: int, reports: int, blocks: int, *, postgres: bool) -> None:
    """Measure and print."""
    print(f"{'PostgreSQL' if postgres else 'SQLite'}; load {load()}")
    with tempfile.TemporaryDirectory(prefix="budstikke-bench-") as name:
        without, beside = await measure_queue(Path(name), letters, reports, blocks, postgres=postgres)
        left = beside.stage.states()
        accepted = ", ".join(_told(without.accepted_s(), beside.accepted_s()))
        opened = ", ".join(_told(without.opened_s(), beside.opened_s()))
    print(
        f"{len(without.answered)} reports at {REPORTS_PER_S:.0f} a second without letters, as many beside {letters} letters"
        f" to a Digipost that takes {ANSWER_AFTER_S:.0f} s for each; in the end {left}"
    )
    print(f"post to 201: {accepted}")
    print(f"201 to opened: {opened}")
    print(f"load {load()}")


if __name__ == "__main__":
    given = [int(one) for one in sys.argv[1:] if one != _POSTGRES]
    figures = (*given, *(LETTERS, REPORTS, BLOCKS)[len(given) :])
    asyncio.run(print_queue(*figures, postgres=_POSTGRES in sys.argv))
